import { CacheBackend, type CacheError } from "@tiercache/core"
import { Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import { expectTypeOf, it } from "vitest"
import * as RateLimiterStore from "../src/RateLimiterStore.ts"

it("gives Effect's rate limiter its store, and needs a backend", () => {
  const limits = RateLimiter.layer.pipe(Layer.provide(RateLimiterStore.layer()))
  expectTypeOf(limits).toEqualTypeOf<
    Layer.Layer<RateLimiter.RateLimiter, CacheError.CacheError, CacheBackend.CacheBackend>
  >()
})

it("takes a prefix, and no other options", () => {
  RateLimiterStore.layer({ prefix: "app" })
  // @ts-expect-error a prefix is a text
  RateLimiterStore.layer({ prefix: 1 })
  // @ts-expect-error windows belong to the calls
  RateLimiterStore.layer({ window: "1 minute" })
})
