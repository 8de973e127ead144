/**
 * ioredis-mock, and what it cannot do.
 *
 * It corrupts binary strings in Lua: what reads or announces values there does not work (`increment`, `expire`, `changes`). It
 * raises no WRONGTYPE and has no `redis.error_reply` (`run`). And its TIME jumps by up to a second.
 */
import type { RedisBackend } from "@tiercache/redis-backend"
import RedisMock from "ioredis-mock"

export const makeOptions = (): RedisBackend.Options => ({
  client: new RedisMock(),
  unsupported: ["increment", "expire", "run", "changes"],
  time: () => performance.now() * 1000
})
