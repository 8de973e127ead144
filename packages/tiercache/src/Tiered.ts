/**
 * The cache in Redis with an L1 in this process in front of it.
 */
import { Cache, type CacheBackend, CacheError, CacheKey } from "@tiercache/core"
import { LruStore } from "@tiercache/memory-backend"
import { RedisBackend } from "@tiercache/redis-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Effect, Layer } from "effect"
import { backendOptions } from "./internal/backendOptions.ts"
import { type Services, services } from "./internal/services.ts"
import type * as Redis from "./Redis.ts"

export interface Options extends Redis.Options, TieredBackend.Options {
  readonly l1?: LruStore.Options | undefined
  /**
   * Also follows what other programs write to the cache's keys (`redis-cli`, say), and evictions. Each write then costs the L1s a
   * read, whatever `onWrite` says.
   */
  readonly foreignWriters?: boolean | undefined
}

/** Reads what L1 holds without a round trip; the writes of other processes correct L1 over Redis pub/sub. */
export const layer = (
  options: Options
): Layer.Layer<Services | CacheBackend.CacheBackend | TieredBackend.TrustStates, CacheError.CacheError> =>
  services(options).pipe(
    Layer.provideMerge(TieredBackend.layer(options)),
    Layer.provide(Layer.merge(redisLayer(options), LruStore.layer(options.l1)))
  )

const redisLayer = (options: Options) =>
  Layer.unwrap(
    Effect.map(
      CacheError.attempt(() => redisOptions(options)),
      RedisBackend.layer
    )
  )

const redisOptions = (options: Options): RedisBackend.Options => {
  const redis = backendOptions(options)
  return options.foreignWriters === true
    ? { ...redis, trackedPrefix: `${CacheKey.parse(options.prefix ?? Cache.DEFAULT_PREFIX).encoded}:` }
    : redis
}

/** Whether L1 is trusted: the state now, and whenever it changes. */
export const TrustStates = TieredBackend.TrustStates
