/**
 * Limits of how much is done at the same time.
 */
import { assert } from "@effect/vitest"
import { CacheBackend, CacheError } from "@tiercache/core"
import { Deferred, Duration, Effect, Exit, Fiber, Scope } from "effect"
import * as RateLimit from "../../src/RateLimit.ts"
import * as RateLimiter from "../../src/RateLimiter.ts"
import { Elapse, makeLimiter, ONE_MICRO, PATIENT, type Register, unique } from "./Subject.ts"

export const register = ({ test }: Register): void => {
  test(
    "so many slots at the same time, each until its scope closes",
    Effect.fnUntraced(function* () {
      const [limiter, other] = [yield* makeLimiter(), yield* makeLimiter()]
      const policy = RateLimit.concurrency(unique("slots"), { limit: 2, lease: "1 minute", ...PATIENT })
      const scope = yield* Scope.make()
      const [first, second] = [limiter, other].map((each) => Scope.provide(each.slot(policy, "ned"), scope))
      assert.isDefined(first)
      assert.isDefined(second)
      assert.strictEqual((yield* first).remaining, 1)
      assert.strictEqual((yield* second).remaining, 0)
      const denied = yield* Effect.flip(Effect.scoped(limiter.slot(policy, "ned")))
      assert.strictEqual(denied._tag, "RateLimited")
      assert.deepInclude(yield* other.check(policy, "ned"), { allowed: false, limit: 2, remaining: 0 })
      assert.isTrue((yield* Effect.scoped(limiter.slot(policy, "nell"))).allowed)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* other.check(policy, "ned")).remaining, 2)
    })
  )

  test(
    "the slot of whoever died comes back when its lease ends",
    Effect.fnUntraced(function* () {
      const limiter = yield* makeLimiter()
      const elapse = yield* Elapse
      const policy = RateLimit.concurrency(unique("leases"), { limit: 1, lease: "1 minute", ...PATIENT })
      const backend = yield* CacheBackend.CacheBackend
      let isDead = false
      const unreachable = Effect.fail(CacheError.make("run", "Unavailable", "a fault of the test"))
      const dying = yield* makeLimiter().pipe(
        Effect.provideService(CacheBackend.CacheBackend, {
          ...backend,
          runUnsafe: undefined,
          run: (script, keys, args) => (isDead ? unreachable : backend.run(script, keys, args))
        })
      )
      yield* dying.slot(policy, "oda")
      isDead = true
      const denied = yield* limiter.check(policy, "oda")
      assert.isFalse(denied.allowed)
      yield* elapse(Duration.subtract(denied.retryAfter, ONE_MICRO))
      assert.isFalse((yield* limiter.check(policy, "oda")).allowed)
      yield* elapse(ONE_MICRO)
      assert.isTrue((yield* Effect.scoped(limiter.slot(policy, "oda"))).allowed)
    })
  )

  test(
    "withSlot holds the slot as long as the effect runs, and leaves it when that is interrupted",
    Effect.fnUntraced(function* () {
      const limiter = yield* makeLimiter()
      const policy = RateLimit.concurrency(unique("held"), { limit: 1, ...PATIENT })
      const started = yield* Deferred.make<void>()
      const busy = RateLimiter.withSlot(
        policy,
        "pat"
      )(Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
      const fiber = yield* Effect.forkChild(Effect.provideService(busy, RateLimiter.RateLimiter, limiter))
      yield* Deferred.await(started)
      assert.isFalse((yield* limiter.check(policy, "pat")).allowed)
      yield* Fiber.interrupt(fiber)
      assert.isTrue((yield* limiter.check(policy, "pat")).allowed)
    })
  )
}
