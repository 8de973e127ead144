/**
 * Decisions of rate limits, in memory and over Redis, beside a bare INCR.
 */
import { Redis } from "ioredis"
import { RateLimiterMemory, RateLimiterRedis } from "rate-limiter-flexible"
import { createCache, RateLimit } from "tiercache"
import { compare, type Task } from "../measure.ts"
import { effectRateLimiter } from "../rivals/effectRateLimiter.ts"
import type { Measurement, Suite } from "../Suite.ts"

const SUBJECTS = 1000
const IN_FLIGHT = 50
/** Never reached, and within what a policy may allow: 10 000 a second. */
const PLENTY = 30_000_000

const subjects = Array.from({ length: SUBJECTS }, (_, index) => `user-${index}`)

export const limits: Suite = {
  name: "limits",
  title: "Rate limits",
  run: async ({ effort, progress, servers }) => {
    const redisUrl = await servers.emptied("limits")
    const redis = new Redis(redisUrl)
    const inMemory = await createCache()
    const onRedis = await createCache({ backend: "redis", redis: { url: redisUrl } })
    const gcra = RateLimit.gcra("bench", { limit: PLENTY, period: "1 hour" })
    const fixed = RateLimit.fixedWindow("bench-fixed", { limit: PLENTY, window: "1 hour" })
    const flexible = new RateLimiterMemory({ points: PLENTY, duration: 3600 })
    const effects = await effectRateLimiter(redis)
    const flexibleRedis = new RateLimiterRedis({ storeClient: redis, points: PLENTY, duration: 3600 })

    const oneByOne = (name: string, decide: (subject: string) => Promise<unknown>): Task => ({
      name,
      operations: SUBJECTS,
      run: async () => {
        for (const subject of subjects) await decide(subject)
      }
    })
    const together = (name: string, decide: (subject: string) => Promise<unknown>): Task => ({
      name,
      operations: IN_FLIGHT,
      run: () => Promise.all(subjects.slice(0, IN_FLIGHT).map(decide))
    })
    progress("compares limiters")
    const workloads = [
      [
        "in memory",
        [
          oneByOne("tiercache: GCRA", (subject) => inMemory.consume(gcra, subject)),
          oneByOne("tiercache: fixed window", (subject) => inMemory.consume(fixed, subject)),
          oneByOne("rate-limiter-flexible", (subject) => flexible.consume(subject)),
          oneByOne("effect RateLimiter", effects.inMemory)
        ]
      ],
      [
        "on Redis, 50 in flight",
        [
          together("tiercache: GCRA", (subject) => onRedis.consume(gcra, subject)),
          together("tiercache: fixed window", (subject) => onRedis.consume(fixed, subject)),
          together("rate-limiter-flexible", (subject) => flexibleRedis.consume(subject)),
          together("effect RateLimiter", effects.onRedis),
          together("ioredis: INCR", (subject) => redis.incr(`bench:${subject}`))
        ]
      ]
    ] as const
    const measurements: Array<Measurement> = []
    for (const [workload, tasks] of workloads) {
      for (const { name, spread, value } of await compare(tasks, effort, "per second")) {
        measurements.push({ name, workload, value, unit: "per second", spread })
      }
    }
    await inMemory.close()
    await onRedis.close()
    await effects.close()
    redis.disconnect()
    return measurements
  }
}
