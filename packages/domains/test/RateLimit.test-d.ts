import { expectTypeOf, it } from "vitest"
import type { CacheError } from "@tiercache/core"
import { Effect } from "effect"
import * as RateLimit from "../src/RateLimit.ts"
import * as RateLimiter from "../src/RateLimiter.ts"

const orders = RateLimit.gcra("orders", { limit: 10, period: "1 second", priorities: { low: 0.8, lowest: 0.5 } })
const plain = RateLimit.exactLog("plain", { limit: 10, window: "1 second" })
const slots = RateLimit.concurrency("slots", { limit: 10 })

it("takes the priorities of the policy only", () => [
  RateLimiter.consume(orders, "ann", { priority: "low" }),
  RateLimiter.consume(orders, "ann", { priority: "lowest", cost: 2 }),
  // @ts-expect-error -- no such priority
  RateLimiter.consume(orders, "ann", { priority: "high" }),
  // @ts-expect-error -- it has none
  RateLimiter.consume(plain, "ann", { priority: "low" }),
  RateLimiter.consumeAll([orders, plain], "ann", { priority: "low" })
])

it("keeps slots and counts apart", () => [
  RateLimiter.RateLimiter.use((limiter) =>
    Effect.all([
      // @ts-expect-error -- what is taken has to be left
      limiter.consume(slots, "ann"),
      // @ts-expect-error -- nothing to leave
      limiter.slot(plain, "ann"),
      // @ts-expect-error -- only GCRA can tell a place in the future
      limiter.reserve(plain, "ann"),
      limiter.check(slots, "ann"),
      limiter.reset(slots, "ann"),
      limiter.reserve(orders, "ann")
    ])
  )
])

it("refuses bare numbers as times", () => {
  // @ts-expect-error -- seconds or milliseconds?
  RateLimit.fixedWindow("p", { limit: 1, window: 60 })
})

it("tells all errors", () => {
  expectTypeOf(RateLimiter.enforce(orders, "ann")).toEqualTypeOf<
    Effect.Effect<RateLimit.Decision, RateLimit.RateLimited | CacheError.CacheError, RateLimiter.RateLimiter>
  >()
})
