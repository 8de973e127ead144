import { assert, describe, it } from "@effect/vitest"
import { CacheError, type Lease } from "@tiercache/core"
import { Effect, Exit, FiberSet, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Releases from "../../src/internal/releases.ts"

const never = () => Effect.die("not part of this test")

/** Leases whose end fails as long as there are answers, and those that were ended. */
const makeLeases = (answers: Array<CacheError.Reason>) => {
  const ended: Array<string> = []
  let attempts = 0
  const leases: Lease.Leases = {
    token: () => "token",
    take: never,
    fill: never,
    renew: never,
    release: (_, token) =>
      Effect.suspend(() => {
        attempts++
        const reason = answers.shift()
        if (reason !== undefined) return Effect.fail(CacheError.make("release", reason, "on purpose"))
        return Effect.sync(() => void ended.push(token))
      })
  }
  return { leases, ended, attempts: () => attempts }
}

const makeReleases = (leases: Lease.Leases) =>
  Effect.map(FiberSet.makeRuntime(), (runFork) => Releases.make(leases, runFork))

describe("the end of leases", () => {
  it.effect("fails when the store is away, and is repeated until it is back", () =>
    Effect.gen(function* () {
      const answers: Array<CacheError.Reason> = ["Timeout", "Unavailable", "Unavailable", "Unavailable"]
      const store = makeLeases(answers)
      const leases = yield* makeReleases(store.leases)
      assert.strictEqual((yield* Effect.flip(leases.release(["a"], "1"))).reason, "Timeout")
      assert.strictEqual((yield* Effect.flip(leases.release(["b"], "2"))).reason, "Unavailable")
      yield* TestClock.adjust("400 millis")
      // one attempt for both
      assert.strictEqual(store.attempts(), 3)
      assert.deepStrictEqual(store.ended, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(store.ended, ["1", "2"])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(store.attempts(), 6)

      // and another time
      answers.push("Timeout")
      yield* Effect.flip(leases.release(["c"], "3"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(store.ended, ["1", "2", "3"])
    })
  )

  it.effect("is not repeated when the store refuses it", () =>
    Effect.gen(function* () {
      const store = makeLeases(["Refused", "Timeout", "Refused"])
      const leases = yield* makeReleases(store.leases)
      yield* Effect.flip(leases.release(["a"], "1"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(store.attempts(), 1)
      yield* Effect.flip(leases.release(["a"], "1"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(store.attempts(), 3)
    })
  )

  it.effect("is not repeated after the cache was closed", () =>
    Effect.gen(function* () {
      const store = makeLeases(["Timeout"])
      const scope = yield* Scope.make()
      const leases = yield* Scope.provide(makeReleases(store.leases), scope)
      yield* Effect.flip(leases.release(["a"], "1"))
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(store.attempts(), 1)
    })
  )
})
