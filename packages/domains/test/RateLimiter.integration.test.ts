import { RedisServer } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Duration, Effect, Layer } from "effect"
import { Elapse } from "./rateLimits/Subject.ts"
import * as Suite from "./rateLimits/Suite.ts"

/** Redis, whose scripts are told a time that tests move. */
const onRedis = Layer.unwrap(
  Effect.gen(function* () {
    const { url } = yield* RedisServer.RedisServer
    let now = 1_764_000_000_123_456
    const elapse = (duration: Duration.Input) =>
      Effect.sync(() => {
        now += Number(Duration.toNanosUnsafe(duration)) / 1000
      })
    return Layer.merge(
      RedisBackend.layer({ url, time: () => now, commandTimeout: "30 seconds" }),
      Layer.succeed(Elapse, elapse)
    )
  })
).pipe(Layer.provide(RedisServer.layer()))

Suite.suite("rate limits on Redis", onRedis, { live: true })
