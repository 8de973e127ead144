/**
 * ioredis-mock, and what it cannot do.
 *
 * It corrupts binary strings in Lua: what reads or announces values there does not work (`increment`, `expire`, `changes`, `leases`,
 * `tags`).
 * It raises no WRONGTYPE and has no `redis.error_reply` (`run`). Its GETRANGE fails where nothing is, and so is made of GET. And
 * its TIME jumps by up to a second.
 */
import type { RedisBackend } from "@tiercache/redis-backend"
import RedisMock from "ioredis-mock"

export const makeOptions = (): RedisBackend.Options => {
  const client = new RedisMock()
  const getrangeBuffer = async (key: string, start: number, end: number) =>
    (await client.getBuffer(key))?.subarray(start, end + 1) ?? Buffer.alloc(0)
  return {
    client: Object.assign(client, { getrangeBuffer }),
    unsupported: ["increment", "expire", "run", "changes", "leases", "tags"],
    time: () => performance.now() * 1000
  }
}
