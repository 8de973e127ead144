/**
 * Distributed semaphores: so many holders at a time among all processes that share a store.
 *
 * A semaphore is a lock of several permits, and works as `Lock` does: leases that are renewed, a queue in order of arrival, loss that
 * interrupts, the store's clock. Who needs several permits waits until all of them are free, and nobody overtakes it meanwhile.
 *
 * **Gotchas**
 *
 * The limit belongs to the semaphore but is given at each call: while processes give different ones, as during a deployment, each
 * is served by its own.
 */
import { Cache, CacheBackend, CacheError, CacheKey } from "@tiercache/core"
import { Context, Effect, Layer, type Scope } from "effect"
import * as LockMetrics from "./internal/lockMetrics.ts"
import * as LockOptions from "./internal/lockOptions.ts"
import * as Permits from "./internal/lockPermits.ts"
import * as Section from "./internal/lockSection.ts"
import type * as Lock from "./Lock.ts"
import type { LockHeld, LockLost } from "./LockError.ts"

export interface Options extends Lock.AcquireOptions {
  /** How many permits there are, at most 10,000. */
  readonly limit: number
  /** How many of them to take, 1 unless given. */
  readonly permits?: number | undefined
}

export class Semaphore extends Context.Service<
  Semaphore,
  {
    readonly withPermits: (
      name: CacheKey.Input,
      options: Options
    ) => <A, E, R>(
      section: Section.Section<A, E, R>
    ) => Effect.Effect<A, E | LockHeld | LockLost | CacheError.CacheError, R>
    readonly acquire: (
      name: CacheKey.Input,
      options: Options
    ) => Effect.Effect<Section.Held, LockHeld | CacheError.CacheError, Scope.Scope>
  }
>()("@tiercache/domains/Semaphore") {}

/**
 * Runs an effect while it holds permits.
 *
 * **Details**
 *
 * Fails as `Lock.withLock` does: with `LockHeld` if others had the permits for all the time to wait, with `LockLost` if they were lost.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Semaphore } from "@tiercache/domains"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer } from "effect"
 *
 * const call = Semaphore.withPermits("broker:alpaca", { limit: 3 })(Effect.succeed("filled"))
 * const inMemory = Semaphore.layer().pipe(Layer.provide(MemoryBackend.layer()))
 *
 * await Effect.runPromise(Effect.provide(call, inMemory)) // => "filled"
 * ```
 */
export const withPermits =
  (name: CacheKey.Input, options: Options) =>
  <A, E, R>(
    section: Section.Section<A, E, R>
  ): Effect.Effect<A, E | LockHeld | LockLost | CacheError.CacheError, R | Semaphore> =>
    Effect.flatMap(Semaphore, (semaphore) => semaphore.withPermits(name, options)(section))

/** Permits until the scope closes. Nothing is interrupted when they are lost: `ensure` and `lost` tell. */
export const acquire = (
  name: CacheKey.Input,
  options: Options
): Effect.Effect<Section.Held, LockHeld | CacheError.CacheError, Semaphore | Scope.Scope> =>
  Effect.flatMap(Semaphore, (semaphore) => semaphore.acquire(name, options))

/** All holders are in one value, and each step of the semaphore reads it. */
const MAX_LIMIT = 10_000

export const make = Effect.fnUntraced(function* (options?: Lock.LayerOptions) {
  const permits = yield* Permits.make(yield* CacheBackend.CacheBackend, LockMetrics.make("semaphore"))
  if (options?.metrics !== false) yield* LockMetrics.show(permits.metrics, permits.waiting)
  const prefix = yield* CacheError.attempt(() => CacheKey.parse(options?.prefix ?? Cache.DEFAULT_PREFIX).encoded)

  const requestOf = (
    name: CacheKey.Input,
    { fair, limit, permits = 1, ttl, wait, waitReplicas }: Options
  ): Permits.Request => {
    const key = CacheKey.parse(name).encoded
    return {
      name: key,
      key: `${prefix}:semaphore:${key}`,
      limit: LockOptions.integerIn("limit", limit, 1, MAX_LIMIT),
      permits: LockOptions.integerIn("permits", permits, 1, limit),
      ttlMillis: LockOptions.ttlMillis(ttl),
      waitMillis: LockOptions.waitMillis(wait),
      inTurn: fair !== false,
      replicas: LockOptions.replicaCount(waitReplicas)
    }
  }

  return Semaphore.of({
    withPermits: (name, options) => (section) =>
      CacheError.suspend(() =>
        Section.run(permits, requestOf(name, options), options.onUnavailable, section, (effect) => effect)
      ),
    acquire: (name, options) =>
      CacheError.suspend(() => Section.acquire(permits, requestOf(name, options), options.onUnavailable))
  })
})

/** Semaphores are in `{prefix}:semaphore:{name}`. */
export const layer = (
  options?: Lock.LayerOptions
): Layer.Layer<Semaphore, CacheError.CacheError, CacheBackend.CacheBackend> => Layer.effect(Semaphore, make(options))
