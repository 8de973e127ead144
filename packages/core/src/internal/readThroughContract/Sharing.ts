/**
 * One load for all who want the same key, and what becomes of those who wait for it.
 */
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Codec from "../../Codec.ts"
import * as Source from "./Source.ts"
import { errorOf, isIdle, joinAll, reasonOf, start, startMany, type Test, until, untilWaiting } from "./Subject.ts"

const CALLERS = 64

export const register = (test: Test): void => {
  test(
    "many callers in many processes share one load",
    Effect.fnUntraced(function* (subject) {
      const source = Source.gated(Source.numbered("value"))
      const callers = yield* Effect.forEach(subject.processes, ({ cache }) =>
        startMany(CALLERS, cache.getOrLoad("a", source.load))
      )
      for (const process of subject.processes) yield* until(subject, () => process.calls.counts().take >= 1)
      yield* source.open
      for (const value of yield* joinAll(callers.flat())) assert.strictEqual(value, "value 1")
      assert.strictEqual(source.calls(), 1)
      assert.deepStrictEqual(
        subject.processes.map(({ cache }) => cache.metrics().loads).toSorted((a, b) => a - b),
        [0, 0, 1]
      )
      yield* until(subject, () => isIdle(subject))
    })
  )

  test(
    "a load that fails is not repeated: all in its process get its error, others hear that it failed",
    Effect.fnUntraced(function* (subject) {
      const [a, b, c] = subject.processes
      const source = Source.gated(Source.down)
      const ofLoader = yield* startMany(CALLERS, errorOf(a.cache.getOrLoad("a", source.load)))
      yield* until(subject, () => source.running() === 1)
      const ofOthers = [
        ...(yield* startMany(CALLERS, reasonOf(b.cache.getOrLoad("a", source.load)))),
        ...(yield* startMany(CALLERS, reasonOf(c.cache.getOrLoad("a", source.load))))
      ]
      yield* untilWaiting(subject, b)
      yield* untilWaiting(subject, c)
      yield* source.open
      const [first, ...errors] = yield* joinAll(ofLoader)
      assert.instanceOf(first, Source.SourceDown)
      for (const error of errors) assert.strictEqual(error, first)
      for (const reason of yield* joinAll(ofOthers)) assert.strictEqual(reason, "LoadFailed")
      assert.strictEqual(source.calls(), 1)
      assert.strictEqual(
        yield* b.cache.getOrLoad("a", Effect.succeed("the next caller tries again")),
        "the next caller tries again"
      )
    })
  )

  test(
    "a defect is shared too",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const source = Source.gated(() => Effect.die("a defect"))
      const callers = yield* startMany(2, Effect.exit(a.cache.getOrLoad("a", source.load)))
      yield* until(subject, () => source.running() === 1)
      yield* source.open
      for (const exit of yield* joinAll(callers)) assert.include(String(exit), "a defect")
      assert.strictEqual(source.calls(), 1)
      yield* until(subject, () => isIdle(subject))
    })
  )

  test(
    "who waits is woken by a message, and asks twice in all",
    Effect.fnUntraced(function* (subject) {
      const [a, b, c] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const loader = yield* start(a.cache.getOrLoad("a", source.load))
      yield* until(subject, () => source.running() === 1)
      const waiters = [
        ...(yield* startMany(3, b.cache.getOrLoad("a", source.load))),
        yield* start(c.cache.getOrLoad("a", source.load))
      ]
      yield* untilWaiting(subject, b)
      yield* untilWaiting(subject, c)
      yield* source.open
      for (const value of yield* joinAll([loader, ...waiters])) assert.strictEqual(value, "value 1")
      // a live server may have been slow enough for the timed look
      const most = subject.clock === "test" ? 2 : 3
      for (const { calls } of [b, c]) {
        const { fill, get, getMany, take } = calls.counts()
        assert.deepStrictEqual([get, getMany, fill], [0, 0, 0])
        assert.isAtMost(take, most)
      }
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "who waits for long looks again once, and then when the lease would end",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const loader = yield* start(a.cache.getOrLoad("a", source.load))
      yield* until(subject, () => source.running() === 1)
      const waiter = yield* start(b.cache.getOrLoad("a", source.load))
      yield* untilWaiting(subject, b)
      for (const [time, takes] of [
        ["999 millis", 1],
        ["1 millis", 2],
        ["8 seconds", 2]
      ] as const) {
        yield* TestClock.adjust(time)
        assert.strictEqual(b.calls.counts().take, takes)
      }
      yield* source.open
      assert.deepStrictEqual(yield* joinAll([loader, waiter]), ["value 1", "value 1"])
      assert.strictEqual(b.calls.counts().take, 3)
    }),
    { needs: "testClock" }
  )

  test(
    "who does not hear that a load has ended looks by himself",
    Effect.fnUntraced(function* (subject) {
      const [a, b, c] = subject.processes
      yield* subject.lossy
      const source = Source.gated(Source.numbered("value"))
      const loader = yield* start(a.cache.getOrLoad("a", source.load))
      yield* until(subject, () => source.running() === 1)
      const early = yield* start(b.cache.getOrLoad("a", source.load))
      yield* untilWaiting(subject, b)
      yield* source.open
      assert.strictEqual(yield* Fiber.join(loader), "value 1")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(early), "value 1")

      const failing = Source.gated(Source.down)
      const failed = yield* start(errorOf(a.cache.getOrLoad("b", failing.load)))
      yield* until(subject, () => failing.running() === 1)
      const late = yield* start(c.cache.getOrLoad("b", Effect.succeed("loaded anew")))
      yield* untilWaiting(subject, c)
      yield* TestClock.adjust("2 seconds")
      yield* failing.open
      assert.instanceOf(yield* Fiber.join(failed), Source.SourceDown)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(late), "loaded anew")
    }),
    { needs: "testClock" }
  )

  test(
    "a load that takes longer than its lease keeps it",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const loader = yield* start(a.cache.getOrLoad("a", source.load))
      yield* until(subject, () => source.running() === 1)
      const waiter = yield* start(b.cache.getOrLoad("a", source.load))
      for (let seconds = 0; seconds < 60; seconds += 5) yield* TestClock.adjust("5 seconds")
      yield* source.open
      assert.deepStrictEqual(yield* joinAll([loader, waiter]), ["value 1", "value 1"])
      assert.strictEqual(source.calls(), 1)
      assert.isAtMost(b.calls.counts().take, 10)
    }),
    { needs: "testClock" }
  )

  test(
    "when a process dies while it loads, another takes over at the end of the lease",
    Effect.fnUntraced(function* (subject) {
      const [a, b, c] = subject.processes
      const { leases } = a.backend
      const token = leases.token()
      yield* leases.take([subject.keyOf("a")], Codec.msgpack, { token, millis: 100, when: "stale" })
      const source = Source.ready(Source.numbered("value"))
      const waiters = [
        ...(yield* startMany(2, b.cache.getOrLoad("a", source.load))),
        ...(yield* startMany(2, c.cache.getOrLoad("a", source.load)))
      ]
      if (subject.clock === "test") {
        yield* untilWaiting(subject, b)
        yield* TestClock.adjust("99 millis")
        assert.strictEqual(source.calls(), 0)
        // the ends of leases are rounded up
        yield* TestClock.adjust("2 millis")
      }
      for (const value of yield* joinAll(waiters)) assert.strictEqual(value, "value 1")
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "when a load is given up, who waits in another process takes over",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const hung = Source.gated(Source.numbered("never"))
      const loader = yield* start(a.cache.getOrLoad("a", hung.load))
      yield* until(subject, () => hung.running() === 1)
      const source = Source.ready(Source.numbered("value"))
      const waiter = yield* start(b.cache.getOrLoad("a", source.load))
      yield* untilWaiting(subject, b)
      yield* Fiber.interrupt(loader)
      assert.strictEqual(yield* Fiber.join(waiter), "value 1")
      assert.deepStrictEqual([hung.interrupted(), source.calls()], [1, 1])
    })
  )

  test(
    "keys do not wait for each other",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const slow = Source.gated(Source.numbered("slow"))
      const waiter = yield* start(a.cache.getOrLoad("slow", slow.load))
      yield* until(subject, () => slow.running() === 1)
      assert.strictEqual(yield* a.cache.getOrLoad("fast", Effect.succeed("fast")), "fast")
      yield* slow.open
      assert.strictEqual(yield* Fiber.join(waiter), "slow 1")
    })
  )
}
