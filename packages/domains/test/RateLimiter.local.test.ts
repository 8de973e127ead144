/**
 * What a limiter does in its own process: renewing slots, remembering denials, counting in place of the store.
 */
import { stat } from "node:fs/promises"
import { assert, it } from "@effect/vitest"
import { CacheBackend, CacheError } from "@tiercache/core"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Duration, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import * as RateLimit from "../src/RateLimit.ts"
import * as RateLimiter from "../src/RateLimiter.ts"

interface Store {
  asked: number
  /** Of the last call. */
  keys: ReadonlyArray<string>
  fault: CacheError.Reason | "silence" | "distance" | undefined
}

/** What takes other threads some time: its result is read when the event loop comes to that. */
const overThere = Effect.promise(() => stat("."))

/** A store that counts how often it is asked, and can be away. */
const setup = Effect.gen(function* () {
  const backend = yield* CacheBackend.CacheBackend
  const store: Store = { asked: 0, keys: [], fault: undefined }
  const observed: CacheBackend.CacheBackend["Service"] = {
    ...backend,
    runUnsafe: undefined,
    run: (script, keys, args) => {
      store.asked++
      store.keys = keys
      if (store.fault === undefined) return backend.run(script, keys, args)
      if (store.fault === "silence") return Effect.never
      if (store.fault === "distance") return Effect.andThen(overThere, backend.run(script, keys, args))
      return Effect.fail(CacheError.make("run", store.fault, "a fault of the test"))
    }
  }
  const makeLimiter = Effect.provideService(RateLimiter.make(), CacheBackend.CacheBackend, observed)
  return { store, limiter: yield* makeLimiter, other: yield* makeLimiter }
})

const test = <E>(name: string, body: () => Effect.Effect<void, E, CacheBackend.CacheBackend | Scope.Scope>) =>
  it.effect(name, () => Effect.provide(body(), MemoryBackend.layer()))

const LIMIT = { limit: 2, window: "10 seconds" } as const

describe("keys", () => {
  test(
    "name policy and subject, and share a slot of a cluster for all policies of a subject",
    Effect.fnUntraced(function* () {
      const { limiter, store } = yield* setup
      const policies = [RateLimit.fixedWindow("api_orders", LIMIT), RateLimit.exactLog("GET /x:{y}", LIMIT)]
      yield* limiter.consumeAll(policies, "user-123")
      assert.deepStrictEqual(store.keys, [
        "tradecore:ratelimit:api_orders:{user-123}",
        "tradecore:ratelimit:GET%20%2Fx%3A%7By%7D:{user-123}"
      ])
      yield* limiter.consumeAll(policies, "{a}:*")
      // what Redis hashes is what stands between the first pair of braces
      assert.deepStrictEqual(
        store.keys.map((key) => /\{(.*?)\}/.exec(key)?.[1]),
        ["%7Ba%7D%3A%2A", "%7Ba%7D%3A%2A"]
      )
    })
  )
})

