/**
 * Distributed locks: one holder at a time among all processes that share a store.
 *
 * How it works. A holder has a lease, which it renews every third of its time and which ends by itself when it does not. All that
 * belongs to a lock is one value of the store, which scripts change in one step each (`internal/lockScripts`): ask, renew, release.
 *
 * 1. A grant belongs to an owner, a random name for one acquisition. Who asks again under the same name gets the same grant,
 *    so a command whose answer was lost is simply repeated.
 * 2. Who does not get the lock stands in a queue in the store. A release offers the lock to the first of it, for a moment in which nobody
 *    else gets it, and the bus tells that one: nobody else asks for nothing. Messages are hints: who hears none asks once a second.
 * 3. Every grant has a fence, the larger of the last one plus 1 and the server's time in microseconds: it grows from holder to
 *    holder, also if the store was emptied or a replica that had missed the last grants became the primary.
 * 4. A holder counts its lease from before it asked. Is it not renewed in time, what runs under it is interrupted before the store
 *    grants the lock to somebody else, and `ensure` fails from then on, even if nothing could be interrupted because the
 *    process stood still.
 *
 * **Gotchas**
 *
 * What this cannot do, no lease can: a process that stands still between `ensure` and its next step does not notice that the lock
 * has gone to another. What must not happen twice carries the fence, and is refused where it arrives (`FencedWrite`). docs/locks.md
 * says what is promised, and under which conditions.
 */
import { Cache, CacheBackend, CacheError, CacheKey, Ttl } from "@tiercache/core"
import { Context, Duration, Effect, Layer, type Scope } from "effect"
import type { Lease } from "./internal/lockLease.ts"
import * as LockMetrics from "./internal/lockMetrics.ts"
import * as LockOptions from "./internal/lockOptions.ts"
import * as Permits from "./internal/lockPermits.ts"
import * as Section from "./internal/lockSection.ts"
import { LockReentered, type LockHeld, type LockLost } from "./LockError.ts"

export type { Held, OnUnavailable } from "./internal/lockSection.ts"

/** How long to wait: a duration, which may be zero, or `"forever"`. */
export type Wait = Ttl.Input | "forever"

export interface AcquireOptions {
  /**
   * How long the lock is kept without being renewed, 10 seconds unless given: what others wait for a holder that died, and how long a
   * store may be away before a section is interrupted. At least 50 ms.
   */
  readonly ttl?: Ttl.Input | undefined
  /** How long to wait for others to give it back, 10 seconds unless given. */
  readonly wait?: Wait | undefined
  /** Unless false, those who came earlier go first. Otherwise whoever asks when it is free gets it. */
  readonly fair?: boolean | undefined
  /**
   * What to do if the store could not be reached for all the time to wait, or refused (no memory left): fail, or go on without the
   * lock, for work that is better done twice than not at all.
   */
  readonly onUnavailable?: Section.OnUnavailable | undefined
  /**
   * How many replicas have to know of a grant before it counts, none unless given. While fewer do, it is asked for again, and in the
   * end given back. That makes it less likely that a failover forgets a grant, not impossible: renewals are not waited for.
   */
  readonly waitReplicas?: number | undefined
}

export interface Options extends AcquireOptions {
  /** Lets a section that runs under the lock already go on under it, instead of being a defect. */
  readonly reentrant?: boolean | undefined
}

export class Lock extends Context.Service<
  Lock,
  {
    readonly withLock: (
      name: CacheKey.Input,
      options?: Options
    ) => <A, E, R>(
      section: Section.Section<A, E, R>
    ) => Effect.Effect<A, E | LockHeld | LockLost | CacheError.CacheError, R>
    readonly acquire: (
      name: CacheKey.Input,
      options?: AcquireOptions
    ) => Effect.Effect<Section.Held, LockHeld | CacheError.CacheError, Scope.Scope>
    /** How many in this process wait for a lock. */
    readonly waiting: () => number
  }
>()("@tiercache/domains/Lock") {}

/**
 * Runs an effect under a lock.
 *
 * **Details**
 *
 * Fails with `LockHeld` if others had the lock for all the time to wait, and with `LockLost` if it was lost: then the effect was
 * interrupted, or, if it ended before that could happen, what it returned is in the error. An effect that fails by itself fails with
 * that.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Lock } from "@tiercache/domains"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer } from "effect"
 *
 * const report = Lock.withLock("report:daily", { ttl: "10 seconds" })((lock) =>
 *   Effect.gen(function* () {
 *     const figures = yield* Effect.succeed([1, 2, 3])
 *     yield* lock.ensure
 *     return { figures, writtenBy: lock.fence > 0 }
 *   })
 * )
 * const locksInMemory = Lock.layer().pipe(Layer.provide(MemoryBackend.layer()))
 *
 * await Effect.runPromise(Effect.provide(report, locksInMemory)) // => { figures: [1, 2, 3], writtenBy: true }
 * ```
 */
