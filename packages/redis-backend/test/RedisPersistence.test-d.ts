import type { CacheError } from "@tiercache/core"
import { RedisPersistence } from "@tiercache/redis-backend"
import { Layer } from "effect"
import { Persistence, type Redis } from "effect/persistence"
import { expectTypeOf, it } from "vitest"

const url = "redis://localhost:6379"

it("is the service that Effect's stores need", () => {
  expectTypeOf(RedisPersistence.layer({ url })).toEqualTypeOf<Layer.Layer<Redis.Redis, CacheError.CacheError>>()
  const persistence = Layer.provide(Persistence.layerRedis, RedisPersistence.layer({ url }))
  expectTypeOf(persistence).toEqualTypeOf<Layer.Layer<Persistence.Persistence, CacheError.CacheError>>()
})

it("takes what a connection takes, and a pool", () => {
  RedisPersistence.layer({ cluster: [url], pool: { maxConnections: 3 } })
  // @ts-expect-error nowhere to connect to
  RedisPersistence.layer({ pool: { maxConnections: 3 } })
  // @ts-expect-error a bare number is no duration
  RedisPersistence.layer({ url, commandTimeout: 100 })
  // @ts-expect-error keys of Effect's stores have prefixes of their own
  RedisPersistence.layer({ url, prefix: "app" })
})
