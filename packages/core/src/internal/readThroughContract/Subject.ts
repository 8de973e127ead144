/**
 * Caches over one store, as processes share one, and how tests wait for what they do.
 */
import { assert } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Cache from "../../Cache.ts"
import * as CacheBackend from "../../CacheBackend.ts"
import * as CacheError from "../../CacheError.ts"
import { PartialFailure } from "../../EntityCache.ts"
import * as Calls from "./Calls.ts"

type Backend = CacheBackend.CacheBackend["Service"]

/** What stands for a fleet of processes. */
export class Fleet extends Context.Service<
  Fleet,
  {
    /** One for each process, over one store; at least three. */
    readonly backends: ReadonlyArray<Backend>
    /** Loses whatever is announced until the scope closes, and tells nobody. Needed on a test clock. */
    readonly lossy?: Effect.Effect<void, never, Scope.Scope> | undefined
  }
>()("@tiercache/core/testing/Fleet") {}

/** `test` is moved by `TestClock.adjust`; `live` passes by itself, as for a server. */
export type ClockKind = "test" | "live"

/** One cache of the fleet. */
export interface Process {
  readonly cache: Cache.Cache["Service"]
  /** What its backend was asked to do, since the test began or since `reset`. */
  readonly calls: Calls.Calls
  readonly backend: Backend
  /** How many announcements of deletes it has heard. */
  readonly deletesHeard: () => number
  readonly close: Effect.Effect<void>
}

export interface Subject {
  readonly clock: ClockKind
  readonly processes: readonly [Process, Process, Process]
  readonly lossy: Effect.Effect<void, never, Scope.Scope>
  /** The whole key of what the caches of this test know by that name. */
  readonly keyOf: (name: string) => string
  /** Lets everything expire that was stored with `SHORT`. */
  readonly elapse: Effect.Effect<void, CacheError.CacheError>
  /** Waits until a condition holds; on a test clock, where nothing changes by itself, for some turns only. */
  readonly eventually: <E, R>(condition: Effect.Effect<boolean, E, R>) => Effect.Effect<void, E, R>
}

export type Test = (
  name: string,
  body: (subject: Subject) => Effect.Effect<void, unknown, Scope.Scope>,
  options?: Requirements
) => void

/** What a test needs; it is left out where there is none. */
interface Requirements {
  /** The test moves the time, or loses messages. */
  readonly needs?: "testClock" | undefined
}

/** The TTL of what a test waits for. */
export const SHORT = "100 millis"

/** The TTL of what must not expire during a test. */
export const LONG = "1 hour"

const LIVE_ATTEMPTS = 4000
const LIVE_PAUSE = "3 millis"
const TEST_TURNS = 400

export const make = Effect.fnUntraced(function* (clock: ClockKind) {
  const { backends, lossy } = yield* Fleet
  const prefix = `through-${crypto.randomUUID()}`

  const open = Effect.fnUntraced(function* (backend: Backend | undefined) {
    assert(backend !== undefined, "a fleet has three backends")
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const counted = Calls.counted(backend)
    let deletesHeard = 0
    yield* backend.listen({
      onMessage: ({ kind }) => {
        if (kind === "delete" || kind === "pattern") deletesHeard++
      },
      onConnected: () => {},
      onDisconnected: () => {}
    })
    const cache = yield* Cache.make({ prefix }).pipe(
      Effect.provideService(CacheBackend.CacheBackend, counted.backend),
      Scope.provide(scope)
    )
    return {
      cache,
      calls: counted.calls,
      backend,
      deletesHeard: () => deletesHeard,
      close: Scope.close(scope, Exit.void)
    }
  })
  const processes = [yield* open(backends[0]), yield* open(backends[1]), yield* open(backends[2])] as const
  // a shared server is left as it was; one that is broken by then fails the test itself
  yield* Effect.addFinalizer(() => Effect.ignore(processes[0].cache.deletePattern("*")))

  const eventually: Subject["eventually"] = Effect.fnUntraced(function* (condition) {
    const [attempts, pause] =
      clock === "live" ? [LIVE_ATTEMPTS, Effect.sleep(LIVE_PAUSE)] : [TEST_TURNS, Effect.yieldNow]
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (yield* condition) return
      yield* pause
    }
    assert.fail("the condition never held")
  })

  // a witness written now outlives all that was stored with the same TTL before
  const untilWitnessIsGone = Effect.suspend(() => {
    const witness = `witness:${crypto.randomUUID()}`
    const { cache } = processes[0]
    return Effect.andThen(
      cache.set(witness, true, { ttl: SHORT }),
      eventually(Effect.map(cache.get(witness, { fresh: true }), (value) => value === undefined))
    )
  })

  // L1s serve from now on
  yield* eventually(Effect.sync(() => backends.every((backend) => backend.stats().coherence?.state !== "connecting")))

  const subject: Subject = {
    clock,
    processes,
    lossy: lossy ?? Effect.sync(() => assert.fail("a fleet on a test clock can lose messages")),
    keyOf: (name) => `${prefix}:${name}`,
    elapse: clock === "live" ? untilWitnessIsGone : TestClock.adjust(SHORT),
    eventually
  }
  return subject
})

