/**
 * ioredis-mock as far as it can be used.
 *
 * It corrupts binary strings in Lua, so nothing that reads values there works: `increment` and `expire`. It raises no WRONGTYPE
 * and knows no `redis.error_reply`, so `run` is declared missing as well. Its TIME jumps. And what Lua publishes arrives
 * as text, never as the event `messageBuffer`, which is mended here.
 */
import type { RedisBackend } from "@tiercache/redis-backend"
import RedisMock from "ioredis-mock"

export const makeOptions = (): RedisBackend.Options => {
  const client = new RedisMock()
  const duplicate = client.duplicate.bind(client)
  client.duplicate = (options) => {
    const bus = duplicate(options)
    return bus.on("message", (channel, text) => bus.emit("messageBuffer", Buffer.from(channel), Buffer.from(text)))
  }
  return { client, unsupported: ["increment", "expire", "run"], time: () => performance.now() * 1000 }
}
