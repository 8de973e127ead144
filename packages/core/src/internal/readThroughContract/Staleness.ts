/**
 * Stale values: to whom they are served, and when no more.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Entity from "../../Entity.ts"
import * as Source from "./Source.ts"
import {
  errorOf,
  hearing,
  isIdle,
  joinAll,
  LONG,
  SHORT,
  start,
  startMany,
  storeStale,
  type Test,
  until,
  untilWaiting
} from "./Subject.ts"

const GRACE = { grace: LONG } as const
const REVALIDATED = { grace: LONG, staleWhileRevalidate: true } as const

export const register = (test: Test): void => {
  test(
    "if a load fails, its callers get what is stale, and are told",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const [a, b] = subject.processes
      const source = Source.gated(Source.down)
      const callers = yield* startMany(3, a.cache.lookup("a", source.load, GRACE))
      yield* until(subject, () => source.running() === 1)
      const elsewhere = yield* startMany(3, b.cache.lookup("a", source.load, GRACE))
      yield* untilWaiting(subject, b)
      yield* source.open
      for (const { expiresIn, stale, superseded, tier, value } of yield* joinAll([...callers, ...elsewhere])) {
        assert.deepStrictEqual([value, stale, superseded], ["stale", true, false])
        assert.notStrictEqual(tier, "loader")
        assert.strictEqual(Duration.toMillis(expiresIn), 0)
      }
      assert.strictEqual(source.calls(), 1)
      assert.isUndefined(yield* a.cache.get("a"), "reads that ask for nothing else find what is fresh only")
    })
  )

  test(
    "a stale value is not for those who want none, or not one so old",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const [a, b] = subject.processes
      const source = Source.ready(Source.down)
      assert.instanceOf(yield* errorOf(a.cache.getOrLoad("a", source.load)), Source.SourceDown)
      assert.instanceOf(
        yield* errorOf(a.cache.getOrLoad("a", source.load, { ...GRACE, staleIfError: false })),
        Source.SourceDown
      )
      yield* subject.elapse
      assert.instanceOf(yield* errorOf(b.cache.getOrLoad("a", source.load, { grace: SHORT })), Source.SourceDown)
      assert.strictEqual(yield* b.cache.getOrLoad("a", source.load, GRACE), "stale")
    })
  )

  test(
    "each of those who share a load gets what its own options allow",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a", "b"], "stale")
      const [{ cache }] = subject.processes
      const strict = { staleIfError: false, grace: LONG } as const
      for (const [id, first, second] of [
        ["a", strict, GRACE],
        ["b", GRACE, strict]
      ] as const) {
        const source = Source.gated(Source.down)
        const ofFirst = yield* start(Effect.result(cache.getOrLoad(id, source.load, first)))
        yield* until(subject, () => source.running() === 1)
        const ofSecond = yield* start(Effect.result(cache.getOrLoad(id, source.load, second)))
        yield* source.open
        const [one, two] = [yield* Fiber.join(ofFirst), yield* Fiber.join(ofSecond)]
        assert.deepStrictEqual([one._tag, two._tag], id === "a" ? ["Failure", "Success"] : ["Success", "Failure"])
        assert.strictEqual(source.calls(), 1)
      }
    })
  )

  test(
    "beyond its grace a value is gone",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const source = Source.ready(Source.down)
      const options = { ttl: "1 minute", grace: "1 minute" } as const
      yield* a.cache.getOrLoad("a", Effect.succeed("old"), options)
      yield* TestClock.adjust("119 seconds")
      assert.strictEqual(yield* b.cache.getOrLoad("a", source.load, { ...options, backoff: "1 millis" }), "old")
      yield* TestClock.adjust("1 second")
      for (const { cache } of [a, b]) {
        assert.isUndefined(yield* cache.lookup("a"))
        assert.instanceOf(
          yield* errorOf(cache.getOrLoad("a", source.load, { ...options, ...REVALIDATED })),
          Source.SourceDown
        )
      }
    }),
    { needs: "testClock" }
  )

  test(
    "while it is loaded anew, a stale value is served at once",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const [a, b, c] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      for (const { cache } of [a, a, b, c]) {
        const { stale, value } = yield* cache.lookup("a", source.load, REVALIDATED)
        assert.deepStrictEqual([value, stale], ["stale", true])
      }
      const many = yield* b.cache.getManyOrLoad(["a"], () => Effect.die("not to be loaded"), REVALIDATED)
      assert.strictEqual(many.get("a"), "stale")
      yield* until(subject, () => source.running() === 1)
      yield* source.open
      yield* until(subject, () => isIdle(subject))
      for (const { cache } of [a, b, c]) {
        yield* subject.eventually(Effect.map(cache.get("a"), (value) => value === "value 1"))
        const { stale, value } = yield* cache.lookup("a", source.load, REVALIDATED)
        assert.deepStrictEqual([value, stale], ["value 1", false])
      }
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "what fails in the background fails nobody",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const [a, b] = subject.processes
      const source = Source.ready(Source.down)
      for (const { cache } of [a, b, a]) {
        assert.strictEqual(yield* cache.getOrLoad("a", source.load, { ...REVALIDATED, backoff: LONG }), "stale")
        yield* until(subject, () => isIdle(subject))
      }
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "a value is not served stale by one who comes after its grace, though the load began before",
    Effect.fnUntraced(function* (subject) {
      const [{ cache }] = subject.processes
      const options = { ttl: "1 minute", grace: "1 minute", staleWhileRevalidate: true } as const
      yield* cache.getOrLoad("a", Effect.succeed("old"), options)
      yield* TestClock.adjust("119 seconds")
      const source = Source.gated(Source.numbered("value"))
      assert.strictEqual(yield* cache.getOrLoad("a", source.load, options), "old")
      yield* until(subject, () => source.running() === 1)
      yield* TestClock.adjust("2 seconds")
      const late = yield* start(cache.getOrLoad("a", source.load, options))
      yield* TestClock.adjust("2 seconds")
      yield* source.open
      assert.strictEqual(yield* Fiber.join(late), "value 1")
    }),
    { needs: "testClock" }
  )

  test(
    "after the soft time-out callers get what is stale, and the load goes on",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const options = { ...GRACE, softTimeout: SHORT } as const
      const loading = yield* start(a.cache.lookup("a", source.load, options))
      yield* until(subject, () => source.running() === 1)
      const waiting = yield* start(b.cache.lookup("a", source.load, options))
      yield* untilWaiting(subject, b)
      yield* subject.elapse
      for (const { stale, value } of yield* joinAll([loading, waiting])) {
        assert.deepStrictEqual([value, stale], ["stale", true])
      }
      assert.strictEqual(source.interrupted(), 0)
      yield* source.open
      yield* subject.eventually(Effect.map(b.cache.get("a"), (value) => value === "value 1"))
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "a load within the soft time-out brings its value; where nothing is stale, it is waited for",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const [{ cache }] = subject.processes
      const options = { ...GRACE, softTimeout: "10 seconds" } as const
      const source = Source.gated(Source.numbered("value"))
      const caller = yield* start(cache.getOrLoad("a", source.load, options))
      yield* TestClock.adjust("9 seconds")
      yield* source.open
      assert.strictEqual(yield* Fiber.join(caller), "value 1")
      const slow = Source.gated(Source.numbered("slow"))
      const other = yield* start(cache.getOrLoad("b", slow.load, options))
      yield* TestClock.adjust("20 seconds")
      yield* slow.open
      assert.strictEqual(yield* Fiber.join(other), "slow 1")
    }),
    { needs: "testClock" }
  )

  test(
    "what was deleted is not served stale, though the delete came after the call",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      for (const writer of [a, b]) {
        yield* storeStale(subject, ["a"], "stale")
        const source = Source.gated(Source.numbered("value"))
        const options = { ...GRACE, softTimeout: SHORT } as const
        const soft = yield* start(a.cache.getOrLoad("a", source.load, options))
        yield* until(subject, () => source.running() === 1)
        yield* hearing(subject, a, writer.cache.delete("a"))
        yield* subject.elapse
        yield* source.open
        assert.strictEqual(yield* Fiber.join(soft), "value 1")

        yield* storeStale(subject, ["a"], "stale")
        const failing = Source.gated(Source.down)
        const failed = yield* start(errorOf(a.cache.getOrLoad("a", failing.load, GRACE)))
        yield* until(subject, () => failing.running() === 1)
        yield* hearing(subject, a, writer.cache.delete("a"))
        yield* failing.open
        assert.instanceOf(yield* Fiber.join(failed), Source.SourceDown)

        yield* storeStale(subject, ["a"], "stale")
        yield* hearing(subject, a, writer.cache.delete("a"))
        const found = yield* a.cache.getOrLoad("a", Effect.succeed("new"), REVALIDATED)
        assert.strictEqual(found, "new")
        yield* a.cache.delete("a")
      }
    })
  )

  test(
    "after a hard time-out callers get what is stale",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const options = { ...GRACE, hardTimeout: SHORT } as const
      const loading = yield* start(a.cache.lookup("a", source.load, options))
      yield* until(subject, () => source.running() === 1)
      const waiting = yield* start(b.cache.lookup("a", source.load, options))
      yield* subject.elapse
      for (const { stale, value } of yield* joinAll([loading, waiting])) {
        assert.deepStrictEqual([value, stale], ["stale", true])
      }
      yield* until(subject, () => isIdle(subject) && source.running() === 0)
    })
  )

  test(
    "an entity's grace is kept by its writes too",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const Graced = Entity.make("rt", "graced", {
        key: { id: Schema.String },
        value: Schema.String,
        ttl: SHORT,
        grace: LONG
      })
      const [of, ofOther] = [a.cache.entity(Graced), b.cache.entity(Graced)]
      yield* of.set("a", "written")
      yield* subject.elapse
      yield* subject.eventually(Effect.map(ofOther.lookup("a"), (found) => found?.stale === true))
      assert.strictEqual(yield* ofOther.getOrLoad("a", Source.ready(Source.down).load), "written")
    })
  )
}