/** Begins what goes on beside the test. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, { startImmediately: true })

/** Begins it that many times. */
export const startMany = <A, E, R>(times: number, effect: Effect.Effect<A, E, R>) =>
  Effect.all(Array.from({ length: times }, () => start(effect)))

export const joinAll = <A, E>(fibers: ReadonlyArray<Fiber.Fiber<A, E>>): Effect.Effect<ReadonlyArray<A>, E> =>
  Effect.forEach(fibers, (fiber) => Fiber.join(fiber))

/** Waits until plain code says so. */
export const until = ({ eventually }: Subject, condition: () => boolean): Effect.Effect<void> =>
  eventually(Effect.sync(condition))

/** Does something, and waits until a process has heard of the delete that it is or holds. */
export const hearing = <A, E, R>(
  subject: Subject,
  { deletesHeard }: Process,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const before = deletesHeard()
    return Effect.tap(effect, () => until(subject, () => deletesHeard() > before))
  })

/** Waits until it is known that a caller waits for the load of another process. */
export const untilWaiting = (subject: Subject, process: Process): Effect.Effect<void> =>
  until(subject, () => process.calls.held() > 0)

/** With what an effect fails; fails itself if that succeeds. */
export const errorOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E, never, R> =>
  Effect.match(effect, { onFailure: (error) => error, onSuccess: () => assert.fail("it did not fail") })

/** The reason of the `CacheError` with which an effect fails. */
export const reasonOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<CacheError.Reason, never, R> =>
  Effect.map(errorOf(effect), (error) =>
    CacheError.isCacheError(error) ? error.reason : assert.fail(`not a CacheError: ${String(error)}`)
  )

/** Whether anybody still reads or loads in any of the caches. */
export const isIdle = ({ processes }: Subject): boolean =>
  processes.every(({ cache }) => cache.metrics().inFlight === 0)

/** The reason of a `CacheError`, or the reasons of several in a `PartialFailure`. */
export const reasonsIn = (error: unknown): ReadonlyArray<string> => {
  if (CacheError.isCacheError(error)) return [error.reason]
  return error instanceof PartialFailure ? [...error.failures.values()].flatMap(reasonsIn) : [String(error)]
}

/** Stores a value under some ids, and waits until it is stale for all. */
export const storeStale = Effect.fnUntraced(function* (
  { elapse, eventually, processes }: Subject,
  ids: ReadonlyArray<string>,
  value: unknown
) {
  const [{ cache }] = processes
  for (const id of ids) yield* cache.getOrLoad(id, Effect.succeed(value), { ttl: SHORT, grace: LONG })
  yield* elapse
  for (const { cache } of processes) {
    for (const id of ids) yield* eventually(Effect.map(cache.lookup(id), (found) => found?.stale === true))
  }
})
