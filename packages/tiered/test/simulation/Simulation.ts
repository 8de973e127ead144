/**
 * Runs a schedule: real tiered caches, a model of what is between them, and nothing that happens by itself.
 */
import { type Limits, LIMITS } from "../../src/Coherence.ts"
import * as Rules from "../../src/internal/rules.ts"
import type { Options } from "../../src/TieredBackend.ts"
import * as Checker from "./Checker.ts"
import type { Final, History, Operation, Peek } from "./History.ts"
import { type Fault, ModelRedis, type Sender } from "./ModelRedis.ts"
import { SimulatedProcess, type World } from "./SimulatedProcess.ts"
import { show, showCall, type Step } from "./Step.ts"
import { write } from "./Values.ts"
import { VirtualTime } from "./VirtualTime.ts"

export interface Setup {
  readonly processes: number
  readonly rules?: Rules.Rules | undefined
  readonly limits?: Limits | undefined
  readonly fault?: Fault | undefined
  readonly serveStale?: "50 millis" | undefined
}

const BOUND_MILLIS = 100

/** As `serveStale` says. */
const STALE_MILLIS = 50

/** What schedules use. */
const KEYS = ["a", "b", "c"] as const

/** What the server has at the beginning. */
const STORED = ["a", "b"] as const

const NOBODY: Sender = { origin: "nobody", writeId: undefined, operation: undefined }

/** Their monotonic clocks have nothing to do with each other. */
const CLOCK_OFFSET = 1_000_003

/** After which everything must have come to rest: two heartbeats are heard, the last of them sent after all deadlines. */
const QUIET_ROUNDS = 6

export interface Run {
  readonly history: History
  /** The steps that were possible. */
  readonly performed: ReadonlyArray<Step>
  readonly processes: ReadonlyArray<SimulatedProcess>
}

/** Runs a schedule, waits until all is quiet, and looks what everybody has then. */
export const run = (setup: Setup, schedule: ReadonlyArray<Step>): Run => new Simulation(setup).run(schedule)

/** What is wrong with a run. */
export const check = ({ history }: Run, { serveStale }: Pick<Setup, "serveStale">): ReadonlyArray<Checker.Violation> =>
  Checker.check(history, { boundMillis: BOUND_MILLIS, staleMillis: serveStale === undefined ? 0 : STALE_MILLIS })

/** A run for people. */
export const describe = ({ history, performed }: Run, violations: ReadonlyArray<Checker.Violation>): string =>
  [
    "schedule:",
    ...performed.map((step) => `  ${show(step)},`),
    "changes on the server:",
    ...history.changes.map(
      ({ cause, key, operation, value }, index) =>
        `  ${index + 1}: ${cause} ${key} = ${value} by ${operation ?? "nobody"}`
    ),
    "operations:",
    ...history.operations.map(describeOperation),
    "violations:",
    ...violations.map(({ message, rule }) => `  ${rule}: ${message}`)
  ].join("\n")

const describeOperation = ({ call, endedAt, found, id, origin, outcome, positions, startedAt }: Operation): string => {
  const results = [...found].map(([key, found]) => `${key} = ${found && `${found.value} from ${found.tier}`}`)
  const seen = [...positions].map(([key, position]) => `${key} at ${position}`)
  return `  ${id}: ${origin} ${showCall(call)}: ${[outcome, ...results, ...seen].join(", ")} (${startedAt}-${endedAt} ms)`
}

class Simulation {
  private readonly time = new VirtualTime()
  private readonly server: ModelRedis
  private readonly processes: Array<SimulatedProcess> = []
  private readonly gone: Array<SimulatedProcess> = []
  private readonly operations: Array<Operation> = []
  private readonly peeks: Array<Peek> = []
  private readonly performed: Array<Step> = []
  private readonly world: World
  private steps = 0
  private values = 0

  constructor({ fault, limits, processes, rules, serveStale }: Setup) {
    this.server = new ModelRedis(this.time, fault)
    const options: Options = {
      staleness: `${BOUND_MILLIS} millis`,
      whileDistrusted: serveStale === undefined ? "l2" : { serveStale }
    }
    this.world = {
      time: this.time,
      server: this.server,
      rules: rules ?? Rules.all,
      limits: limits ?? LIMITS,
      options,
      nextValue: () => ++this.values,
      step: () => this.steps
    }
    const stored = new Map(STORED.map((key) => [key, write(this.world.nextValue())]))
    this.server.set(stored, { deadline: Infinity, only: undefined, push: false }, NOBODY)
    for (let index = 0; index < processes; index++) this.processes.push(this.join(`p${index}`))
    for (const process of this.processes) this.flow(process)
  }

