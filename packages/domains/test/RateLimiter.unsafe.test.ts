/**
 * Limits that are decided without waiting, where the store is in this process.
 */
import { assert, describe, it } from "@effect/vitest"
import { CacheBackend } from "@tiercache/core"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Effect } from "effect"
import * as RateLimit from "../src/RateLimit.ts"
import * as RateLimiter from "../src/RateLimiter.ts"

const LIMIT = { limit: 2, window: "10 seconds" } as const

describe("consumeUnsafe", () => {
  const policy = RateLimit.fixedWindow("at once", LIMIT)

  it.effect(
    "counts where consume does, if the store is in this process",
    Effect.fnUntraced(function* () {
      const limiter = yield* RateLimiter.make()
      assert.strictEqual(limiter.consumeUnsafe(policy, "ann")?.remaining, 1)
      assert.strictEqual((yield* limiter.consume(policy, "ann")).remaining, 0)
      assert.isFalse(limiter.consumeUnsafe(policy, "ann")?.allowed)
      assert.throws(() => limiter.consumeUnsafe(policy, "ann", { cost: 3 }), "more than")
      assert.throws(() => limiter.consumeUnsafe(policy, ""), "empty")
      const counts = limiter.counts().get("at once")
      assert.deepStrictEqual([counts?.allowed, counts?.denied, counts?.withoutStore], [2, 1, 0])
    }, Effect.provide(MemoryBackend.layer()))
  )

  it.effect(
    "counts nothing if the store is elsewhere",
    Effect.fnUntraced(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const limiter = yield* Effect.provideService(RateLimiter.make(), CacheBackend.CacheBackend, {
        ...backend,
        runUnsafe: undefined
      })
      assert.isUndefined(limiter.consumeUnsafe(policy, "ann"))
      assert.strictEqual((yield* limiter.consume(policy, "ann")).remaining, 1)
    }, Effect.provide(MemoryBackend.layer()))
  )

  it.effect(
    "keeps subjects apart when there are more than it remembers the keys of",
    Effect.fnUntraced(function* () {
      const limiter = yield* RateLimiter.make()
      const subjects = Array.from({ length: 10_500 }, (_, index) => `subject-${index}`)
      for (let round = 0; round < 2; round++) {
        for (const subject of subjects) assert.isTrue(limiter.consumeUnsafe(policy, subject)?.allowed)
      }
      assert.isFalse(limiter.consumeUnsafe(policy, "subject-0")?.allowed)
    }, Effect.provide(MemoryBackend.layer()))
  )
})
