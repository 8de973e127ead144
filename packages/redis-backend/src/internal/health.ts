/**
 * How the server, its clock and the bus are.
 */
import type { CacheBackend, MonotonicClock } from "@tiercache/core"
import { Clock, Effect } from "effect"
import type * as RedisBus from "../RedisBus.ts"
import type * as RedisClock from "../RedisClock.ts"
import type * as RedisConnection from "../RedisConnection.ts"

/** Fields of INFO by the name under which health shows them. Hosters may leave some out. */
const FIELDS = {
  version: "redis_version",
  used_memory_human: "used_memory_human",
  connected_clients: "connected_clients",
  eviction_policy: "maxmemory_policy"
}

export const make = (
  connection: RedisConnection.RedisConnection,
  clock: RedisClock.RedisClock,
  now: MonotonicClock.Now,
  bus: RedisBus.RedisBus
): CacheBackend.CacheBackend["Service"]["health"] =>
  Effect.gen(function* () {
    const ping = Effect.match(
      connection.command("health", (client) => client.ping()),
      { onFailure: ({ message }) => message, onSuccess: () => undefined }
    )
    // a user without the right to INFO has a healthy Redis all the same
    const info = Effect.orElseSucceed(
      connection.command("health", (client) => client.info()),
      () => ""
    )
    const [problem, text] = yield* Effect.all([ping, info], { concurrency: 2 })
    const wallMillis = yield* Clock.currentTimeMillis
    const healthy = problem === undefined
    return {
      healthy,
      problem,
      details: {
        connected: healthy,
        endpoint: connection.endpoint,
        db: connection.db,
        ...factsOf(text),
        bus: bus.status(),
        ...(bus.problem() === undefined ? {} : { bus_problem: bus.problem() ?? "" }),
        ...(healthy
          ? {
              // how far the server's clock is ahead of this machine's
              clock_offset_ms: Math.round(clock.toRedis(now()) - wallMillis),
              clock_error_ms: Math.round(clock.errorMillis() * 1000) / 1000
            }
          : {})
      }
    }
  })

const factsOf = (info: string): Record<string, string | number> => {
  const facts: Record<string, string | number> = {}
  for (const [name, field] of Object.entries(FIELDS)) {
    const value = new RegExp(`^${field}:(.*?)\r?$`, "m").exec(info)?.[1]
    if (value !== undefined) facts[name] = /^\d+$/.test(value) ? Number(value) : value
  }
  return facts
}