  run(schedule: ReadonlyArray<Step>): Run {
    for (const step of schedule) {
      this.steps++
      if (!this.perform(step)) continue
      this.performed.push(step)
      this.time.drain()
      for (const process of this.processes) this.peekInto(process)
    }
    this.quieten()
    const leftovers = this.processes.map((process) => process.leftover())
    const finals = this.processes.flatMap((process) => KEYS.map((key) => this.finalOf(process, key)))
    const { changes } = this.server
    const history = {
      changes,
      operations: this.operations,
      peeks: this.peeks,
      finals,
      leftovers,
      endedAt: this.time.now
    }
    return { history, performed: this.performed, processes: [...this.processes, ...this.gone] }
  }

  /** Whether the step was possible. */
  private perform(step: Step): boolean {
    switch (step.step) {
      case "advance":
        this.time.advance(step.millis)
        return true
      case "stall":
        this.time.stall(step.millis)
        return true
      case "evict":
        this.server.evict(step.key)
        return true
      case "flush":
        this.server.flush()
        return true
      case "restart":
        this.restart()
        return true
      default:
        return this.performIn(step.process, step)
    }
  }

  private performIn(index: number, step: Extract<Step, { readonly process: number }>): boolean {
    const process = this.processes[index]
    if (process === undefined) return false
    const { bus, commands } = process
    switch (step.step) {
      case "call":
        this.operations.push(process.start(this.operations.length, step.call))
        return true
      case "abort":
        this.operations.push(process.abort(this.operations.length, step.call, step.turns))
        return true
      case "flow":
        this.flow(process)
        return true
      case "crash":
        this.crash(index, process)
        return true
      case "interrupt":
        return process.interrupt()
      case "serve":
      case "reply":
      case "refuse":
      case "linger":
      case "timeOut":
      case "cut":
      case "reopen":
      case "serveOrphan":
        return commands[step.step]()
      case "hear":
      case "duplicate":
      case "sever":
      case "notice":
      case "connect":
        return bus[step.step]()
    }
  }

  /** A process that has just subscribed. */
  private join(origin: string): SimulatedProcess {
    const generation = this.processes.length + this.gone.length + 1
    const process = new SimulatedProcess(origin, generation * CLOCK_OFFSET, this.world)
    process.bus.connect()
    return process
  }

  private flow(process: SimulatedProcess): void {
    const { bus, commands } = process
    for (let isMoving = true; isMoving;) {
      isMoving = false
      while (commands.serve()) isMoving = true
      for (; commands.reply(); this.time.drain()) isMoving = true
      for (; bus.hear(); this.time.drain()) isMoving = true
    }
  }

  private crash(index: number, process: SimulatedProcess): void {
    process.kill()
    this.gone.push(process)
    this.processes[index] = this.join(`${process.origin}'`)
  }

  private restart(): void {
    for (const { bus, commands } of this.processes) {
      commands.cut()
      commands.vanish()
      bus.sever()
    }
    this.server.restart()
  }

  /** Repairs every connection, and lets everything arrive. */
  private quieten(): void {
    for (let round = 0; round < QUIET_ROUNDS; round++) {
      this.steps++
      for (const process of [...this.gone, ...this.processes]) while (process.commands.serveOrphan());
      for (const process of this.processes) {
        process.commands.reopen()
        process.bus.notice()
        process.bus.connect()
        this.flow(process)
      }
      // what one process did, others hear
      for (const process of this.processes) this.flow(process)
      this.time.advance(BOUND_MILLIS / 4)
    }
    for (const process of this.processes) this.flow(process)
  }

  private peekInto(process: SimulatedProcess): void {
    const { bus, origin } = process
    for (const key of KEYS) {
      const value = process.peek(key)
      if (value === undefined) continue
      this.peeks.push({ origin, key, value, at: this.time.now, afterStep: this.steps, heard: bus.heard })
    }
  }

  private finalOf(process: SimulatedProcess, key: string): Final {
    this.steps++
    const peeked = process.peek(key)
    const operation = process.start(this.operations.length, { call: "get", key, fresh: false })
    this.operations.push(operation)
    this.flow(process)
    return { origin: process.origin, key, peeked, got: operation.found.get(key)?.value }
  }
}
