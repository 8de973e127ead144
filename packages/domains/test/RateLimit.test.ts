import { assert, describe, it } from "@effect/vitest"
import { CacheError } from "@tiercache/core"
import { shareOf } from "../src/internal/rateLimitAlgorithm.ts"
import * as RateLimit from "../src/RateLimit.ts"

const reasonOf = (make: () => unknown): string | undefined => {
  try {
    make()
    return undefined
  } catch (error) {
    return CacheError.isCacheError(error) ? error.reason : `not a CacheError: ${String(error)}`
  }
}

const refuses = (make: () => unknown) => assert.strictEqual(reasonOf(make), "InvalidOption", String(make))

const window = { limit: 10, window: "1 minute" } as const

describe("policies", () => {
  it("refuse limits that are no integers in their range", () => {
    for (const limit of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
      refuses(() => RateLimit.gcra("p", { limit, period: "1 minute" }))
      refuses(() => RateLimit.fixedWindow("p", { ...window, limit }))
      refuses(() => RateLimit.slidingCounter("p", { ...window, limit }))
      refuses(() => RateLimit.exactLog("p", { ...window, limit }))
      refuses(() => RateLimit.concurrency("p", { limit }))
    }
    refuses(() => RateLimit.exactLog("p", { ...window, limit: 10_001 }))
    refuses(() => RateLimit.concurrency("p", { limit: 10_001 }))
    refuses(() => RateLimit.fixedWindow("p", { ...window, limit: 1e9 + 1 }))
  })

  it("refuse what cannot be counted exactly", () => {
    refuses(() => RateLimit.gcra("p", { limit: 10_001, period: "1 second" }))
    refuses(() => RateLimit.gcra("p", { limit: 1, burst: 1e9, period: "1 day" }))
    refuses(() => RateLimit.slidingCounter("p", { limit: 1e9, window: "30 days" }))
    refuses(() => RateLimit.fixedWindow("p", { limit: 1, window: "20000 days" }))
    RateLimit.gcra("p", { limit: 10_000, period: "1 second" })
    RateLimit.slidingCounter("p", { limit: 800_000, window: "30 days" })
  })

  it("never allow more than the rate because of rounding", () => {
    for (const limit of [3, 7, 11, 997, 9_999]) {
      const { spacingMicros } = RateLimit.gcra("p", { limit, period: "1 second" })
      assert.isAtMost(1e6 / spacingMicros, limit)
      assert.isAtLeast(1e6 / spacingMicros, limit * 0.99)
    }
  })

  it("give exact shares", () => {
    for (const limit of [1, 3, 10, 29, 100, 999, 12_345, 1e9]) {
      for (let percent = 1; percent <= 100; percent++) {
        assert.strictEqual(shareOf(limit, percent / 100), Math.max(1, Math.floor((limit * percent) / 100)))
      }
    }
  })

  it("refuse names that headers cannot carry, and shares that are none", () => {
    for (const name of ["", "é", "a\nb", "a".repeat(101)]) refuses(() => RateLimit.fixedWindow(name, window))
    for (const share of [0, -1, 1.1, NaN]) {
      refuses(() => RateLimit.fixedWindow("p", { ...window, priorities: { low: share } }))
      refuses(() => RateLimit.fixedWindow("p", { ...window, onStoreFailure: { local: share } }))
    }
  })

  it("refuse what only callers without types can write", () => {
    const untyped = (options: object) =>
      Reflect.apply(RateLimit.fixedWindow, undefined, ["p", { ...window, ...options }])
    refuses(() => untyped({ window: 60 }))
    refuses(() => untyped({ align: "monday" }))
    refuses(() => untyped({ onStoreFailure: "panic" }))
    refuses(() => untyped({ onStoreFailure: null }))
    refuses(() => untyped({ deadline: 100 }))
  })
})
