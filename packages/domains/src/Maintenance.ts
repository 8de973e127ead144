/**
 * Cleans up what is left behind in a store and would stay there: members of tag indexes whose time is over, and orphans, which are
 * keys under the cache's prefix that have no TTL and that nobody has used for long. All that a cache stores has a TTL; an orphan
 * comes from an older program, or from somebody who has taken the TTL away.
 *
 * **Details**
 *
 * - One process at a time cleans up, under a lock. The others skip at once, and say so.
 * - Locks, semaphores, rate limits and fenced values are left alone, and so is every key that holds anything but a string.
 * - All of it is done in small steps that can be repeated, so a process may die or be interrupted anywhere.
 * - In memory nothing is ever dead: there all is zero.
 *
 * **Gotchas**
 *
 * The age of a key is the time since somebody read or wrote it last (`OBJECT IDLETIME`). Redis does not know it under a
 * `maxmemory-policy` that ends in `lfu`: then nothing counts as an orphan.
 */
import { Cache, CacheBackend, CacheError, CacheKey, MonotonicClock, type Ttl } from "@tiercache/core"
import { Context, Duration, Effect, Layer } from "effect"
import * as Lock from "./Lock.ts"

export interface Options {
  /** How long nobody has used an orphan, at least; 24 hours unless given. */
  readonly maxAge?: Ttl.Input | undefined
  /** Reports what it would do, and does nothing. */
  readonly dryRun?: boolean | undefined
  /** Told after each batch. */
  readonly onProgress?: ((progress: CacheBackend.SweepProgress) => void) | undefined
}

export interface Report extends CacheBackend.Swept {
  /** Whether somebody else was cleaning up already: then nothing was done. */
  readonly skipped: boolean
  /** How long it took. */
  readonly millis: number
}

export class Maintenance extends Context.Service<
  Maintenance,
  {
    readonly run: (options?: Options) => Effect.Effect<Report, CacheError.CacheError>
  }
>()("@tiercache/domains/Maintenance") {}

/**
 * Cleans up once.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Lock, Maintenance } from "@tiercache/domains"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer } from "effect"
 *
 * const inMemory = Maintenance.layer().pipe(Layer.provide(Lock.layer()), Layer.provide(MemoryBackend.layer()))
 *
 * const report = await Effect.runPromise(Effect.provide(Maintenance.run({ dryRun: true }), inMemory))
 * report.skipped // => false
 * report.orphans // => 0
 * ```
 */
export const run = (options?: Options): Effect.Effect<Report, CacheError.CacheError, Maintenance> =>
  Maintenance.use((maintenance) => maintenance.run(options))

export interface LayerOptions {
  /** Begins every key, as that of the cache does; `tradecore` unless given. */
  readonly prefix?: string | undefined
}

const DEFAULT_MAX_AGE = "24 hours"

/** The name of the lock. */
export const LOCK = "tiercache:maintenance"

/** What others keep under the prefix of a cache: locks, semaphores, fenced values, rate limits. */
export const SPARED = ["lock", "semaphore", "fenced", "ratelimit", "ratelimiter"]

const NOTHING: CacheBackend.Swept = { trimmed: 0, orphans: 0, deleted: 0 }

export const make = Effect.fnUntraced(function* (options?: LayerOptions) {
  const backend = yield* CacheBackend.CacheBackend
  const locks = yield* Lock.Lock
  const now = yield* MonotonicClock.now
  const prefix = yield* CacheError.attempt(() => CacheKey.parse(options?.prefix ?? Cache.DEFAULT_PREFIX).encoded)
  const spared = SPARED.map((kind) => `${prefix}:${kind}:`)

  // Nothing is interrupted if the lock is lost: two who clean up at a time get in nobody's way.
  const tryLock = Effect.catchTag(locks.acquire(LOCK, { wait: Duration.zero }), "LockHeld", () =>
    Effect.succeed(undefined)
  )

  return Maintenance.of({
    run: ({ dryRun, maxAge = DEFAULT_MAX_AGE, onProgress } = {}) =>
      Effect.gen(function* () {
        const startedAt = now()
        const held = yield* tryLock
        const swept =
          held === undefined ? NOTHING : yield* backend.sweep({ prefix, spared, maxAge, dryRun, onProgress })
        return { ...swept, skipped: held === undefined, millis: now() - startedAt }
      }).pipe(Effect.scoped)
  })
})

export const layer = (
  options?: LayerOptions
): Layer.Layer<Maintenance, CacheError.CacheError, CacheBackend.CacheBackend | Lock.Lock> =>
  Layer.effect(Maintenance, make(options))
