import { it } from "@effect/vitest"
import { CacheBackendTest, CacheModel, RedisServer } from "@tiercache/core/testing"
import { LruStore } from "@tiercache/memory-backend"
import { RedisBackend } from "@tiercache/redis-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Effect, Layer } from "effect"

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 1500 : 300

const layer = Layer.unwrap(
  RedisServer.RedisServer.use(({ url }) =>
    Effect.succeed(
      TieredBackend.layer().pipe(
        Layer.provide(Layer.merge(RedisBackend.layer({ url, commandTimeout: "5 seconds" }), LruStore.layer()))
      )
    )
  )
).pipe(Layer.provide(RedisServer.layer()))

CacheBackendTest.suite("TieredBackend over Redis", layer, { clock: "live" })

it.live("lives through random histories as the model does", () =>
  CacheModel.check({ clock: "live", runs: RUNS }).pipe(Effect.provide(layer))
)
