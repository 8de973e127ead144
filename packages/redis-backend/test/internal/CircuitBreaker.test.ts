import { assert, describe, it } from "@effect/vitest"
import { CacheError, MonotonicClock } from "@tiercache/core"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { CircuitBreaker, REFUSED, type Settings, settingsOf } from "../../src/internal/CircuitBreaker.ts"
import type * as RedisConnection from "../../src/RedisConnection.ts"

const make = (options: Exclude<RedisConnection.CommonOptions["circuitBreaker"], false> = {}) =>
  Effect.map(MonotonicClock.now, (now) => {
    const settings: Settings = settingsOf(options) ?? assert.fail()
    const breaker = new CircuitBreaker(settings, now)
    const run = (outcome: "succeeded" | "failed" | "abandoned", times = 1) => {
      for (let count = 0; count < times; count++) {
        const pass = breaker.admit()
        assert.notStrictEqual(pass, REFUSED)
        breaker[outcome](pass)
      }
    }
    return { breaker, run }
  })

describe("CircuitBreaker", () => {
  it.effect("lets everything through as long as the server answers", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make()
      for (let second = 0; second < 60; second++) {
        run("succeeded", 100)
        run("failed", 4)
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(breaker.state, "closed")
    })
  )

  it.effect("opens when as many commands fail as it takes, and refuses all then", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make({ minimumFailures: 3 })
      run("failed", 2)
      assert.strictEqual(breaker.state, "closed")
      run("failed")
      assert.strictEqual(breaker.state, "open")
      assert.strictEqual(breaker.admit(), REFUSED)
    })
  )

  it.effect("does not open while a smaller part fails", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make({ minimumFailures: 2, failureRate: 0.25 })
      run("succeeded", 30)
      run("failed", 9)
      assert.strictEqual(breaker.state, "closed")
      run("failed")
      assert.strictEqual(breaker.state, "open")
    })
  )

  it.effect("forgets failures and successes that are older than the window", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make({ minimumFailures: 3, window: "1 second" })
      run("failed", 2)
      yield* TestClock.adjust("950 millis")
      run("succeeded")
      yield* TestClock.adjust("50 millis")
      run("failed", 2)
      assert.strictEqual(breaker.state, "closed")
      run("succeeded", 1000)
      yield* TestClock.adjust("1 second")
      run("failed", 3)
      assert.strictEqual(breaker.state, "open")
    })
  )

  it.effect("counts all that lies in the window, wherever its steps begin", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make({ minimumFailures: 10, window: "1 second" })
      yield* TestClock.adjust("1 hour")
      for (let count = 0; count < 9; count++) {
        run("failed")
        yield* TestClock.adjust("99 millis")
      }
      assert.strictEqual(breaker.state, "closed")
      run("failed")
      assert.strictEqual(breaker.state, "open")
    })
  )

  it.effect("after its time lets one probe through, whose answer closes it", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make({ minimumFailures: 1, openFor: "1 second" })
      run("failed")
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(breaker.admit(), REFUSED)
      yield* TestClock.adjust("1 millis")
      const probe = breaker.admit()
      assert.notStrictEqual(probe, REFUSED)
      assert.strictEqual(breaker.state, "half-open")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(breaker.admit(), REFUSED)
      breaker.succeeded(probe)
      assert.strictEqual(breaker.state, "closed")
      run("succeeded", 2)
    })
  )

  it.effect("begins to count anew when it closes", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make({ minimumFailures: 3, openFor: "1 millis" })
      run("failed", 3)
      yield* TestClock.adjust("1 millis")
      run("succeeded")
      run("failed", 2)
      assert.strictEqual(breaker.state, "closed")
      run("failed")
      assert.strictEqual(breaker.state, "open")
    })
  )

  it.effect("stays open for as long again if the probe fails", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make({ minimumFailures: 1, openFor: "1 second" })
      run("failed")
      for (let probes = 0; probes < 3; probes++) {
        yield* TestClock.adjust("1 second")
        run("failed")
        assert.strictEqual(breaker.state, "open")
        yield* TestClock.adjust("999 millis")
        assert.strictEqual(breaker.admit(), REFUSED)
      }
    })
  )

  it.effect("makes the next command the probe if one brings neither answer nor failure", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make({ minimumFailures: 1, openFor: "1 second" })
      run("abandoned", 10)
      assert.strictEqual(breaker.state, "closed")
      run("failed")
      yield* TestClock.adjust("1 second")
      run("abandoned")
      assert.strictEqual(breaker.state, "open")
      run("succeeded")
      assert.strictEqual(breaker.state, "closed")
    })
  )

  it.effect("does not count what was sent in another state", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make({ minimumFailures: 1, openFor: "1 second" })
      const early = breaker.admit()
      run("failed")
      breaker.succeeded(early)
      assert.strictEqual(breaker.state, "open")
      yield* TestClock.adjust("1 second")
      const probe = breaker.admit()
      breaker.succeeded(early)
      breaker.failed(early)
      breaker.abandoned(early)
      assert.strictEqual(breaker.state, "half-open")
      breaker.succeeded(probe)
      breaker.failed(early)
      breaker.failed(probe)
      assert.strictEqual(breaker.state, "closed")
    })
  )

  it.effect("closes for a new connection, and counts nothing of the old one", () =>
    Effect.gen(function* () {
      const { breaker, run } = yield* make({ minimumFailures: 1 })
      const early = breaker.admit()
      run("failed")
      breaker.close()
      assert.strictEqual(breaker.state, "closed")
      breaker.failed(early)
      assert.strictEqual(breaker.state, "closed")
    })
  )

  it("has defaults, can be left out, and refuses what makes no sense", () => {
    assert.deepStrictEqual(settingsOf(undefined), {
      minimumFailures: 5,
      failureRate: 0.5,
      windowMillis: 2000,
      openMillis: 500
    })
    assert.isUndefined(settingsOf(false))
    for (const options of [
      { minimumFailures: 0 },
      { minimumFailures: 1.5 },
      { failureRate: 0 },
      { failureRate: 1.1 },
      { failureRate: NaN },
      { window: "0 millis" },
      { openFor: "-1 seconds" }
    ] as const) {
      assert.throws(() => settingsOf(options), CacheError.CacheError, undefined, JSON.stringify(options))
    }
  })
})
