/**
 * A process: a real tiered cache over a real L1, and over connections to the model of Redis.
 */
import { CacheBackend, Invalidation, LocalStore } from "@tiercache/core"
import { LruStore } from "@tiercache/memory-backend"
import { Cause, Clock, Context, Effect, Exit, type Fiber, Scheduler, Scope } from "effect"
import type { Limits } from "../../src/Coherence.ts"
import type { Rules } from "../../src/internal/rules.ts"
import * as TieredBackend from "../../src/TieredBackend.ts"
import { BusConnection } from "./BusConnection.ts"
import * as Calls from "./Calls.ts"
import { CommandConnection } from "./CommandConnection.ts"
import type { Database } from "./Database.ts"
import type { Leftover, Load, Operation, Outcome, Peek } from "./History.ts"
import { Loads } from "./Loads.ts"
import * as ModelBackend from "./ModelBackend.ts"
import type { ModelRedis } from "./ModelRedis.ts"
import * as Readers from "./Readers.ts"
import type { Call } from "./Step.ts"
import { codec } from "./Values.ts"
import type { VirtualTime } from "./VirtualTime.ts"

/** What all processes share. */
export interface World {
  readonly time: VirtualTime
  readonly server: ModelRedis
  readonly database: Database
  /** See `History`. */
  readonly loads: Array<Load>
  readonly failures: Array<string>
  readonly rules: Rules
  readonly limits: Limits
  readonly options: TieredBackend.Options
  /** See `LeaseReader`. */
  readonly looksAgain: boolean
  readonly nextValue: () => number
  /** The number of the current step. */
  readonly step: () => number
}

/** More than there are keys: what is not in L1 was not evicted. */
const L1_ENTRIES = 8

/** Of a turn: to begin it, to go on, and to end it. */
const LEAST_OPERATIONS = 3

export class SimulatedProcess {
  readonly origin: string
  readonly commands: CommandConnection
  readonly bus: BusConnection
  readonly loads: Loads
  private readonly world: World
  private readonly backend: CacheBackend.CacheBackend["Service"]
  /** Made when they are needed, because that takes longer than most schedules. */
  private readers: Readers.Readers | undefined
  private readonly context: Context.Context<never>
  private readonly scope = Scope.makeUnsafe()
  private running: Array<{ readonly operation: Operation; readonly fiber: Fiber.Fiber<unknown, unknown> }> = []
  private starting: Operation | undefined
  private readonly bookmarks = new Map<string, LocalStore.Bookmark>()

  constructor(origin: string, offset: number, world: World) {
    const { database, failures, limits, loads, nextValue, options, rules, server, time } = world
    this.origin = origin
    this.world = world
    this.commands = new CommandConnection(time)
    this.bus = new BusConnection(origin, server.bus, offset)
    this.loads = new Loads({ origin, database, nextValue, history: loads })
    this.context = Context.make(Clock.Clock, time.clock(offset)).pipe(Context.add(Scheduler.Scheduler, time.scheduler))
    const { commands } = this
    const { listen } = this.bus
    const current = () => this.starting
    const onFailure = () => failures.push(origin)
    const onStored = this.loads.noteStored
    const link = { origin, server, commands, time, offset, listen, current, onFailure, onStored }
    const { backend, heartbeat } = ModelBackend.make(link)
    const made = this.runSync(
      TieredBackend.makeWith(options, rules, limits).pipe(
        Effect.provideServiceEffect(LocalStore.LocalStore, LruStore.make({ maxEntries: L1_ENTRIES })),
        Effect.provideService(CacheBackend.CacheBackend, backend),
        Effect.provideService(Invalidation.Invalidation, this.bus.service(heartbeat)),
        Scope.provide(this.scope)
      )
    )
    this.backend = Context.get(made, CacheBackend.CacheBackend)
  }

