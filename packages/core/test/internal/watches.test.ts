import { assert, describe, it } from "@effect/vitest"
import { MonotonicClock } from "@tiercache/core"
import { Effect, FiberSet } from "effect"
import { TestClock } from "effect/testing"
import * as Watches from "../../src/internal/watches.ts"

/** Watches, how many fibers they have begun, and how many sleep now. */
const setup = Effect.gen(function* () {
  const now = yield* MonotonicClock.now
  const fibers = yield* FiberSet.make<void>()
  const runFork = yield* FiberSet.runtime(fibers)()
  let begun = 0
  const watches = Watches.make(now, (effect) => {
    begun++
    return runFork(effect)
  })
  return { watches, now, begun: () => begun, sleeping: FiberSet.size(fibers) }
})

describe("watches", () => {
  it.effect("call back when each is due, and again when they say", () =>
    Effect.gen(function* () {
      const { now, watches } = yield* setup
      const calls: Array<string> = []
      const start = now()
      watches.add(start + 300, () => {
        calls.push(`a ${now() - start}`)
        return Infinity
      })
      watches.add(start + 100, (time) => {
        calls.push(`b ${now() - start}`)
        return time + 150
      })
      yield* TestClock.adjust("99 millis")
      assert.deepStrictEqual(calls, [])
      yield* TestClock.adjust("301 millis")
      assert.deepStrictEqual(calls, ["b 100", "b 250", "a 300", "b 400"])
    })
  )

  it.effect("have one fiber for all, and none when nothing is watched any more", () =>
    Effect.gen(function* () {
      const { begun, now, sleeping, watches } = yield* setup
      const unwatch = Array.from({ length: 100 }, (_, index) =>
        watches.add(now() + 100 + index, () => assert.fail("it was ended"))
      )
      assert.strictEqual(begun(), 1)
      assert.strictEqual(yield* sleeping, 1)
      for (const end of unwatch) end()
      yield* Effect.yieldNow
      assert.strictEqual(yield* sleeping, 0)
      yield* TestClock.adjust("1 second")
    })
  )

  it.effect("may end, or others begin, in a call", () =>
    Effect.gen(function* () {
      const { now, watches } = yield* setup
      const calls: Array<string> = []
      const ends = new Array<() => void>()
      const endAll = () => {
        calls.push("first")
        for (const end of ends) end()
        watches.add(now() + 10, () => {
          calls.push("new")
          return Infinity
        })
        return Infinity
      }
      ends.push(
        watches.add(now() + 100, endAll),
        watches.add(now() + 200, () => assert.fail("it was ended"))
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(calls, ["first", "new"])
    })
  )
})
