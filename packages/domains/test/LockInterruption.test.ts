/**
 * What interrupted acquisitions leave behind.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { around, isFree } from "./locks/faulty.ts"
import * as Inspect from "./locks/inspect.ts"
import * as Stage from "./locks/Stage.ts"

const NAME = "a"
const NOW = { startImmediately: true } as const

/** A command has a way there and a way back, on each of which its sender may be interrupted. */
const slow = around((command) =>
  Effect.yieldNow.pipe(
    Effect.andThen(Effect.uninterruptible(command)),
    Effect.tap(() => Effect.yieldNow),
    Effect.tap(() => Effect.sleep("1 millis"))
  )
)

describe("interruption", () => {
  it.effect(
    "at any moment of an acquisition leaves nothing behind",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const [one, other] = yield* Effect.all([stage.joinWith(slow), stage.join])
      let isOver = false
      let moments = 0
      for (let moment = 0; !isOver; moment++) {
        moments = moment
        const holder = yield* Effect.forkChild(other.lock.withLock(NAME)(Effect.sleep("5 millis")), NOW)
        const scoped = Effect.andThen(one.lock.acquire(NAME, { ttl: "1 hour" }), Effect.sleep("2 millis"))
        const acquisition = yield* Effect.forkChild(Effect.scoped(scoped), NOW)
        for (let step = 0; step < moment; step++) {
          yield* step % 3 === 2 ? TestClock.adjust("1 millis") : Effect.yieldNow
        }
        isOver = acquisition.pollUnsafe() !== undefined
        const interruption = yield* Effect.forkChild(Fiber.interrupt(acquisition), NOW)
        yield* Stage.ended(stage, interruption)
        yield* Stage.ended(stage, holder)
        assert.isTrue(yield* isFree(other.backend, NAME), `interrupted at moment ${moment}`)
        assert.strictEqual(one.lock.waiting(), 0)
      }
      assert.isAbove(moments, 20)
    })
  )

  it.effect(
    "of a thousand waiters leaves nothing behind",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const processes = yield* Effect.all(Array.from({ length: 50 }, () => stage.join))
      const { backend, lock } = yield* stage.join
      const counts = Inspect.counts(backend, Stage.keyOf(NAME))
      const holder = yield* Effect.forkChild(lock.withLock(NAME)(Effect.never), NOW)
      const waiters = yield* Effect.forEach(
        Array.from({ length: 20 }).flatMap(() => processes),
        (process) => Effect.forkChild(process.lock.withLock(NAME, { wait: "forever" })(Effect.void), NOW)
      )
      yield* TestClock.adjust("3 seconds")
      // one of each process stands in the store's queue
      assert.deepStrictEqual(yield* counts, { holders: 1, waiters: 50 })
      yield* Fiber.interruptAll(waiters)
      assert.deepStrictEqual(yield* counts, { holders: 1, waiters: 0 })
      yield* Fiber.interrupt(holder)
      assert.isTrue(yield* isFree(backend, NAME))
      assert.deepStrictEqual(
        processes.map((process) => process.lock.waiting()),
        processes.map(() => 0)
      )
    })
  )
})
