/**
 * What is counted, and what is answered, by each algorithm.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Elapse, makeLimiter, ONE_MICRO, reasonOf, type Register } from "./Subject.ts"

export const register = ({ testEach }: Register): void => {
  testEach(
    "allows what the limit allows, and then tells when to come back",
    Effect.fnUntraced(function* (policy) {
      const limiter = yield* makeLimiter()
      const elapse = yield* Elapse
      yield* elapse("1 second")
      const first = yield* limiter.consume(policy, "ann")
      assert.deepInclude(first, { policy: policy.name, allowed: true, limit: 3, remaining: 2, source: "store" })
      assert.isTrue(Duration.isZero(first.retryAfter))
      assert.isTrue((yield* limiter.consume(policy, "ann", { cost: 2 })).allowed)
      const denied = yield* limiter.consume(policy, "ann", { cost: 2 })
      assert.deepInclude(denied, { allowed: false, remaining: 0, shadowed: false })
      yield* elapse(Duration.subtract(denied.retryAfter, ONE_MICRO))
      assert.isFalse((yield* limiter.check(policy, "ann", { cost: 2 })).allowed)
      yield* elapse(ONE_MICRO)
      assert.isTrue((yield* limiter.consume(policy, "ann", { cost: 2 })).allowed)
    })
  )

  testEach(
    "counts each subject apart, in all processes together",
    Effect.fnUntraced(function* (policy) {
      const [limiter, other] = [yield* makeLimiter(), yield* makeLimiter()]
      const elsewhere = yield* makeLimiter("elsewhere")
      yield* limiter.consume(policy, "bob", { cost: 3 })
      assert.isFalse((yield* other.consume(policy, "bob")).allowed)
      for (const subject of ["bo", "bobb", "bob:", "{bob}", "bob}", "*", "?", "b%6Fb", "\u0000", "é".repeat(5000)]) {
        assert.isTrue((yield* other.consume(policy, subject, { cost: 3 })).allowed, subject)
      }
      assert.isTrue((yield* elsewhere.consume(policy, "bob")).allowed)
    })
  )

  testEach(
    "check counts nothing, increment whatever the limit says, refund gives back, reset forgets",
    Effect.fnUntraced(function* (policy) {
      const limiter = yield* makeLimiter()
      assert.strictEqual((yield* limiter.check(policy, "cat")).remaining, 3)
      assert.strictEqual((yield* limiter.consume(policy, "cat", { cost: 0 })).remaining, 3)
      assert.strictEqual((yield* limiter.increment(policy, "cat")).remaining, 2)
      const over = yield* limiter.increment(policy, "cat", { cost: 1_000_000 })
      assert.deepInclude(over, { allowed: false, remaining: 0 })
      assert.isAbove(Duration.toMillis(over.retryAfter), 0)
      assert.isFalse((yield* limiter.consume(policy, "cat")).allowed)
      const back = yield* limiter.refund(policy, "cat", { cost: 2 })
      assert.deepInclude(back, { allowed: true, remaining: 2 })
      assert.strictEqual((yield* limiter.refund(policy, "cat", { cost: 9 })).remaining, 3)
      yield* limiter.consume(policy, "cat")
      assert.isTrue(yield* limiter.reset(policy, "cat"))
      assert.isFalse(yield* limiter.reset(policy, "cat"))
      assert.strictEqual((yield* limiter.check(policy, "cat")).remaining, 3)
    })
  )

  testEach(
    "refuses costs that make no sense, or that can never be allowed",
    Effect.fnUntraced(function* (policy) {
      const limiter = yield* makeLimiter()
      for (const cost of [-1, 0.5, NaN, Infinity, 2 ** 53, 4]) {
        assert.strictEqual(yield* reasonOf(limiter.consume(policy, "dan", { cost })), "InvalidOption", String(cost))
        assert.strictEqual(yield* reasonOf(limiter.check(policy, "dan", { cost })), "InvalidOption", String(cost))
      }
      assert.strictEqual(yield* reasonOf(limiter.refund(policy, "dan", { cost: -1 })), "InvalidOption")
      assert.strictEqual(yield* reasonOf(limiter.increment(policy, "dan", { cost: 1.5 })), "InvalidOption")
      assert.strictEqual(yield* reasonOf(limiter.consume(policy, "")), "InvalidKey")
      assert.strictEqual((yield* limiter.check(policy, "dan")).remaining, 3)
    })
  )

  testEach(
    "a block denies everything until it ends, and then all begins anew",
    Effect.fnUntraced(function* (policy) {
      const limiter = yield* makeLimiter()
      const elapse = yield* Elapse
      yield* limiter.consume(policy, "eve")
      yield* limiter.block(policy, "eve", "1 minute")
      const { allowed, remaining, retryAfter } = yield* limiter.consume(policy, "eve")
      assert.deepStrictEqual([allowed, remaining], [false, 0])
      assert.deepStrictEqual(Duration.toMillis(retryAfter), 60_000)
      yield* limiter.refund(policy, "eve", { cost: 3 })
      yield* limiter.increment(policy, "eve")
      yield* elapse(Duration.subtract(retryAfter, ONE_MICRO))
      assert.isFalse((yield* limiter.check(policy, "eve")).allowed)
      yield* elapse(ONE_MICRO)
      assert.strictEqual((yield* limiter.consume(policy, "eve")).remaining, 2)
      yield* limiter.block(policy, "eve", "1 minute")
      assert.isTrue(yield* limiter.reset(policy, "eve"))
      assert.isTrue((yield* limiter.consume(policy, "eve")).allowed)
    })
  )

  testEach(
    "fifty callers at once get exactly the limit",
    Effect.fnUntraced(function* (policy) {
      const limiters = [yield* makeLimiter(), yield* makeLimiter()]
      const decisions = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, index) => limiters[index % 2]),
        (limiter) => limiter?.consume(policy, "flo") ?? Effect.die("there are two limiters"),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(decisions.filter(({ allowed }) => allowed).length, 3)
    })
  )
}
