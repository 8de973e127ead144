/**
 * The cache in Redis with an L1 in this process in front of it.
 */
import { Cache, type CacheBackend, type CacheError } from "@tiercache/core"
import { LruStore } from "@tiercache/memory-backend"
import { RedisBackend } from "@tiercache/redis-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Layer } from "effect"

export interface Options extends Cache.Options, TieredBackend.Options {
  readonly redis: RedisBackend.Options
  readonly l1?: LruStore.Options | undefined
  /**
   * Also follows what other programs write to the cache's keys (`redis-cli`, say), and evictions. Each write then costs the L1s a
   * read, whatever `onWrite` says.
   */
  readonly foreignWriters?: boolean | undefined
}

/** Reads what L1 holds without a round trip; the writes of other processes correct L1 over Redis pub/sub. */
export const layer = (options: Options): Layer.Layer<Cache.Cache | CacheBackend.CacheBackend, CacheError.CacheError> =>
  Cache.layer(options).pipe(
    Layer.provideMerge(TieredBackend.layer(options)),
    Layer.provide(Layer.merge(RedisBackend.layer(redisOptions(options)), LruStore.layer(options.l1)))
  )

const redisOptions = ({ foreignWriters, prefix, redis }: Options): RedisBackend.Options =>
  foreignWriters === true ? { ...redis, trackedPrefix: `${prefix ?? Cache.DEFAULT_PREFIX}:` } : redis
