/**
 * After a failed load: for how long nobody tries again.
 */
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as CacheError from "../../CacheError.ts"
import * as Source from "./Source.ts"
import { errorOf, isIdle, LONG, reasonOf, SHORT, start, storeStale, type Test, until } from "./Subject.ts"

const GRACE = { grace: LONG } as const

export const register = (test: Test): void => {
  test(
    "after a failed load nobody tries again until the back-off is over",
    Effect.fnUntraced(function* (subject) {
      const source = Source.ready(Source.down)
      const [a, b] = subject.processes
      const options = { backoff: SHORT } as const
      const waiter = yield* start(errorOf(a.cache.getOrLoad("a", source.load, options)))
      assert.instanceOf(yield* Fiber.join(waiter), Source.SourceDown)
      if (subject.clock === "test") {
        for (const { cache } of [a, b]) {
          assert.strictEqual(yield* reasonOf(cache.getOrLoad("a", source.load, options)), "LoadFailed")
        }
        assert.strictEqual(source.calls(), 1)
        yield* TestClock.adjust("99 millis")
        assert.strictEqual(yield* reasonOf(b.cache.getOrLoad("a", source.load, options)), "LoadFailed")
        yield* TestClock.adjust("1 millis")
      }
      yield* subject.elapse
      yield* subject.eventually(
        Effect.map(errorOf(b.cache.getOrLoad("a", source.load, options)), (error) => !CacheError.isCacheError(error))
      )
      assert.strictEqual(source.calls(), 2)
    })
  )

  test(
    "a back-off is over for all once somebody writes",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const options = { backoff: LONG } as const
      yield* errorOf(a.cache.getOrLoad("a", Source.ready(Source.down).load, options))
      assert.strictEqual(yield* reasonOf(b.cache.getOrLoad("a", Effect.succeed(1), options)), "LoadFailed")
      yield* a.cache.delete("a")
      assert.strictEqual(yield* b.cache.getOrLoad("a", Effect.succeed(1), options), 1)
    })
  )

  test(
    "with a stale value at hand, a source that is down is asked once a second by all together",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const source = Source.ready(Source.down)
      for (const seconds of [1, 2, 3]) {
        for (const { cache } of [...subject.processes, ...subject.processes]) {
          assert.strictEqual(yield* cache.getOrLoad("a", source.load, GRACE), "stale")
        }
        assert.strictEqual(source.calls(), seconds)
        yield* TestClock.adjust("1 second")
      }
      const options = { ...GRACE, backoff: "1 minute" } as const
      for (const { cache } of subject.processes) yield* cache.getOrLoad("a", source.load, options)
      yield* TestClock.adjust("59 seconds")
      for (const { cache } of subject.processes) yield* cache.getOrLoad("a", source.load, options)
      assert.strictEqual(source.calls(), 4)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* subject.processes[1].cache.getOrLoad("a", Effect.succeed("back"), options), "back")
    }),
    { needs: "testClock" }
  )

  test(
    "nobody is kept from loading when what there was to return is gone",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      for (const options of [
        { ttl: "10 seconds", refreshAhead: "2 seconds" },
        { ttl: "8 seconds", grace: "2 seconds" }
      ] as const) {
        const source = Source.ready(Source.down)
        yield* a.cache.getOrLoad("a", Effect.succeed("old"), options)
        yield* TestClock.adjust("9900 millis")
        assert.strictEqual(yield* a.cache.getOrLoad("a", source.load, options), "old")
        yield* until(subject, () => source.calls() === 1 && isIdle(subject))
        yield* TestClock.adjust("100 millis")
        assert.strictEqual(yield* b.cache.getOrLoad("a", Effect.succeed("new"), options), "new")
        yield* b.cache.delete("a")
      }
    }),
    { needs: "testClock" }
  )

  test(
    "during a back-off those who take nothing stale fail at once",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const [a, b] = subject.processes
      const source = Source.ready(Source.down)
      const options = { ...GRACE, backoff: LONG } as const
      assert.strictEqual(yield* a.cache.getOrLoad("a", source.load, options), "stale")
      assert.strictEqual(yield* reasonOf(b.cache.getOrLoad("a", source.load)), "LoadFailed")
      assert.strictEqual(yield* b.cache.getOrLoad("a", source.load, options), "stale")
      assert.strictEqual(source.calls(), 1)
    })
  )
}