  /** Starts a call, which goes as far as it can without the server. */
  start(id: number, call: Call, body: (fiber: Fiber.Fiber<unknown, unknown>) => void = () => {}): Operation {
    const operation: Operation = {
      id,
      origin: this.origin,
      call,
      kind: Calls.kindOf(call),
      keys: "key" in call ? [call.key] : "keys" in call ? call.keys : [],
      announces: Calls.changesDatabase(call) ? this.world.database.change() : undefined,
      startedAt: this.world.time.now,
      startedIn: this.world.step(),
      startPosition: this.world.server.changes.length,
      heard: this.bus.heard,
      endedAt: Infinity,
      endedIn: Infinity,
      outcome: "pending",
      isSent: false,
      positions: new Map(),
      found: new Map()
    }
    const { backend } = this
    const { nextValue } = this.world
    const parts = { backend, nextValue, readers: this.readersFor(operation) }
    this.starting = operation
    const fiber = Effect.runForkWith(this.context)(Calls.perform(parts, call))
    body(fiber)
    this.starting = undefined
    const running = { operation, fiber }
    this.running.push(running)
    fiber.addObserver((exit) => {
      this.running = this.running.filter((other) => other !== running)
      if (Exit.isSuccess(exit)) for (const [key, found] of exit.value) operation.found.set(key, found)
      this.end(operation, outcomeOf(exit))
    })
    return operation
  }

  /** Starts a call, and interrupts it after some turns of one operation each. */
  abort(id: number, call: Call, turns: number): Operation {
    const { time } = this.world
    time.operationsPerTurn = LEAST_OPERATIONS
    const operation = this.start(id, call, (fiber) => {
      time.turns(turns)
      fiber.interruptUnsafe()
    })
    time.operationsPerTurn = Infinity
    return operation
  }

  /** Somebody gives up the oldest call. */
  interrupt(): boolean {
    const oldest = this.running[0]
    oldest?.fiber.interruptUnsafe()
    return oldest !== undefined
  }

  /** Nothing that it does reaches anybody any more; what it has sent may. */
  kill(): void {
    const { running } = this
    for (const { operation } of running) this.end(operation, "lost")
    this.running = []
    this.commands.cut()
    this.bus.sever()
    // or they would go on as soon as time passes
    for (const { fiber } of running) fiber.interruptUnsafe()
    this.world.time.drain()
    this.runSync(Scope.close(this.scope, Exit.void))
  }

  peek(key: string): Pick<Peek, "value" | "isDistrusted" | "isStale"> | undefined {
    const bookmark = this.bookmarks.get(key) ?? new LocalStore.Bookmark(key)
    this.bookmarks.set(key, bookmark)
    const value = this.backend.peek(key, codec, bookmark)
    if (this.backend.peek(key, codec) !== value) throw new Error(`a bookmark of ${key} shows what is not there`)
    if (value !== undefined) return { value, isDistrusted: false, isStale: false }
    const entry = this.backend.peekEntry(key, codec)
    if (entry?.value === undefined) return undefined
    return { value: entry.value, isDistrusted: entry.isDistrusted === true, isStale: true }
  }

  leftover(): Leftover {
    const coherence = this.backend.stats().coherence
    return {
      origin: this.origin,
      unacknowledged: coherence?.unacknowledged ?? 0,
      inFlight: coherence?.inFlight ?? 0,
      waiting: this.readers === undefined ? 0 : Readers.waiting(this.readers)
    }
  }

  stats(): CacheBackend.Stats {
    return this.backend.stats()
  }

  private end(operation: Operation, outcome: Outcome): void {
    if (operation.outcome !== "pending") return
    operation.outcome = outcome
    operation.endedAt = this.world.time.now
    operation.endedIn = this.world.step()
  }

  private readersFor({ kind }: Operation): Readers.Readers | undefined {
    if (kind === "load" && this.readers === undefined) {
      const { backend, loads, scope, world } = this
      const { looksAgain } = world
      this.readers = this.runSync(Scope.provide(Readers.make({ backend, load: loads.load, looksAgain }), scope))
    }
    return this.readers
  }

  /** Runs what has nothing to wait for. */
  private runSync<A, E>(effect: Effect.Effect<A, E>): A {
    const fiber = Effect.runForkWith(this.context)(effect)
    this.world.time.drain()
    const exit = fiber.pollUnsafe()
    if (exit === undefined || Exit.isFailure(exit)) throw new Error(`did not succeed: ${String(exit)}`)
    return exit.value
  }
}

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): Outcome => {
  if (Exit.isSuccess(exit)) return "acknowledged"
  if (Cause.hasDies(exit.cause)) return "defect"
  return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed"
}
