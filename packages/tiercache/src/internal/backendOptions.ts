/**
 * The options of the Redis backend, among those of a cache.
 */
import type { RedisBackend } from "@tiercache/redis-backend"
import type * as Redis from "../Redis.ts"

export const backendOptions = ({ l2Timeout, redis }: Redis.Options): RedisBackend.Options => ({
  ...redis,
  commandTimeout: redis.commandTimeout ?? l2Timeout
})
