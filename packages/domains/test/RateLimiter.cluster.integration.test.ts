import { assert, layer } from "@effect/vitest"
import { CacheBackend } from "@tiercache/core"
import { RedisCluster, RedisSentinel } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect, Fiber } from "effect"
import * as RateLimit from "../src/RateLimit.ts"
import * as RateLimiter from "../src/RateLimiter.ts"

const makeLimiter = (options: RedisBackend.Options) =>
  Effect.flatMap(RedisBackend.make(options), (context) =>
    Effect.provideService(
      RateLimiter.make(),
      CacheBackend.CacheBackend,
      Context.get(context, CacheBackend.CacheBackend)
    )
  )

layer(RedisCluster.layer({ replicas: 0 }), { excludeTestServices: true })("rate limits on Redis Cluster", (it) => {
  it.effect("count for subjects on all nodes, several policies in one step", () =>
    Effect.gen(function* () {
      const { addresses, primaryOf } = yield* RedisCluster.RedisCluster
      const limiter = yield* makeLimiter({ cluster: addresses, commandTimeout: "30 seconds" })
      const patient = { deadline: "30 seconds" } as const
      const policies = [
        RateLimit.gcra("per-second", { limit: 2, period: "1 hour", ...patient }),
        RateLimit.fixedWindow("per-day", { limit: 3, window: "1 day", ...patient }),
        RateLimit.slidingCounter("per-week", { limit: 4, window: "7 days", ...patient }),
        RateLimit.exactLog("per-month", { limit: 5, window: "30 days", ...patient })
      ]
      const nodes = new Set<number>()
      for (let index = 0; index < 20; index++) {
        const subject = `user-${index}`
        nodes.add((yield* primaryOf(`tradecore:ratelimit:per-day:{${subject}}`)).port)
        const verdicts = yield* Effect.replicateEffect(limiter.consumeAll(policies, subject), 3)
        assert.deepStrictEqual(
          verdicts.map(({ allowed, decisions }) => [allowed, ...decisions.map(({ source }) => source)]),
          [true, true, false].map((allowed) => [allowed, "store", "store", "store", "store"])
        )
        const left = yield* Effect.forEach(policies, (policy) => limiter.check(policy, subject))
        assert.deepStrictEqual(
          left.map(({ remaining }) => remaining),
          [0, 1, 2, 3]
        )
      }
      assert.strictEqual(nodes.size, 3)
    })
  )
})

layer(RedisSentinel.layer(), { excludeTestServices: true })("rate limits on a Sentinel group", (it) => {
  it.effect("answer all the time while a replica takes the place of the primary, and count again then", () =>
    Effect.gen(function* () {
      const group = yield* RedisSentinel.RedisSentinel
      const limiter = yield* makeLimiter({ sentinels: group.addresses, name: group.name })
      const policy = RateLimit.gcra("switching", { limit: 1_000_000, period: "1 day", deadline: "1 second" })
      const consume = Effect.map(limiter.consume(policy, "ann"), ({ source }) => source)
      assert.strictEqual(yield* consume, "store")
      const failover = yield* Effect.forkChild(group.failover)
      yield* Effect.repeat(Effect.delay(consume, "1 millis"), { until: () => failover.pollUnsafe() !== undefined })
      yield* Fiber.join(failover)
      yield* Effect.repeat(Effect.delay(consume, "5 millis"), { until: (source) => source === "store" })
    })
  )
})
