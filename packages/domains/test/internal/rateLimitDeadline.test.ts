/**
 * The deadline of a policy by the timers of Node.js, as programs have it. Under `TestClock` see `RateLimiter.local.test.ts`.
 */
import { stat } from "node:fs/promises"
import { assert, it } from "@effect/vitest"
import { CacheError } from "@tiercache/core"
import { Clock, Effect, Fiber } from "effect"
import { describe } from "vitest"
import * as Deadline from "../../src/internal/rateLimitDeadline.ts"

const within = <A>(millis: number, effect: Effect.Effect<A, CacheError.CacheError>) =>
  Effect.clockWith((clock: Clock.Clock) => Deadline.make(clock)(millis, effect))

/** A store that never answers, and how often it was no longer asked to. */
const silence = () => {
  const store = { interrupted: 0, asked: Effect.never }
  store.asked = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void store.interrupted++))
  return store
}

describe("a deadline", () => {
  it.live("passes on what comes in time, at once or later", () =>
    Effect.gen(function* () {
      const refused = CacheError.make("run", "Refused", "no")
      assert.strictEqual(yield* within(60_000, Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(within(60_000, Effect.fail(refused))), refused)
      const later = Effect.promise(() => stat("."))
      assert.strictEqual(yield* within(60_000, Effect.as(later, 2)), 2)
      assert.strictEqual(yield* Effect.flip(within(60_000, Effect.andThen(later, Effect.fail(refused)))), refused)
    })
  )

  it.live("ends what never comes, and interrupts it", () =>
    Effect.gen(function* () {
      const store = silence()
      assert.strictEqual((yield* Effect.flip(within(4, store.asked))).reason, "Timeout")
      assert.strictEqual(store.interrupted, 1)
    })
  )

  it.live("interrupts what it waits for with the caller", () =>
    Effect.gen(function* () {
      const store = silence()
      const fiber = yield* Effect.forkChild(within(60_000, store.asked), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(store.interrupted, 1)
    })
  )

  it.live("may be years", () =>
    Effect.gen(function* () {
      const year = 365 * 86_400_000
      const fiber = yield* Effect.forkChild(within(year, silence().asked), { startImmediately: true })
      // a timer that fires too early does so in one of these turns of the event loop
      for (let turn = 0; turn < 10; turn++) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
        yield* Effect.promise(() => stat("."))
      }
      assert.isUndefined(fiber.pollUnsafe())
      yield* Fiber.interrupt(fiber)
    })
  )
})
