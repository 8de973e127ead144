/**
 * The store over Redis, whose scripts are told a time that tests move.
 */
import { RedisBackend } from "@tiercache/redis-backend"
import { Duration, Effect, Layer } from "effect"
import * as RateLimiterStore from "../../src/RateLimiterStore.ts"
import { Elapse } from "../rateLimits/Subject.ts"

export const layerOver = (options: RedisBackend.Options) => {
  let now = 1_764_000_000_123_456
  const elapse = (duration: Duration.Input) =>
    Effect.sync(() => {
      now += Number(Duration.toNanosUnsafe(duration)) / 1000
    })
  return Layer.merge(
    Layer.provide(RateLimiterStore.layer(), RedisBackend.layer({ ...options, time: () => now })),
    Layer.succeed(Elapse, elapse)
  )
}
