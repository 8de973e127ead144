/**
 * Loads of many keys, and loads of one, that meet.
 */
import { assert } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { PartialFailure } from "../../EntityCache.ts"
import * as Loader from "../../Loader.ts"
import { answering, upper } from "./Many.ts"
import * as Source from "./Source.ts"
import { errorOf, isIdle, joinAll, reasonOf, start, type Test, until, untilWaiting } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "one who loads a key alone joins a load of many",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const gate = Source.gated((call) => Effect.succeed(call))
      const load = (missing: ReadonlyArray<unknown>) =>
        Effect.as(
          gate.load({ previous: undefined }),
          missing.map(
            (id) => [String(id), id === "bad" ? Loader.failed("broken" as const) : upper(String(id))] as const
          )
        )
      const many = yield* start(errorOf(a.cache.getManyOrLoad(["a", "b", "bad"], load)))
      yield* until(subject, () => gate.running() === 1)
      const never = Effect.die("not to be loaded")
      const singles = [yield* start(a.cache.getOrLoad("a", never)), yield* start(b.cache.getOrLoad("b", never))]
      const failing = yield* start(Effect.result(a.cache.getOrLoad("bad", never)))
      yield* untilWaiting(subject, b)
      yield* gate.open
      assert.deepStrictEqual(yield* joinAll(singles), ["A", "B"])
      assert.deepStrictEqual<unknown>(yield* Fiber.join(failing), Result.fail("broken"))
      assert.deepStrictEqual(
        [...(yield* partial(many)).values],
        [
          ["a", "A"],
          ["b", "B"]
        ]
      )
    })
  )

  test(
    "a load of many joins those who load a key alone, and gets their failures",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const single = Source.gated(Source.numbered("single"))
      const failing = Source.gated(Source.down)
      const elsewhere = Source.gated(Source.numbered("elsewhere"))
      const callers = [
        yield* start(a.cache.getOrLoad("single", single.load)),
        yield* start(b.cache.getOrLoad("elsewhere", elsewhere.load))
      ]
      const failed = yield* start(errorOf(a.cache.getOrLoad("failing", failing.load)))
      yield* until(subject, () => single.running() + failing.running() + elsewhere.running() === 3)
      const { asked, load } = answering(upper)
      const many = yield* start(errorOf(a.cache.getManyOrLoad(["single", "a", "failing", "elsewhere"], load)))
      yield* untilWaiting(subject, a)
      for (const { open } of [single, failing, elsewhere]) yield* open
      yield* joinAll(callers)
      const { failures, values } = yield* partial(many)
      assert.deepStrictEqual(
        [...values],
        [
          ["single", "single 1"],
          ["a", "A"],
          ["elsewhere", "elsewhere 1"]
        ]
      )
      assert.deepStrictEqual([...failures], [["failing", yield* Fiber.join(failed)]])
      assert.deepStrictEqual(asked, [["a"]])
    })
  )

  test(
    "a load of many that hangs keeps nobody from what another process has loaded",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const hung = Source.gated(Source.numbered("never"))
      const elsewhere = Source.gated(Source.numbered("elsewhere"))
      const loading = yield* start(b.cache.getOrLoad("b", elsewhere.load))
      yield* until(subject, () => elsewhere.running() === 1)
      const many = yield* start(
        a.cache.getManyOrLoad(["a", "b"], () => Effect.as(hung.load({ previous: undefined }), []))
      )
      yield* until(subject, () => hung.running() === 1)
      const single = yield* start(a.cache.getOrLoad("b", Effect.die("not to be loaded")))
      yield* elsewhere.open
      assert.strictEqual(yield* Fiber.join(single), "elsewhere 1")
      yield* Fiber.join(loading)
      yield* Fiber.interrupt(many)
      yield* until(subject, () => isIdle(subject) && hung.interrupted() === 1)
    })
  )

  test(
    "a load of many has not failed if the last one who left it was interrupted, whoever ran out of time before",
    Effect.fnUntraced(function* (subject) {
      const [{ cache }] = subject.processes
      const hung = Source.gated(Source.numbered("never"))
      const many = yield* start(
        cache.getManyOrLoad(["a", "b"], () => Effect.as(hung.load({ previous: undefined }), []))
      )
      yield* until(subject, () => hung.running() === 1)
      const first = yield* start(reasonOf(cache.getOrLoad("a", hung.load, { hardTimeout: "1 second" })))
      const second = yield* start(reasonOf(cache.getOrLoad("b", hung.load, { hardTimeout: "2 seconds" })))
      yield* Fiber.interrupt(many)
      yield* TestClock.adjust("1 second")
      const last = yield* start(cache.getOrLoad("a", hung.load))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], ["Timeout", "Timeout"])
      assert.strictEqual(hung.calls(), 1)
      yield* Fiber.interrupt(last)
      yield* until(subject, () => isIdle(subject) && hung.interrupted() === 1)
      assert.strictEqual(cache.metrics().loadErrors, 0)
    }),
    { needs: "testClock" }
  )

  test(
    "two loads of many share what they have in common",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const gate = Source.gated((call) => Effect.succeed(call))
      const asked: Array<ReadonlyArray<unknown>> = []
      const load = (missing: ReadonlyArray<unknown>) =>
        Effect.map(gate.load({ previous: undefined }), () => {
          asked.push(missing)
          return missing.map((id) => [String(id), upper(String(id))] as const)
        })
      const callers = [
        yield* start(a.cache.getManyOrLoad(["a", "b"], load)),
        yield* start(a.cache.getManyOrLoad(["b", "c"], load))
      ]
      yield* until(subject, () => gate.running() === 2)
      callers.push(yield* start(b.cache.getManyOrLoad(["c", "d", "a"], load)))
      yield* until(subject, () => gate.running() === 3)
      yield* gate.open
      const [first, second, third] = yield* joinAll(callers)
      assert.deepStrictEqual(
        [...(first ?? []), ...(second ?? []), ...(third ?? [])],
        [
          ["a", "A"],
          ["b", "B"],
          ["b", "B"],
          ["c", "C"],
          ["c", "C"],
          ["d", "D"],
          ["a", "A"]
        ]
      )
      assert.deepStrictEqual(asked.flat().map(String).toSorted(), ["a", "b", "c", "d"])
    })
  )
}

const partial = <E>(fiber: Fiber.Fiber<E>) =>
  Effect.map(Fiber.join(fiber), (error) =>
    error instanceof PartialFailure ? error : assert.fail(`not a PartialFailure: ${String(error)}`)
  )
