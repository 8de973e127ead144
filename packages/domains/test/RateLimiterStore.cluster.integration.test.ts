/**
 * The store of Effect's rate limiter on a Redis Cluster of three primaries and three replicas, and on a Sentinel group.
 */
import { assert, layer } from "@effect/vitest"
import { RedisCluster, RedisSentinel } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import * as RateLimiterStore from "../src/RateLimiterStore.ts"
import { layerOver } from "./rateLimiterStore/onRedis.ts"
import * as Suite from "./rateLimiterStore/Suite.ts"

const PATIENT = { commandTimeout: "30 seconds" } as const

const onCluster = Layer.unwrap(
  RedisCluster.RedisCluster.useSync(({ addresses }) => layerOver({ cluster: addresses, ...PATIENT }))
)

Suite.suite("our store on Redis Cluster", Layer.provide(onCluster, RedisCluster.layer()), { live: true })

layer(RedisCluster.layer(), { excludeTestServices: true })("the store on Redis Cluster", (it) => {
  it.effect("counts keys on all nodes, also after a replica has taken the place of a primary", () =>
    Effect.gen(function* () {
      const cluster = yield* RedisCluster.RedisCluster
      const context = yield* RedisBackend.make({ cluster: cluster.addresses, ...PATIENT })
      const store = yield* Effect.provide(RateLimiterStore.make(), context)
      const limiter = yield* Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, store)
      const keys = Array.from({ length: 20 }, (_, index) => `user-${index}`)
      const consume = Effect.forEach(keys, (key) =>
        Effect.map(
          limiter.consume({ key, limit: 5, window: "1 hour", algorithm: "token-bucket" }),
          ({ remaining }) => remaining
        )
      )
      const nodes = yield* Effect.forEach(keys, (key) => cluster.primaryOf(`tradecore:ratelimiter:token-bucket:${key}`))
      assert.strictEqual(new Set(nodes).size, 3)
      assert.deepStrictEqual(new Set(yield* consume), new Set([4]))
      const [primary] = yield* cluster.primaries
      const [replica] = primary === undefined ? [] : yield* cluster.replicasOf(primary)
      if (replica === undefined) return assert.fail("no replica")
      yield* cluster.failover(replica)
      assert.deepStrictEqual(new Set(yield* consume), new Set([3]))
    })
  )
})

layer(RedisSentinel.layer(), { excludeTestServices: true })("the store on a Sentinel group", (it) => {
  it.effect("counts again when a replica has taken the place of the primary", () =>
    Effect.gen(function* () {
      const group = yield* RedisSentinel.RedisSentinel
      const context = yield* RedisBackend.make({ sentinels: group.addresses, name: group.name })
      const store = yield* Effect.provide(RateLimiterStore.make(), context)
      const limiter = yield* Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, store)
      const consume = limiter.consume({ key: "switching", limit: 1_000_000, window: "1 day" })
      const outcome = Effect.match(consume, { onFailure: ({ reason }) => reason._tag, onSuccess: () => "counted" })
      assert.strictEqual(yield* outcome, "counted")
      yield* group.failover
      yield* Effect.repeat(Effect.delay(outcome, "5 millis"), { until: (outcome) => outcome === "counted" })
    })
  )
})
