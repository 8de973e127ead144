/**
 * The cache in Redis, without copies in this process.
 */
import type { CacheBackend, CacheError, Ttl } from "@tiercache/core"
import { RedisBackend } from "@tiercache/redis-backend"
import { Layer } from "effect"
import { backendOptions } from "./internal/backendOptions.ts"
import { type Options as ServiceOptions, type Services, services } from "./internal/services.ts"

export interface Options extends ServiceOptions {
  readonly redis: RedisBackend.Options
  /** How long Redis may take for an operation, 500 ms unless given. The same as `redis.commandTimeout`, which counts more. */
  readonly l2Timeout?: Ttl.Input | undefined
}

/** Every read asks Redis. */
export const layer = (options: Options): Layer.Layer<Services | CacheBackend.CacheBackend, CacheError.CacheError> =>
  services(options).pipe(Layer.provideMerge(RedisBackend.layer(backendOptions(options))))
