import { MonotonicClock } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { vi } from "vitest"

const HOUR_MILLIS = 3_600_000

describe("MonotonicClock", () => {
  it.effect("follows TestClock, to fractions of a millisecond", () =>
    Effect.gen(function* () {
      const now = yield* MonotonicClock.now
      const start = now()
      assert.strictEqual(now(), start)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(now() - start, 5000)
      yield* TestClock.adjust("1500 micros")
      assert.strictEqual(now() - start, 5001.5)
    })
  )

  it.effect("does not follow the wall clock", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let correctionMillis = 0
      const corrected: Clock.Clock = {
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration),
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + correctionMillis,
        currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + correctionMillis),
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(correctionMillis) * 1_000_000n,
        currentTimeNanos: Effect.sync(() => clock.currentTimeNanosUnsafe() + BigInt(correctionMillis) * 1_000_000n)
      }
      const now = yield* MonotonicClock.now.pipe(Effect.provideService(Clock.Clock, corrected))
      for (correctionMillis of [0, HOUR_MILLIS, -HOUR_MILLIS]) {
        const start = now()
        assert.strictEqual(corrected.currentTimeMillisUnsafe() - clock.currentTimeMillisUnsafe(), correctionMillis)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(now() - start, 1000)
      }
      assert.strictEqual(now(), 3000)
    })
  )

  it.live("is the process' own clock otherwise", () =>
    Effect.gen(function* () {
      const now = yield* MonotonicClock.now
      const [before, time, after] = [performance.now(), now(), performance.now()]
      assert.isTrue(before <= time && time <= after)
      assert.strictEqual(MonotonicClock.fromClock(yield* Clock.Clock), now)
    })
  )

  it.live("follows the fake timers of a test runner, whenever they begin and end", () =>
    Effect.gen(function* () {
      const now = yield* MonotonicClock.now
      vi.useFakeTimers()
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.useRealTimers()))
      const start = now()
      vi.advanceTimersByTime(HOUR_MILLIS)
      assert.strictEqual(now() - start, HOUR_MILLIS)
      vi.useRealTimers()
      const [before, time, after] = [performance.now(), now(), performance.now()]
      assert.isTrue(before <= time && time <= after)
    })
  )
})
