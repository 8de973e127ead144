import { it } from "@effect/vitest"
import { CacheBackendTest, CacheModel, RedisCluster } from "@tiercache/core/testing"
import { LruStore } from "@tiercache/memory-backend"
import { RedisBackend } from "@tiercache/redis-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Effect, Layer } from "effect"

const RUNS = 200

const layer = Layer.unwrap(
  RedisCluster.RedisCluster.use(({ addresses }) =>
    Effect.succeed(
      TieredBackend.layer().pipe(
        Layer.provide(
          Layer.merge(RedisBackend.layer({ cluster: addresses, commandTimeout: "5 seconds" }), LruStore.layer())
        )
      )
    )
  )
).pipe(Layer.provide(RedisCluster.layer()))

CacheBackendTest.suite("TieredBackend over a cluster", layer, { clock: "live" })

it.live("lives through random histories on a cluster as the model does", () =>
  CacheModel.check({ clock: "live", runs: RUNS }).pipe(Effect.provide(layer))
)
