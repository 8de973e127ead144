/**
 * Callers who do not wait to the end: interrupted, out of time, or left behind by a cache that closes.
 */
import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Source from "./Source.ts"
import { errorOf, isIdle, LONG, reasonOf, reasonsIn, SHORT, start, type Test, until, untilWaiting } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "a caller who is interrupted fails nobody else",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const first = yield* start(a.cache.getOrLoad("a", source.load))
      yield* until(subject, () => source.running() === 1)
      const second = yield* start(a.cache.getOrLoad("a", source.load))
      yield* Fiber.interrupt(first)
      yield* source.open
      assert.strictEqual(yield* Fiber.join(second), "value 1")
      assert.strictEqual(source.interrupted(), 0)
      assert.strictEqual(yield* a.cache.get("a"), "value 1")
    })
  )

  test(
    "the last one who is interrupted ends the load, and frees the key for all",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const callers = [
        yield* start(a.cache.getOrLoad("a", source.load)),
        yield* start(a.cache.getOrLoad("a", source.load))
      ]
      yield* until(subject, () => source.running() === 1)
      for (const caller of callers) yield* Fiber.interrupt(caller)
      yield* until(subject, () => source.interrupted() === 1)
      yield* until(subject, () => isIdle(subject))
      assert.strictEqual(yield* b.cache.getOrLoad("a", Effect.succeed("another")), "another")
    })
  )

  test(
    "who is interrupted at once leaves nothing behind",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      for (let attempt = 0; attempt < 20; attempt++) {
        const caller = yield* Effect.forkChild(a.cache.getOrLoad("a", source.load))
        for (let turn = 0; turn < attempt % 5; turn++) yield* Effect.yieldNow
        yield* Fiber.interrupt(caller)
      }
      yield* until(subject, () => isIdle(subject) && source.running() === 0)
      assert.strictEqual(yield* b.cache.getOrLoad("a", Effect.succeed("another")), "another")
    })
  )

  test(
    "a load in the background goes on without its callers",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const caller = yield* start(a.cache.getOrLoad("a", source.load, { background: true }))
      yield* until(subject, () => source.running() === 1)
      yield* Fiber.interrupt(caller)
      yield* source.open
      yield* until(subject, () => isIdle(subject))
      assert.strictEqual(source.interrupted(), 0)
      assert.strictEqual(yield* b.cache.getOrLoad("a", source.load), "value 1")
    })
  )

  test(
    "one of several callers is enough to want it in the background",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const first = yield* start(a.cache.getOrLoad("a", source.load))
      yield* until(subject, () => source.running() === 1)
      const second = yield* start(a.cache.getOrLoad("a", source.load, { background: true }))
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      yield* source.open
      yield* until(subject, () => isIdle(subject))
      assert.strictEqual(yield* a.cache.get("a"), "value 1")
    })
  )

  test(
    "a load that nobody waits for ends after 30 seconds",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const caller = yield* start(a.cache.getOrLoad("a", source.load, { background: true }))
      yield* until(subject, () => source.running() === 1)
      yield* Fiber.interrupt(caller)
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual(source.interrupted(), 0)
      yield* TestClock.adjust("1 second")
      yield* until(subject, () => source.interrupted() === 1 && isIdle(subject))
    }),
    { needs: "testClock" }
  )

  test(
    "a hard time-out interrupts a load for which nobody waits, or somebody without one",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const options = { ttl: LONG, hardTimeout: "2 seconds", background: true } as const
      const source = Source.gated(Source.numbered("value"))
      const caller = yield* start(a.cache.getOrLoad("a", source.load, options))
      const other = yield* start(reasonOf(a.cache.getOrLoad("b", source.load, options)))
      yield* until(subject, () => source.running() === 2)
      yield* Fiber.interrupt(caller)
      const patient = yield* start(reasonOf(a.cache.getOrLoad("b", source.load)))
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(source.interrupted(), 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([yield* Fiber.join(other), yield* Fiber.join(patient)], ["Timeout", "Timeout"])
      yield* until(subject, () => source.interrupted() === 2 && isIdle(subject))
    }),
    { needs: "testClock" }
  )

  test(
    "a hard time-out fails a caller, and interrupts the load",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const caller = yield* start(reasonOf(a.cache.getOrLoad("a", source.load, { hardTimeout: "2 seconds" })))
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(source.interrupted(), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(caller), "Timeout")
      yield* until(subject, () => source.interrupted() === 1 && isIdle(subject))
      assert.strictEqual(yield* b.cache.getOrLoad("a", Effect.succeed("next")), "next")
    }),
    { needs: "testClock" }
  )

  test(
    "a hard time-out of one caller is not another's, whoever began",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const patient = yield* start(a.cache.getOrLoad("a", source.load))
      yield* until(subject, () => source.running() === 1)
      const hasty = yield* start(reasonOf(a.cache.getOrLoad("a", source.load, { hardTimeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(hasty), "Timeout")
      yield* TestClock.adjust("5 seconds")
      yield* source.open
      assert.strictEqual(yield* Fiber.join(patient), "value 1")
      assert.strictEqual(source.calls(), 1)
    }),
    { needs: "testClock" }
  )

  test(
    "a hard time-out binds who waits for another process",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const loader = yield* start(a.cache.getOrLoad("a", source.load))
      yield* until(subject, () => source.running() === 1)
      const waiter = yield* start(reasonOf(b.cache.getOrLoad("a", source.load, { hardTimeout: "3 seconds" })))
      yield* untilWaiting(subject, b)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(waiter), "Timeout")
      yield* source.open
      assert.strictEqual(yield* Fiber.join(loader), "value 1")
    }),
    { needs: "testClock" }
  )

  test(
    "a load that took too long has failed: it is counted, and backed off from",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const options = { hardTimeout: "2 seconds", backoff: LONG } as const
      const caller = yield* start(reasonOf(a.cache.getOrLoad("a", source.load, options)))
      yield* until(subject, () => source.running() === 1)
      yield* TestClock.adjust("1 second")
      const waiter = yield* start(reasonOf(b.cache.getOrLoad("a", source.load, { backoff: LONG })))
      yield* untilWaiting(subject, b)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(caller), "Timeout")
      assert.strictEqual(yield* Fiber.join(waiter), "LoadFailed")
      assert.strictEqual(yield* reasonOf(a.cache.getOrLoad("a", source.load, options)), "LoadFailed")
      assert.strictEqual(source.calls(), 1)
      assert.strictEqual(a.cache.metrics().loadErrors, 1)
    }),
    { needs: "testClock" }
  )

  test(
    "who has waited for too long for the store and the load together has failed too",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const options = { hardTimeout: SHORT, backoff: LONG } as const
      const caller = yield* start(reasonOf(a.cache.getOrLoad("a", source.load, options)))
      yield* until(subject, () => source.running() === 1)
      yield* subject.elapse
      assert.strictEqual(yield* Fiber.join(caller), "Timeout")
      yield* until(subject, () => isIdle(subject) && source.running() === 0)
      assert.strictEqual(yield* reasonOf(a.cache.getOrLoad("a", source.load, options)), "LoadFailed")
      assert.deepStrictEqual([source.calls(), a.cache.metrics().loadErrors], [1, 1])
    })
  )

  test(
    "a loader that hangs, and cannot be interrupted, does not keep the key",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const hung = Effect.uninterruptible(source.load({ previous: undefined }))
      const caller = yield* start(a.cache.getOrLoad("a", hung))
      yield* until(subject, () => source.running() === 1)
      yield* Fiber.interrupt(caller)
      assert.strictEqual(yield* b.cache.getOrLoad("a", Effect.succeed("another")), "another")
      yield* a.cache.delete("a")
      assert.strictEqual(yield* a.cache.getOrLoad("a", Effect.succeed("a third")), "a third")
      assert.strictEqual(source.running(), 1)
      // what it brings in the end is nobody's
      yield* source.open
      yield* until(subject, () => source.running() === 0 && isIdle(subject))
      assert.strictEqual(yield* b.cache.get("a"), "a third")
    })
  )

  test(
    "a cache that closes ends its loads, fails who waits, and leaves the key to others",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const other = Source.ready(Source.numbered("other"))
      const callers = [
        yield* start(errorOf(a.cache.getOrLoad("a", source.load))),
        yield* start(errorOf(a.cache.lookup("a", source.load))),
        yield* start(errorOf(a.cache.getManyOrLoad(["a"], () => Effect.succeed([])))),
        yield* start(errorOf(a.cache.refresh("b", source.load)))
      ]
      yield* until(subject, () => source.running() === 2)
      const waiter = yield* start(b.cache.getOrLoad("a", other.load))
      yield* untilWaiting(subject, b)
      yield* a.close
      const errors = yield* Effect.forEach(callers, (caller) => Fiber.join(caller))
      assert.deepStrictEqual(errors.map(reasonsIn), [
        ["Unavailable"],
        ["Unavailable"],
        ["Unavailable"],
        ["Unavailable"]
      ])
      assert.strictEqual(source.interrupted(), 2)
      assert.strictEqual(yield* Fiber.join(waiter), "other 1")
    })
  )

  test(
    "a closed cache loads nothing, and says so",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const source = Source.ready(Source.numbered("value"))
      yield* a.cache.getOrLoad("a", source.load, { ttl: LONG })
      yield* a.close
      assert.strictEqual(yield* reasonOf(a.cache.getOrLoad("b", source.load)), "Unavailable")
      assert.strictEqual(yield* reasonOf(a.cache.refresh("a", source.load)), "Unavailable")
      const many = yield* errorOf(a.cache.getManyOrLoad(["b"], () => Effect.succeed([])))
      assert.deepStrictEqual(reasonsIn(many), ["Unavailable"])
      assert.strictEqual(source.calls(), 1)
      yield* until(subject, () => isIdle(subject))
    })
  )

  test(
    "a load in the background ends when the cache closes",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const caller = yield* start(a.cache.getOrLoad("a", source.load, { background: true }))
      yield* until(subject, () => source.running() === 1)
      yield* Fiber.interrupt(caller)
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(a.close)))
      assert.strictEqual(source.interrupted(), 1)
      assert.strictEqual(yield* b.cache.getOrLoad("a", Effect.succeed("another")), "another")
    })
  )
}
