/**
 * A process: a real tiered cache over a real L1, and over connections to the model of Redis.
 */
import { CacheBackend, type CacheError, type Entry, Invalidation, LocalStore } from "@tiercache/core"
import { LruStore } from "@tiercache/memory-backend"
import { Cause, Clock, Context, Effect, Exit, type Fiber, Scheduler, Scope } from "effect"
import type { Limits } from "../../src/Coherence.ts"
import type { Rules } from "../../src/internal/rules.ts"
import * as TieredBackend from "../../src/TieredBackend.ts"
import { BusConnection } from "./BusConnection.ts"
import { CommandConnection } from "./CommandConnection.ts"
import type { Found, Leftover, Operation, Outcome } from "./History.ts"
import * as ModelBackend from "./ModelBackend.ts"
import type { ModelRedis } from "./ModelRedis.ts"
import type { Call, Lifetime, WriteOptions } from "./Step.ts"
import { codec } from "./Values.ts"
import type { VirtualTime } from "./VirtualTime.ts"

/** What all processes share. */
export interface World {
  readonly time: VirtualTime
  readonly server: ModelRedis
  readonly rules: Rules
  readonly limits: Limits
  readonly options: TieredBackend.Options
  readonly nextValue: () => number
  /** The number of the current step. */
  readonly step: () => number
}

const LIFETIMES = { long: "1 hour", short: "150 millis" } as const satisfies Record<Lifetime, string>

/** More than there are keys: what is not in L1 was not evicted. */
const L1_ENTRIES = 8

/** Of a turn: to begin it, to go on, and to end it. */
const LEAST_OPERATIONS = 3

type Results = ReadonlyArray<readonly [key: string, found: Found | undefined]>

export class SimulatedProcess {
  readonly origin: string
  readonly commands: CommandConnection
  readonly bus: BusConnection
  private readonly world: World
  private readonly backend: CacheBackend.CacheBackend["Service"]
  private readonly context: Context.Context<never>
  private readonly scope = Scope.makeUnsafe()
  private running: Array<{ readonly operation: Operation; readonly fiber: Fiber.Fiber<unknown, unknown> }> = []
  private starting: Operation | undefined

  constructor(origin: string, offset: number, world: World) {
    const { limits, options, rules, server, time } = world
    this.origin = origin
    this.world = world
    this.commands = new CommandConnection(time)
    this.bus = new BusConnection(origin, server, offset)
    this.context = Context.make(Clock.Clock, time.clock(offset)).pipe(Context.add(Scheduler.Scheduler, time.scheduler))
    const link = { origin, server, commands: this.commands, time, offset, current: () => this.starting }
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
      kind: kindOf(call),
      keys: "key" in call ? [call.key] : "keys" in call ? call.keys : [],
      startedAt: this.world.time.now,
      startedIn: this.world.step(),
      startPosition: this.world.server.changes.length,
      endedAt: Infinity,
      endedIn: Infinity,
      outcome: "pending",
      isSent: false,
      positions: new Map(),
      found: new Map()
    }
    this.starting = operation
    const fiber = Effect.runForkWith(this.context)(this.perform(call))
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
    for (const { operation } of this.running) this.end(operation, "lost")
    this.running = []
    this.commands.cut()
    this.bus.sever()
    this.runSync(Scope.close(this.scope, Exit.void))
  }

  peek(key: string): number | undefined {
    return this.backend.peek(key, codec)
  }

  leftover(): Leftover {
    const coherence = this.backend.stats().coherence
    return {
      origin: this.origin,
      unacknowledged: coherence?.unacknowledged ?? 0,
      inFlight: coherence?.inFlight ?? 0
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

  private perform(call: Call): Effect.Effect<Results, CacheError.CacheError> {
    const { backend } = this
    switch (call.call) {
      case "get":
        return Effect.map(backend.get(call.key, codec, { fresh: call.fresh }), (entry) => [[call.key, foundOf(entry)]])
      case "getMany":
        return Effect.map(backend.getMany(call.keys, codec, { fresh: call.fresh }), (entries) =>
          call.keys.map((key, index) => [key, foundOf(entries[index])])
        )
      case "set":
        return done(backend.set(call.key, codec, this.world.nextValue(), setOptions(call.options)))
      case "setMany": {
        const entries = call.keys.map((key) => [key, this.world.nextValue()] as const)
        return done(backend.setMany(entries, codec, setOptions(call.options)))
      }
      case "delete":
        return done(backend.delete(call.key))
      case "deleteMany":
        return done(backend.deleteMany(call.keys))
      case "expire":
        return done(backend.expire(call.key, LIFETIMES[call.ttl]))
      case "deletePattern":
        return done(backend.deletePattern({ glob: "*", matches: () => true }))
    }
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

const done = <E>(effect: Effect.Effect<unknown, E>): Effect.Effect<Results, E> => Effect.as(effect, [])

const foundOf = (entry: Entry.Entry<number> | undefined): Found | undefined =>
  entry && { value: entry.value, tier: entry.tier, isStale: entry.freshUntil === -Infinity }

const setOptions = ({ only, push, ttl }: WriteOptions): CacheBackend.SetOptions => ({
  ttl: LIFETIMES[ttl ?? "long"],
  only,
  push
})

const kindOf = ({ call }: Call): Operation["kind"] => {
  if (call === "get" || call === "getMany") return "read"
  return call === "deletePattern" ? "deletePattern" : "write"
}

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): Outcome => {
  if (Exit.isSuccess(exit)) return "acknowledged"
  if (Cause.hasDies(exit.cause)) return "defect"
  return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed"
}
