import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer } from "effect"
import { Cache, CacheBackend, Memory, TierCache } from "tiercache"
import { TestClock } from "effect/testing"

const withEnvironment = (environment: Readonly<Record<string, string>>) =>
  TierCache.layerConfig.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment }))))

const backendOf = (environment: Readonly<Record<string, string>>) =>
  Effect.provide(
    CacheBackend.CacheBackend.use(({ name }) => Effect.succeed(name)),
    withEnvironment(environment)
  )

const REFUSED = "redis://127.0.0.1:1"

describe("TierCache.layerConfig", () => {
  it.effect("is in memory without a Redis", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* backendOf({}), "memory")
    })
  )

  it.live("is tiered with a Redis, even while that is away", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* backendOf({ REDIS_URL: REFUSED }), "tiered")
    })
  )

  it.live("is what CACHE_BACKEND says", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* backendOf({ REDIS_URL: REFUSED, CACHE_BACKEND: "redis" }), "redis")
      assert.strictEqual(yield* backendOf({ REDIS_URL: REFUSED, CACHE_BACKEND: "memory" }), "memory")
    })
  )

  it.effect("takes prefix and TTL", () =>
    Effect.gen(function* () {
      const cache = yield* Cache.Cache
      const backend = yield* CacheBackend.CacheBackend
      yield* cache.set("k", 1)
      assert.isTrue(yield* backend.has("shop:k"))
      yield* TestClock.adjust("60 seconds")
      assert.isFalse(yield* cache.has("k"))
    }).pipe(Effect.provide(withEnvironment({ CACHE_KEY_PREFIX: "shop", CACHE_DEFAULT_TTL: "60" })))
  )

  it.effect("fails for values that cannot be, and names all of them", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        backendOf({ CACHE_BACKEND: "memcached", CACHE_DEFAULT_TTL: "soon", REDIS_URL: "redis://:S3cret@" })
      )
      assert.instanceOf(error, Config.ConfigError)
      for (const name of ["CACHE_BACKEND", "CACHE_DEFAULT_TTL", "REDIS_URL"]) assert.include(error.message, name)
      assert.notInclude(error.message, "S3cret")
    })
  )
})

describe("Memory.layer", () => {
  it.effect("moves with the TestClock", () =>
    Effect.gen(function* () {
      const cache = yield* Cache.Cache
      yield* cache.set("k", "v", { ttl: "1 hour" })
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* cache.get("k"), "v")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* cache.get("k"), undefined)
    }).pipe(Effect.provide(Memory.layer()))
  )
})