describe("a slot", () => {
  const policy = RateLimit.concurrency("slots", { limit: 1, lease: "30 seconds" })

  test(
    "is renewed for as long as it is held",
    Effect.fnUntraced(function* () {
      const { limiter, other } = yield* setup
      const scope = yield* Scope.make()
      yield* Scope.provide(limiter.slot(policy, "ann"), scope)
      for (let minute = 0; minute < 5; minute++) {
        yield* TestClock.adjust("1 minute")
        assert.isFalse((yield* other.check(policy, "ann")).allowed)
      }
      yield* Scope.close(scope, Exit.void)
      assert.isTrue((yield* other.check(policy, "ann")).allowed)
    })
  )

  test(
    "that lapsed while the store was away is taken back, and what runs beyond the limit counts",
    Effect.fnUntraced(function* () {
      const { limiter, other, store } = yield* setup
      const [first, second] = [yield* Scope.make(), yield* Scope.make()]
      yield* Scope.provide(limiter.slot(policy, "bob"), first)
      store.fault = "Unavailable"
      yield* TestClock.adjust("1 minute")
      store.fault = undefined
      yield* Scope.provide(other.slot(policy, "bob"), second)
      yield* TestClock.adjust("10 seconds")
      yield* Scope.close(second, Exit.void)
      assert.isFalse((yield* other.check(policy, "bob")).allowed)
      yield* Scope.close(first, Exit.void)
      assert.isTrue((yield* other.check(policy, "bob")).allowed)
    })
  )

  test(
    "that is left while the store is away is left when it is back, long before its lease ends",
    Effect.fnUntraced(function* () {
      const { limiter, other, store } = yield* setup
      const scope = yield* Scope.make()
      yield* Scope.provide(limiter.slot(policy, "dan"), scope)
      store.fault = "Unavailable"
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      store.fault = undefined
      assert.isFalse((yield* other.check(policy, "dan")).allowed)
      yield* TestClock.adjust("250 millis")
      assert.isTrue((yield* other.check(policy, "dan")).allowed)
    })
  )

  test(
    "is given as the policy says while the store is away",
    Effect.fnUntraced(function* () {
      const { limiter, store } = yield* setup
      store.fault = "Unavailable"
      const slot = (policy: RateLimit.Concurrency) => Effect.result(limiter.slot(policy, "cat"))
      const deny = RateLimit.concurrency("deny", { limit: 1, onStoreFailure: "deny" })
      const local = RateLimit.concurrency("local", { limit: 4, onStoreFailure: { local: 0.5 } })
      assert.strictEqual((yield* slot(policy))._tag, "Success")
      assert.strictEqual((yield* slot(deny))._tag, "Failure")
      const scope = yield* Scope.make()
      yield* Scope.provide(slot(local), scope)
      yield* slot(local)
      assert.strictEqual((yield* slot(local))._tag, "Failure")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* slot(local))._tag, "Success")
    })
  )
})

describe("denials that are remembered", () => {
  const policy = RateLimit.fixedWindow("denied", { ...LIMIT, denyCache: "3 seconds" })
  const consume = (limiter: RateLimiter.RateLimiter["Service"], cost = 1) => limiter.consume(policy, "dan", { cost })

  test(
    "answer the same question without the store, as long as it would be denied",
    Effect.fnUntraced(function* () {
      const { limiter, store } = yield* setup
      yield* consume(limiter, 2)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual((yield* consume(limiter)).source, "store")
      yield* TestClock.adjust("1 second")
      const { allowed, retryAfter, source } = yield* consume(limiter)
      assert.deepStrictEqual([allowed, Duration.toMillis(retryAfter), source], [false, 1000, "denyCache"])
      assert.strictEqual(store.asked, 2)
      assert.strictEqual((yield* consume(limiter, 2)).source, "store")
      yield* TestClock.adjust("999 millis")
      assert.isFalse((yield* consume(limiter)).allowed)
      yield* TestClock.adjust("1 millis")
      assert.isTrue((yield* consume(limiter)).allowed)
    })
  )

  test(
    "are forgotten with what this process changes, and after a while with what others change",
    Effect.fnUntraced(function* () {
      const { limiter, other } = yield* setup
      yield* consume(limiter, 2)
      yield* consume(limiter)
      yield* limiter.refund(policy, "dan")
      assert.isTrue((yield* consume(limiter)).allowed)
      yield* consume(limiter)
      yield* other.reset(policy, "dan")
      assert.strictEqual((yield* consume(limiter)).source, "denyCache")
      yield* TestClock.adjust("3 seconds")
      assert.isTrue((yield* consume(limiter)).allowed)
    })
  )

  test(
    "are not kept unless the policy says so",
    Effect.fnUntraced(function* () {
      const { limiter, store } = yield* setup
      const exact = RateLimit.fixedWindow("exact", LIMIT)
      for (let call = 0; call < 5; call++) yield* limiter.consume(exact, "eve")
      assert.strictEqual(store.asked, 5)
    })
  )
})

