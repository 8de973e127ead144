import { assert, describe, it } from "@effect/vitest"
import { CacheError, createCache, Memory, RateLimit, RateLimiter } from "tiercache"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error
  )

describe("rate limits of createCache", () => {
  const orders = RateLimit.gcra("api_orders", { limit: 100, period: "1 day", burst: 2 })

  it("are consumed, and deny with the time to wait", async () => {
    await using cache = await createCache()
    assert.isTrue((await cache.consume(orders, "user-123")).allowed)
    const { allowed, remaining, retryAfter } = await cache.consume(orders, "user-123", { cost: 2 })
    assert.deepStrictEqual([allowed, remaining], [false, 1])
    assert.isTrue(Duration.isGreaterThan(retryAfter, Duration.zero))
    assert.deepStrictEqual(await rejection(cache.consume(orders, "")).then(CacheError.isCacheError), true)
  })

  it("have all their operations", async () => {
    await using cache = await createCache()
    const { limits } = cache
    const quota = RateLimit.fixedWindow("quota", { limit: 3, window: "1 hour", priorities: { low: 0.5 } })
    assert.strictEqual((await limits.check(quota, "a")).remaining, 3)
    assert.strictEqual((await limits.increment(quota, "a", { cost: 2 })).remaining, 1)
    assert.strictEqual((await limits.refund(quota, "a")).remaining, 2)
    assert.isFalse((await limits.consume(quota, "a", { priority: "low" })).allowed)
    assert.isTrue((await limits.consumeAll([quota, orders], "a")).allowed)
    assert.isTrue((await limits.enforce(quota, "a")).allowed)
    const error = await rejection(limits.enforce(quota, "a"))
    assert.isTrue(error instanceof RateLimit.RateLimited && error.policy === "quota")
    assert.isTrue(await limits.reset(quota, "a"))
    await limits.block(quota, "a", "1 hour")
    assert.isFalse((await limits.consume(quota, "a")).allowed)
    const paced = RateLimit.gcra("paced", { limit: 1, period: "1 minute", maxWait: "1 hour" })
    await limits.reserve(paced, "a")
    const { delay } = await limits.reserve(paced, "a")
    assert.isTrue(Duration.isGreaterThan(delay, Duration.zero))
    assert.strictEqual(limits.counts().get("quota")?.denied, 3)
  })

  it("hold a slot while a section runs, and pass on what it throws", async () => {
    await using cache = await createCache()
    const slots = RateLimit.concurrency("slots", { limit: 1 })
    const nested = await cache.limits.withSlot(slots, "a", () => rejection(cache.limits.withSlot(slots, "a", () => 1)))
    assert.instanceOf(nested, RateLimit.RateLimited)
    const thrown = new Error("of the section")
    assert.strictEqual(await rejection(cache.limits.withSlot(slots, "a", () => Promise.reject(thrown))), thrown)
    assert.strictEqual(await cache.limits.withSlot(slots, "a", () => "done"), "done")
  })
})

it.effect("the layers of caches have the limiter, and TestClock moves it", () =>
  Effect.gen(function* () {
    const limit = RateLimit.slidingCounter("per-minute", { limit: 1, window: "1 minute" })
    yield* RateLimiter.enforce(limit, "a")
    const error = yield* Effect.flip(RateLimiter.enforce(limit, "a"))
    assert.strictEqual(error._tag, "RateLimited")
    yield* TestClock.adjust("2 minutes")
    yield* RateLimiter.enforce(limit, "a")
  }).pipe(Effect.provide(Memory.layer()))
)
