/**
 * Runs a schedule: real tiered caches, a model of what is between them, and nothing that happens by itself.
 */
import { type Limits, LIMITS } from "../../src/Coherence.ts"
import * as Rules from "../../src/internal/rules.ts"
import type { Options } from "../../src/TieredBackend.ts"
import * as Checker from "./Checker.ts"
import { Database } from "./Database.ts"
import type { Fault } from "./Fault.ts"
import type { Final, History, Load, Operation, Peek } from "./History.ts"
import { ModelRedis, type Sender } from "./ModelRedis.ts"
import { SimulatedProcess, type World } from "./SimulatedProcess.ts"
import type { Step } from "./Step.ts"
import { write } from "./Values.ts"
import type { Violation } from "./Violation.ts"
import { VirtualTime } from "./VirtualTime.ts"

export interface Setup {
  readonly processes: number
  readonly rules?: Rules.Rules | undefined
  readonly limits?: Limits | undefined
  readonly fault?: Fault | undefined
  readonly serveStale?: "50 millis" | undefined
  /** See `LeaseReader`; true unless given. */
  readonly looksAgain?: boolean | undefined
}

const BOUND_MILLIS = 100

/** As `serveStale` says. */
const STALE_MILLIS = 50

/** What schedules use. */
const KEYS = ["a", "b", "c"] as const

/** What the server has at the beginning. */
const STORED = ["a", "b"] as const

/** In milliseconds; a number, because a grace is the difference of two. */
const FOREVER = 1e9

const NOBODY: Sender = { origin: "nobody", writeId: undefined, operation: undefined, announces: undefined }

/** Their monotonic clocks have nothing to do with each other. */
const CLOCK_OFFSET = 1_000_003

/** How much time passes at once while somebody waits for a lease of a process that is gone, and how often, at most. */
const PATIENCE_MILLIS = 1100
const PATIENCE_ROUNDS = 12

/** Steps after which whoever waits for a lease may not be told that it has ended. */
const LOSSES: ReadonlySet<Step["step"]> = new Set(["evict", "restart", "crash", "sever", "cut", "stall"])

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
export const check = ({ history }: Run, { serveStale }: Pick<Setup, "serveStale">): ReadonlyArray<Violation> =>
  Checker.check(history, { boundMillis: BOUND_MILLIS, staleMillis: serveStale === undefined ? 0 : STALE_MILLIS })

class Simulation {
  private readonly time = new VirtualTime()
  private readonly database = new Database()
  private readonly loads: Array<Load> = []
  private readonly failures: Array<string> = []
  private readonly server: ModelRedis
  private readonly processes: Array<SimulatedProcess> = []
  private readonly gone: Array<SimulatedProcess> = []
  private readonly operations: Array<Operation> = []
  private readonly peeks: Array<Peek> = []
  private readonly performed: Array<Step> = []
  private readonly world: World
  private hasOverslept = false
  private steps = 0
  private values = 0

  constructor({ fault, limits, looksAgain, processes, rules, serveStale }: Setup) {
    this.server = new ModelRedis(this.time, fault)
    const options: Options = {
      staleness: `${BOUND_MILLIS} millis`,
      whileDistrusted: serveStale === undefined ? "l2" : { serveStale }
    }
    this.world = {
      time: this.time,
      server: this.server,
      database: this.database,
      loads: this.loads,
      failures: this.failures,
      rules: rules ?? Rules.all,
      limits: limits ?? LIMITS,
      options,
      looksAgain: looksAgain ?? true,
      nextValue: () => ++this.values,
      step: () => this.steps
    }
    const stored = new Map(STORED.map((key) => [key, write(this.world.nextValue())]))
    this.server.set(stored, { freshUntil: FOREVER, goneAfter: FOREVER, only: undefined, push: false }, NOBODY)
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
    const { changes, leases } = this.server
    const history = {
      changes,
      leases,
      loads: this.loads,
      failures: this.failures,
      operations: this.operations,
      peeks: this.peeks,
      finals,
      leftovers,
      hasOverslept: this.hasOverslept,
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
        this.server.flush({ ...NOBODY, announces: this.database.change() })
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
    const { bus, commands, loads } = process
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
      case "look":
      case "finish":
      case "fail":
        return loads[step.step]()
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
    const isPending = () => this.operations.some(({ outcome }) => outcome === "pending")
    const hasLost = this.failures.length > 0 || this.performed.some(({ step }) => LOSSES.has(step))
    this.settle(QUIET_ROUNDS, BOUND_MILLIS / 4)
    if (isPending()) {
      this.hasOverslept = !hasLost
      for (let round = 0; round < PATIENCE_ROUNDS && isPending(); round++) this.settle(1, PATIENCE_MILLIS)
      this.settle(QUIET_ROUNDS, BOUND_MILLIS / 4)
    }
    for (const process of this.processes) this.flow(process)
  }

  private settle(rounds: number, millis: number): void {
    for (let round = 0; round < rounds; round++) {
      this.steps++
      for (const process of [...this.gone, ...this.processes]) while (process.commands.serveOrphan());
      for (const process of this.processes) {
        process.commands.reopen()
        process.bus.notice()
        process.bus.connect()
        this.flow(process)
      }
      for (const { loads } of this.processes) while (loads.finish()) this.time.drain()
      // what one process did, others hear
      for (let turn = 0; turn < this.processes.length; turn++) for (const process of this.processes) this.flow(process)
      this.time.advance(millis)
    }
  }

  private peekInto(process: SimulatedProcess): void {
    const { bus, origin } = process
    for (const key of KEYS) {
      const peeked = process.peek(key)
      if (peeked === undefined) continue
      this.peeks.push({ ...peeked, origin, key, at: this.time.now, afterStep: this.steps, heard: bus.heard })
    }
  }

  private finalOf(process: SimulatedProcess, key: string): Final {
    this.steps++
    const peeked = process.peek(key)?.value
    const operation = process.start(this.operations.length, { call: "get", key, fresh: false })
    this.operations.push(operation)
    this.flow(process)
    return { origin: process.origin, key, peeked, got: operation.found.get(key)?.value }
  }
}
