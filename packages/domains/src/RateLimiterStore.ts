/**
 * A store for Effect's own `RateLimiter` (`effect/persistence`), on any backend of a cache.
 *
 * **Details**
 *
 * Who has written against `RateLimiter` of `effect/persistence` keeps that code, and gives it this layer instead of Effect's
 * `layerStoreRedis` or `layerStoreMemory`. A call is one atomic script on one key, so it also works on Redis Cluster; time
 * is the store's clock in microseconds, so `retryAfter` and delays are exact and no clock of a process matters; every key has
 * a TTL. What the numbers mean is as Effect defines it.
 *
 * Keys are `{prefix}:ratelimiter:{algorithm}:{key}`: the algorithms count one key apart.
 *
 * **Gotchas**
 *
 * - Where the store is away, calls fail with `RateLimitStoreError`, as the interface has it; there is no policy for that.
 * - A key is not empty; tokens are not below zero, refill rates above zero; none of these, nor a limit or an epoch, is beyond 2^53, refill
 *   rates in milliseconds. All else fails with `RateLimitStoreError`.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { RateLimiterStore } from "@tiercache/domains"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer } from "effect"
 * import { RateLimiter } from "effect/persistence"
 *
 * const limits = RateLimiter.layer.pipe(
 *   Layer.provide(RateLimiterStore.layer()),
 *   Layer.provide(MemoryBackend.layer())
 * )
 * const program = RateLimiter.RateLimiter.use((limiter) =>
 *   limiter.consume({ key: "user-123", limit: 5, window: "1 minute", algorithm: "token-bucket" })
 * )
 *
 * const { remaining } = await Effect.runPromise(program.pipe(Effect.provide(limits)))
 * remaining // => 4
 * ```
 */
import { Cache, CacheBackend, CacheError, CacheKey, type Script } from "@tiercache/core"
import { Duration, Effect, Layer } from "effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as adaptive from "./internal/storeAdaptive.ts"
import { fixedWindow } from "./internal/storeFixedWindow.ts"
import type { State } from "./internal/storeState.ts"
import { tokenBucket } from "./internal/storeTokenBucket.ts"

export interface Options {
  /** Begins every key, as that of the cache; `tradecore` unless given. */
  readonly prefix?: string | undefined
}

export const make = Effect.fnUntraced(function* (options?: Options) {
  const backend = yield* CacheBackend.CacheBackend
  const prefix = yield* CacheError.attempt(() => CacheKey.parse(options?.prefix ?? Cache.DEFAULT_PREFIX).encoded)

  const run = <Args, Reply>(algorithm: Algorithm, script: Script.Script<State, Args, Reply>, key: string, args: Args) =>
    CacheError.suspend(() =>
      backend.run(script, [`${prefix}:ratelimiter:${algorithm}:${CacheKey.encodePart(key)}`], args)
    ).pipe(Effect.mapError(storeError))

  return RateLimiter.RateLimiterStore.of({
    fixedWindow: ({ key, limit, refillRate, tokens }) =>
      Effect.andThen(
        check({ tokens, refillRate, limit }),
        run("fixed-window", fixedWindow, key, { tokens, limit, refillMillis: Duration.toMillis(refillRate) })
      ),
    tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) =>
      Effect.andThen(
        check({ tokens, refillRate, limit }),
        run("token-bucket", tokenBucket, key, {
          tokens,
          limit,
          allowOverflow,
          refillMillis: Duration.toMillis(refillRate)
        })
      ),
    adaptiveConsume: ({ fallbackWindow, key, tokens }) =>
      Effect.andThen(
        check({ tokens, refillRate: fallbackWindow, limit: undefined }),
        Effect.map(
          run("adaptive", adaptive.consume, key, { tokens, fallbackMillis: Duration.toMillis(fallbackWindow) }),
          ([delay, epoch, phase]): RateLimiter.AdaptiveConsumeResult => ({
            delay: Duration.millis(delay),
            epoch,
            phase: PHASES[phase] ?? "inactive"
          })
        )
      ),
    adaptiveFeedback: ({ epoch, key, retryAfter, status, tokens }) => {
      if (status !== 429 || retryAfter === undefined) return Effect.void
      return Effect.andThen(
        check({ tokens, refillRate: undefined, limit: epoch }),
        run("adaptive", adaptive.feedback, key, { epoch, tokens, retryMillis: Duration.toMillis(retryAfter) })
      )
    }
  })
})

export const layer = (
  options?: Options
): Layer.Layer<RateLimiter.RateLimiterStore, CacheError.CacheError, CacheBackend.CacheBackend> =>
  Layer.effect(RateLimiter.RateLimiterStore, make(options))

type Algorithm = "fixed-window" | "token-bucket" | "adaptive"

const PHASES: Readonly<Record<number, RateLimiter.AdaptivePhase>> = {
  [adaptive.COOLDOWN]: "cooldown",
  [adaptive.LEARNING]: "learning",
  [adaptive.LEARNED]: "learned"
}

interface Numbers {
  readonly tokens: number
  readonly refillRate: Duration.Duration | undefined
  readonly limit: number | undefined
}

const MOST = Number.MAX_SAFE_INTEGER

/** One NaN or infinity would spoil what all others count, and so would a product that becomes one. */
const check = ({ limit = 0, refillRate = Duration.millis(1), tokens }: Numbers) => {
  const refillMillis = Duration.toMillis(refillRate)
  const isGood =
    tokens >= 0 && refillMillis > 0 && [tokens, limit, refillMillis].every((number) => Math.abs(number) <= MOST)
  if (isGood) return Effect.void
  const problem = "tokens are not below zero, windows are above zero, and none of them, nor limits, is beyond 2^53"
  return Effect.fail(storeError(CacheError.make("run", "InvalidOption", problem)))
}

const storeError = (cause: CacheError.CacheError) =>
  new RateLimiter.RateLimiterError({
    reason: new RateLimiter.RateLimitStoreError({ message: "the store of rate limits has failed", cause })
  })
