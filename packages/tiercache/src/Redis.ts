/**
 * The cache in Redis, without copies in this process.
 */
import { Cache, type CacheBackend, type CacheError } from "@tiercache/core"
import { RedisBackend } from "@tiercache/redis-backend"
import { Layer } from "effect"

export interface Options extends Cache.Options {
  readonly redis: RedisBackend.Options
}

/** Every read asks Redis. */
export const layer = (options: Options): Layer.Layer<Cache.Cache | CacheBackend.CacheBackend, CacheError.CacheError> =>
  Cache.layer(options).pipe(Layer.provideMerge(RedisBackend.layer(options.redis)))
