/**
 * Effect's `RateLimiter` (effect/persistence), a token bucket in memory and over Redis; each decision is awaited, as those of the others.
 */
import { Effect, Layer, ManagedRuntime } from "effect"
import { RateLimiter } from "effect/persistence"
import type { Redis } from "ioredis"
import * as effectRedis from "./effectRedis.ts"

/** Never reached. */
const PLENTY = { algorithm: "token-bucket", limit: 30_000_000, window: "1 hour" } as const

export const effectRateLimiter = async (client: Redis) => {
  const inMemory = await limiter(RateLimiter.layerStoreMemory)
  const onRedis = await limiter(
    RateLimiter.layerStoreRedis({ prefix: "effect:" }).pipe(Layer.provide(effectRedis.layer(client)))
  )
  return {
    inMemory: inMemory.consume,
    onRedis: onRedis.consume,
    close: async () => {
      await inMemory.close()
      await onRedis.close()
    }
  }
}

const limiter = async (store: Layer.Layer<RateLimiter.RateLimiterStore>) => {
  const runtime = ManagedRuntime.make(Layer.provide(RateLimiter.layer, store))
  const { consume } = await runtime.runPromise(Effect.service(RateLimiter.RateLimiter))
  return {
    consume: (key: string) => runtime.runPromise(consume({ ...PLENTY, key })),
    close: () => runtime.dispose()
  }
}