describe("without the store", () => {
  for (const fault of ["Unavailable", "Timeout", "Refused", "silence"] as const) {
    test(
      `each policy answers as it says: ${fault}`,
      Effect.fnUntraced(function* () {
        const { limiter, store } = yield* setup
        store.fault = fault
        // a silent store is given up at the deadline
        const answer = (policy: RateLimit.Policy) =>
          Effect.gen(function* () {
            const fiber = yield* Effect.forkChild(limiter.consume(policy, "flo"), { startImmediately: true })
            yield* TestClock.adjust("100 millis")
            return yield* Fiber.join(fiber)
          })
        const allow = RateLimit.gcra("allow", { limit: 2, period: "1 hour" })
        const deny = RateLimit.slidingCounter("deny", { ...LIMIT, onStoreFailure: "deny" })
        const local = RateLimit.exactLog("local", {
          ...LIMIT,
          limit: 4,
          window: "1 hour",
          onStoreFailure: { local: 0.5 }
        })
        for (let call = 0; call < 3; call++) {
          assert.deepInclude(yield* answer(allow), { allowed: true, source: "fallback" })
          assert.deepInclude(yield* answer(deny), { allowed: false, source: "fallback" })
          assert.deepInclude(yield* answer(local), { allowed: call < 2, limit: 4, source: "local" })
        }
        const error = yield* Effect.flip(answer(RateLimit.gcra("allow", { limit: 3, period: "1 hour" })))
        assert.isTrue(CacheError.isCacheError(error) && error.reason === "InvalidOption")
        store.fault = undefined
        assert.deepInclude(yield* answer(allow), { allowed: true, remaining: 1, source: "store" })
        assert.strictEqual(limiter.counts().get("allow")?.withoutStore, 3)
      })
    )
  }

  it.live("a process that stood still for longer than the deadline reads the answer first", () =>
    Effect.gen(function* () {
      const { limiter, store } = yield* setup
      store.fault = "distance"
      const policy = RateLimit.fixedWindow("busy", { ...LIMIT, onStoreFailure: "deny" })
      const fiber = yield* Effect.forkChild(limiter.consume(policy, "joe"), { startImmediately: true })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * policy.deadlineMillis)
      assert.strictEqual((yield* Fiber.join(fiber)).source, "store")
    }).pipe(Effect.scoped, Effect.provide(MemoryBackend.layer()))
  )

  test(
    "a call that costs more than the share of this process gets all of that",
    Effect.fnUntraced(function* () {
      const { limiter, store } = yield* setup
      store.fault = "Unavailable"
      const policy = RateLimit.gcra("share", { limit: 8, period: "1 hour", onStoreFailure: { local: 0.25 } })
      assert.deepInclude(yield* limiter.consume(policy, "ida", { cost: 8 }), { allowed: true, remaining: 0 })
      const { allowed, retryAfter } = yield* limiter.consume(policy, "ida")
      assert.deepStrictEqual([allowed, Duration.toMinutes(retryAfter)], [false, 30])
    })
  )

  test(
    "mistakes stay mistakes",
    Effect.fnUntraced(function* () {
      const { limiter, store } = yield* setup
      for (const fault of ["WrongType", "Unsupported", "Decode"] as const) {
        store.fault = fault
        const error = yield* Effect.flip(limiter.consume(RateLimit.fixedWindow("p", LIMIT), "gus"))
        assert.strictEqual(error.reason, fault)
      }
    })
  )

  test(
    "refund, reset and block fail",
    Effect.fnUntraced(function* () {
      const { limiter, store } = yield* setup
      store.fault = "Unavailable"
      const policy = RateLimit.fixedWindow("p", LIMIT)
      const changes = [limiter.refund(policy, "a"), limiter.reset(policy, "a"), limiter.block(policy, "a", "1 hour")]
      for (const change of changes)
        assert.strictEqual((yield* Effect.flip<unknown, CacheError.CacheError, never>(change)).reason, "Unavailable")
    })
  )

  test(
    "several policies still count all or none",
    Effect.fnUntraced(function* () {
      const { limiter, store } = yield* setup
      store.fault = "Unavailable"
      const few = RateLimit.gcra("few", { limit: 1, period: "1 hour", onStoreFailure: "local" })
      const many = RateLimit.exactLog("many", { limit: 9, window: "1 hour", onStoreFailure: "local" })
      const none = RateLimit.exactLog("none", { limit: 9, window: "1 hour", onStoreFailure: "deny" })
      const any = RateLimit.exactLog("any", { limit: 9, window: "1 hour" })
      assert.isFalse((yield* limiter.consumeAll([none, few, many], "hal")).allowed)
      assert.isTrue((yield* limiter.consumeAll([any, few, many], "hal")).allowed)
      assert.isFalse((yield* limiter.consumeAll([few, many], "hal")).allowed)
      assert.strictEqual((yield* limiter.check(many, "hal")).remaining, 8)
      assert.deepStrictEqual(
        (yield* limiter.consumeAll([any, many], "hal")).decisions.map(({ source }) => source),
        ["fallback", "local"]
      )
    })
  )
})