export const withLock =
  (name: CacheKey.Input, options?: Options) =>
  <A, E, R>(
    section: Section.Section<A, E, R>
  ): Effect.Effect<A, E | LockHeld | LockLost | CacheError.CacheError, R | Lock> =>
    Effect.flatMap(Lock, (lock) => lock.withLock(name, options)(section))

/** A lock until the scope closes. Nothing is interrupted when it is lost: `ensure` and `lost` tell. */
export const acquire = (
  name: CacheKey.Input,
  options?: AcquireOptions
): Effect.Effect<Section.Held, LockHeld | CacheError.CacheError, Lock | Scope.Scope> =>
  Effect.flatMap(Lock, (lock) => lock.acquire(name, options))

/** As `acquire`, without waiting: `undefined` if somebody else has the lock. One command. */
export const tryLock = (
  name: CacheKey.Input,
  options?: Omit<AcquireOptions, "wait">
): Effect.Effect<Section.Held | undefined, CacheError.CacheError, Lock | Scope.Scope> =>
  Effect.catchTag(acquire(name, { ...options, wait: Duration.zero }), "LockHeld", () => Effect.succeed(undefined))

export interface LayerOptions {
  /** Begins every key, as that of the cache does; `tradecore` unless given. Locks are in `{prefix}:lock:{name}`. */
  readonly prefix?: string | undefined
  /** `false` shows no metrics. */
  readonly metrics?: boolean | undefined
}

/** A section that the running fiber is in, or was forked in. */
interface Outer {
  readonly permits: Permits.Permits
  readonly key: string
  readonly lease: Lease
  readonly held: Section.Held
  /** That runs the section itself. */
  readonly fiber: number
}

const Sections = Context.Reference<ReadonlyArray<Outer>>("@tiercache/domains/Lock/Sections", { defaultValue: () => [] })

export const make = Effect.fnUntraced(function* (options?: LayerOptions) {
  const backend = yield* CacheBackend.CacheBackend
  const permits = yield* Permits.make(backend, LockMetrics.make("lock"))
  if (options?.metrics !== false) yield* LockMetrics.show(permits.metrics, permits.waiting)
  const prefix = yield* CacheError.attempt(() => CacheKey.parse(options?.prefix ?? Cache.DEFAULT_PREFIX).encoded)

  const requestOf = (name: CacheKey.Input, { fair, ttl, wait, waitReplicas }: AcquireOptions): Permits.Request => {
    const key = CacheKey.parse(name).encoded
    return {
      name: key,
      key: `${prefix}:lock:${key}`,
      permits: 1,
      limit: 1,
      ttlMillis: LockOptions.ttlMillis(ttl),
      waitMillis: LockOptions.waitMillis(wait),
      inTurn: fair !== false,
      replicas: LockOptions.replicaCount(waitReplicas)
    }
  }

  const withLock =
    (name: CacheKey.Input, options: Options = {}) =>
    <A, E, R>(
      section: Section.Section<A, E, R>
    ): Effect.Effect<A, E | LockHeld | LockLost | CacheError.CacheError, R> =>
      CacheError.suspend(() => {
        const request = requestOf(name, options)
        const { key } = request
        return Effect.withFiber((fiber) => {
          const sections = fiber.getRef(Sections)
          const outer = sections.find(
            (other) => other.permits === permits && other.key === key && other.lease.remaining() > 0
          )
          if (outer !== undefined && options.reentrant === true) {
            const inner = Effect.isEffect(section) ? section : section(outer.held)
            return Section.guard(outer.lease, request.name, inner)
          }
          if (outer?.fiber === fiber.id) return Effect.die(new LockReentered({ lock: request.name }))
          return Section.run(permits, request, options.onUnavailable, section, (effect, lease, held) =>
            Effect.withFiber((inside) =>
              Effect.provideService(effect, Sections, [...sections, { permits, key, lease, held, fiber: inside.id }])
            )
          )
        })
      })

  return Lock.of({
    withLock,
    acquire: (name, options = {}) =>
      CacheError.suspend(() => Section.acquire(permits, requestOf(name, options), options.onUnavailable)),
    waiting: permits.waiting
  })
})

export const layer = (options?: LayerOptions): Layer.Layer<Lock, CacheError.CacheError, CacheBackend.CacheBackend> =>
  Layer.effect(Lock, make(options))
