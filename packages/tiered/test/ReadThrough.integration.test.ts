import { CacheBackend } from "@tiercache/core"
import { ReadThroughTest, RedisServer } from "@tiercache/core/testing"
import { LruStore } from "@tiercache/memory-backend"
import { RedisBackend } from "@tiercache/redis-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Context, Effect, Layer } from "effect"

const connect = (url: string) =>
  Effect.map(
    Layer.build(
      TieredBackend.layer().pipe(
        Layer.provide(
          Layer.merge(RedisBackend.layer({ url, commandTimeout: "5 seconds" }), Layer.fresh(LruStore.layer()))
        )
      )
    ),
    (context) => Context.get(context, CacheBackend.CacheBackend)
  )

const fleet = Layer.effect(
  ReadThroughTest.Fleet,
  Effect.gen(function* () {
    const { url } = yield* RedisServer.RedisServer
    return { backends: [yield* connect(url), yield* connect(url), yield* connect(url)] }
  })
).pipe(Layer.provide(RedisServer.layer()))

ReadThroughTest.suite("reading through TieredBackend over Redis", fleet, { clock: "live" })
