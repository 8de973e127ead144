/**
 * What the options of policies mean, and what happens when policies change or are combined.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as RateLimit from "../../src/RateLimit.ts"
import { Elapse, LIMIT, makeLimiter, PATIENT, policies, reasonOf, type Register, unique } from "./Subject.ts"

export const register = ({ test, testEach }: Register): void => {
  testEach(
    "a raised or lowered limit counts from the next call on",
    Effect.fnUntraced(function* (policy) {
      const elapse = yield* Elapse
      yield* (yield* makeLimiter()).consume(policy, "gus", { cost: 3 })
      const changed = (limit: number): RateLimit.Policy =>
        policy.algorithm === "gcra"
          ? { ...policy, limit, windowMicros: limit * policy.spacingMicros }
          : { ...policy, limit }
      // each in a program of its own, as after a deployment
      const [high, low] = [yield* makeLimiter(), yield* makeLimiter()]
      assert.deepInclude(yield* high.check(changed(6), "gus"), { limit: 6, remaining: 3 })
      assert.isTrue((yield* high.consume(changed(6), "gus", { cost: 3 })).allowed)
      const denied = yield* low.consume(changed(2), "gus")
      assert.deepInclude(denied, { allowed: false, limit: 2, remaining: 0 })
      assert.isAtMost(Duration.toMillis(denied.retryAfter), 2 * Duration.toMillis(denied.window))
      yield* elapse(denied.retryAfter)
      assert.isTrue((yield* low.consume(changed(2), "gus")).allowed)
      assert.strictEqual(yield* reasonOf(low.check(policy, "gus")), "InvalidOption")
    })
  )

  testEach(
    "a policy on trial counts, and denies nobody",
    Effect.fnUntraced(function* (policy) {
      const limiter = yield* makeLimiter()
      const trial = { ...policy, name: unique("trial"), isShadow: true }
      assert.deepInclude(yield* limiter.consume(trial, "hal", { cost: 3 }), { allowed: true, shadowed: false })
      assert.deepInclude(yield* limiter.consume(trial, "hal"), { allowed: true, shadowed: true, remaining: 0 })
      assert.isTrue((yield* limiter.consumeAll([trial, policy], "hal")).allowed)
      assert.strictEqual((yield* limiter.check(policy, "hal")).remaining, 2)
      assert.deepInclude(limiter.counts().get(trial.name), {
        allowed: 3,
        denied: 0,
        shadowed: 2,
        nearLimit: 1,
        withoutStore: 0
      })
    })
  )

  testEach(
    "low priorities leave the rest to others",
    Effect.fnUntraced(function* (policy) {
      const limiter = yield* makeLimiter()
      const shared = { ...policy, name: unique("shared"), shares: new Map([["low", 0.67]]) }
      assert.strictEqual((yield* limiter.consume(shared, "ida", { priority: "low" })).remaining, 1)
      assert.isTrue((yield* limiter.consume(shared, "ida", { priority: "low" })).allowed)
      assert.deepInclude(yield* limiter.consume(shared, "ida", { priority: "low" }), { allowed: false, remaining: 0 })
      assert.strictEqual((yield* limiter.check(shared, "ida")).remaining, 1)
      assert.isTrue((yield* limiter.consume(shared, "ida")).allowed)
      const tooMuch = limiter.consume(shared, "joe", { priority: "low", cost: 3 })
      assert.strictEqual(yield* reasonOf(tooMuch), "InvalidOption")
    })
  )

  test(
    "several policies count all or none, and tell the longest wait",
    Effect.fnUntraced(function* () {
      const limiter = yield* makeLimiter()
      const perMinute = RateLimit.gcra(unique("m"), { limit: 2, period: "1 minute", ...PATIENT })
      const perHour = RateLimit.fixedWindow(unique("h"), { limit: 3, window: "1 hour", ...PATIENT })
      const perDay = RateLimit.slidingCounter(unique("d"), { limit: 100, window: "1 day", ...PATIENT })
      const all = [perMinute, perHour, perDay]
      const remaining = Effect.forEach(all, (policy) => limiter.check(policy, "kim")).pipe(
        Effect.map((decisions) => decisions.map((decision) => decision.remaining))
      )
      const verdict = yield* limiter.consumeAll(all, "kim", { cost: 2 })
      assert.isTrue(verdict.allowed)
      assert.deepStrictEqual(
        verdict.decisions.map((decision) => decision.remaining),
        [0, 1, 98]
      )
      const denied = yield* limiter.consumeAll(all, "kim", { cost: 2 })
      assert.deepStrictEqual(
        denied.decisions.map(({ allowed }) => allowed),
        [false, false, true]
      )
      assert.deepStrictEqual(denied.retryAfter, denied.decisions[1]?.retryAfter)
      assert.deepStrictEqual(yield* remaining, [0, 1, 98])
      const error = yield* Effect.flip(limiter.enforceAll(all, "kim"))
      assert.strictEqual(error._tag, "RateLimited")
      assert.include(error.message, perMinute.name)
      assert.strictEqual(yield* reasonOf(limiter.consumeAll([], "kim")), "InvalidOption")
      assert.strictEqual(yield* reasonOf(limiter.consumeAll([perDay, perDay], "kim")), "InvalidOption")
    })
  )

  test(
    "enforce fails with what denies, and with how long",
    Effect.fnUntraced(function* () {
      const limiter = yield* makeLimiter()
      const policy = RateLimit.gcra(unique("enforced"), { limit: 1, period: "10 minutes", ...PATIENT })
      assert.isTrue((yield* limiter.enforce(policy, "lea")).allowed)
      const error = yield* Effect.flip(limiter.enforce(policy, "lea"))
      assert.isTrue(error._tag === "RateLimited" && error.policy === policy.name && error.decisions.length === 1)
      const wait = error._tag === "RateLimited" ? Duration.toMillis(error.retryAfter) : NaN
      assert.isTrue(wait > 0 && wait <= 600_000)
    })
  )

  test(
    "reserve gives each caller its place, and refuses those who would wait too long",
    Effect.fnUntraced(function* () {
      const limiter = yield* makeLimiter()
      const elapse = yield* Elapse
      const policy = RateLimit.gcra(unique("r"), {
        limit: 10,
        period: "10 minutes",
        burst: 1,
        maxWait: "150 seconds",
        ...PATIENT
      })
      const reserve = Effect.map(limiter.reserve(policy, "mia"), ({ allowed, delay }) => [
        allowed,
        Duration.toSeconds(delay)
      ])
      assert.deepStrictEqual(yield* Effect.replicateEffect(reserve, 4), [
        [true, 0],
        [true, 60],
        [true, 120],
        [false, 0]
      ])
      assert.isFalse((yield* limiter.consume(policy, "mia")).allowed)
      yield* elapse("2 minutes")
      assert.isTrue((yield* limiter.reserve(policy, "mia", { maxWait: "90 seconds" })).allowed)
      const tooLong = limiter.reserve(policy, "mia", { maxWait: "10 minutes" })
      assert.strictEqual(yield* reasonOf(tooLong), "InvalidOption")
      const unreserved = RateLimit.gcra(unique("u"), { limit: 10, period: "10 minutes", ...PATIENT })
      assert.strictEqual(yield* reasonOf(limiter.reserve(unreserved, "mia")), "InvalidOption")
    })
  )

  test(
    "two policies of one name are a mistake",
    Effect.fnUntraced(function* () {
      const limiter = yield* makeLimiter()
      const name = unique("twice")
      yield* limiter.check(RateLimit.exactLog(name, LIMIT), "quy")
      yield* limiter.check(RateLimit.exactLog(name, LIMIT), "quy")
      const other = limiter.check(RateLimit.exactLog(name, { ...LIMIT, limit: 4 }), "quy")
      assert.strictEqual(yield* reasonOf(other), "InvalidOption")
    })
  )

  test(
    "a policy that changes its algorithm begins anew",
    Effect.fnUntraced(function* () {
      const name = unique("changed")
      for (const policy of [...policies(name), ...policies(name)]) {
        const limiter = yield* makeLimiter()
        const changed = { ...policy, name }
        yield* limiter.consume(changed, "rex", { cost: 3 })
        assert.isFalse((yield* limiter.consume(changed, "rex")).allowed)
      }
    })
  )
}
