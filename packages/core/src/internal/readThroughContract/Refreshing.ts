/**
 * Loading what is there already: because it was asked for, or before its TTL is over.
 */
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Codec from "../../Codec.ts"
import * as Source from "./Source.ts"
import {
  errorOf,
  isIdle,
  joinAll,
  LONG,
  reasonOf,
  start,
  startMany,
  storeStale,
  type Test,
  until,
  untilWaiting
} from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "a refresh loads what is there, and readers have the old value until then",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      yield* a.cache.getOrLoad("a", Effect.succeed("old"))
      yield* b.cache.get("a")
      const source = Source.gated(Source.numbered("new"))
      const callers = yield* startMany(2, a.cache.refresh("a", source.load))
      yield* until(subject, () => source.running() === 1)
      assert.deepStrictEqual(source.told(), { previous: "old" })
      for (const { cache } of [a, b]) {
        assert.strictEqual(yield* cache.get("a", { fresh: true }), "old")
        assert.strictEqual(yield* cache.getOrLoad("a", Effect.die("not to be loaded")), "old")
      }
      yield* source.open
      assert.deepStrictEqual(yield* joinAll(callers), ["new 1", "new 1"])
      for (const { cache } of [a, b]) {
        yield* subject.eventually(Effect.map(cache.get("a"), (value) => value === "new 1"))
      }
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "a refresh loads what is missing too",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      assert.strictEqual(yield* a.cache.refresh("a", Effect.succeed("new")), "new")
      assert.strictEqual(yield* b.cache.get("a"), "new")
    })
  )

  test(
    "refreshes in several processes share one load",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      yield* a.cache.getOrLoad("a", Effect.succeed("old"))
      const source = Source.gated(Source.numbered("new"))
      const first = yield* start(a.cache.refresh("a", source.load))
      yield* until(subject, () => source.running() === 1)
      const second = yield* start(b.cache.refresh("a", source.load))
      yield* untilWaiting(subject, b)
      yield* source.open
      assert.deepStrictEqual(yield* joinAll([first, second]), ["new 1", "new 1"])
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "a refresh that waited for one that was given up loads by itself",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      yield* a.cache.getOrLoad("a", Effect.succeed("old"))
      const hung = Source.gated(Source.numbered("never"))
      const first = yield* start(a.cache.refresh("a", hung.load))
      yield* until(subject, () => hung.running() === 1)
      const second = yield* start(b.cache.refresh("a", Effect.succeed("new")))
      yield* untilWaiting(subject, b)
      yield* Fiber.interrupt(first)
      assert.strictEqual(yield* Fiber.join(second), "new")
    })
  )

  test(
    "a refresh that waited for a process that died loads by itself",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      yield* a.cache.getOrLoad("a", Effect.succeed("old"))
      const { leases } = a.backend
      const token = leases.token()
      yield* leases.take([subject.keyOf("a")], Codec.msgpack, { token, millis: 100, when: "always" })
      const refresh = yield* start(b.cache.refresh("a", Effect.succeed("new")))
      if (subject.clock === "test") {
        yield* untilWaiting(subject, b)
        yield* TestClock.adjust("101 millis")
      }
      assert.strictEqual(yield* Fiber.join(refresh), "new")
    })
  )

  test(
    "a refresh that fails leaves the old value, and says so although that might be served",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const options = { ttl: LONG, grace: LONG } as const
      yield* a.cache.getOrLoad("a", Effect.succeed("old"), options)
      const source = Source.gated(Source.down)
      const first = yield* start(errorOf(a.cache.refresh("a", source.load, options)))
      yield* until(subject, () => source.running() === 1)
      const second = yield* start(reasonOf(b.cache.refresh("a", source.load, options)))
      yield* untilWaiting(subject, b)
      yield* source.open
      assert.instanceOf(yield* Fiber.join(first), Source.SourceDown)
      assert.strictEqual(yield* Fiber.join(second), "LoadFailed")
      assert.strictEqual(yield* a.cache.get("a"), "old")
      assert.strictEqual(yield* b.cache.get("a", { fresh: true }), "old")
    })
  )

  test(
    "what is due is loaded in the background, once in all processes, and readers do not wait",
    Effect.fnUntraced(function* (subject) {
      const [a, b, c] = subject.processes
      yield* a.cache.getOrLoad("a", Effect.succeed("old"), { ttl: LONG })
      const source = Source.gated(Source.numbered("new"))
      const options = { ttl: LONG, refreshAhead: "2 hours" } as const
      for (const { cache } of [a, a, b, c, b]) {
        const { stale, value } = yield* cache.lookup("a", source.load, options)
        assert.deepStrictEqual([value, stale], ["old", false])
        assert.strictEqual(yield* cache.getOrLoad("a", source.load, options), "old")
        assert.deepStrictEqual(
          [...(yield* cache.getManyOrLoad(["a"], () => Effect.die("not to be loaded"), options))],
          [["a", "old"]]
        )
        yield* until(subject, () => source.running() === 1)
      }
      // those that have found it being loaded have left it at that
      yield* until(subject, () => subject.processes.filter(({ cache }) => cache.metrics().inFlight > 0).length === 1)
      yield* source.open
      yield* until(subject, () => isIdle(subject))
      for (const { cache } of [a, b, c]) {
        yield* subject.eventually(Effect.map(cache.get("a"), (value) => value === "new 1"))
      }
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "hits of what others load in the background do not ask the store again and again",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const options = { ttl: "1 minute", refreshAhead: "2 minutes" } as const
      yield* a.cache.getOrLoad("a", Effect.succeed("old"), { ttl: "1 minute" })
      yield* b.cache.get("a")
      const source = Source.gated(Source.down)
      yield* a.cache.getOrLoad("a", source.load, options)
      yield* until(subject, () => source.running() === 1)
      b.calls.reset()
      const hit = Effect.andThen(
        b.cache.getOrLoad("a", source.load, options),
        Effect.repeat(Effect.yieldNow, { times: 20 })
      )
      for (const seconds of [1, 2]) {
        for (let hits = 0; hits < 20; hits++) yield* hit
        assert.strictEqual(b.calls.counts().take, seconds)
        yield* TestClock.adjust("1 second")
      }
      yield* hit
      yield* source.open
      // the load has failed, so there is a back-off now
      yield* until(subject, () => source.running() === 0 && isIdle(subject))
      for (let hits = 0; hits < 20; hits++) yield* hit
      assert.strictEqual(b.calls.counts().take, 4)
      yield* b.cache.set("a", "new", { ttl: "1 hour" })
      yield* b.cache.getOrLoad("a", source.load, { ttl: "1 hour", refreshAhead: "2 hours" })
      yield* until(subject, () => source.calls() === 2)
    }),
    { needs: "testClock" }
  )

  test(
    "hits on what is being refreshed ask the store for nothing",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      yield* a.cache.getOrLoad("a", Effect.succeed("old"), { ttl: LONG })
      const source = Source.gated(Source.numbered("new"))
      a.calls.reset()
      for (let reads = 0; reads < 5; reads++) {
        yield* a.cache.getOrLoad("a", source.load, { ttl: LONG, refreshAhead: "2 hours" })
      }
      const { take } = a.calls.counts()
      const isLocal = a.backend.peekEntry(subject.keyOf("a"), Codec.msgpack) !== undefined
      assert.strictEqual(take, isLocal ? 1 : 6)
      yield* source.open
      yield* until(subject, () => isIdle(subject))
    })
  )

  test(
    "a value is due when less time is left than the threshold",
    Effect.fnUntraced(function* (subject) {
      const [{ cache }] = subject.processes
      const source = Source.ready(Source.numbered("value"))
      const options = { ttl: "1 minute", refreshAhead: "10 seconds" } as const
      yield* cache.getOrLoad("a", source.load, options)
      yield* TestClock.adjust("49 seconds")
      yield* cache.getOrLoad("a", source.load, options)
      yield* until(subject, () => isIdle(subject))
      assert.strictEqual(source.calls(), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* cache.getOrLoad("a", source.load, options), "value 1")
      yield* until(subject, () => isIdle(subject) && source.calls() === 2)
      assert.strictEqual(yield* cache.getOrLoad("a", source.load, options), "value 2")
      assert.strictEqual(source.calls(), 2)
    }),
    { needs: "testClock" }
  )

  test(
    "XFetch loads the sooner the longer loads take, and never what was loaded in no time",
    Effect.fnUntraced(function* (subject) {
      const [{ cache }] = subject.processes
      const options = { ttl: "1 minute", refreshAhead: { xfetch: 1 } } as const
      const shares: Array<number> = []
      for (const seconds of [0, 2, 20]) {
        const sources = Array.from({ length: 60 }, () =>
          Source.ready(() => Effect.as(Effect.sleep(`${seconds} seconds`), "value"))
        )
        const read = ({ load }: Source.Source<string>, index: number) =>
          cache.getOrLoad(`${seconds}:${index}`, load, options)
        const loading = yield* Effect.forEach(sources, (source, index) => start(read(source, index)))
        yield* TestClock.adjust(`${seconds} seconds`)
        yield* joinAll(loading)
        yield* TestClock.adjust("50 seconds")
        yield* Effect.forEach(sources, read)
        shares.push(sources.filter(({ calls }) => calls() === 2).length / sources.length)
        yield* TestClock.adjust(`${seconds} seconds`)
        yield* until(subject, () => isIdle(subject))
      }
      const [none = 1, few = 1, many = 0] = shares
      assert.strictEqual(none, 0)
      // exp(-10 / 2) is 0.7 %, exp(-10 / 20) is 61 %
      assert.isBelow(few, 0.3)
      assert.isAbove(many, 0.3)
    }),
    { needs: "testClock" }
  )

  test(
    "a refresh ahead that fails disturbs nobody, and is not repeated during the back-off",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const options = { ttl: LONG, refreshAhead: "2 hours", backoff: LONG } as const
      yield* a.cache.getOrLoad("a", Effect.succeed("old"), { ttl: LONG })
      const source = Source.ready(Source.down)
      for (const { cache } of [a, b, a, b]) {
        assert.strictEqual(yield* cache.getOrLoad("a", source.load, options), "old")
        yield* until(subject, () => isIdle(subject))
      }
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "who refreshes joins a refresh ahead, and gets what it brings",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      yield* a.cache.getOrLoad("a", Effect.succeed("old"), { ttl: LONG })
      const source = Source.gated(Source.numbered("new"))
      const options = { ttl: LONG, refreshAhead: "2 hours" } as const
      yield* a.cache.getOrLoad("a", source.load, options)
      const here = yield* start(a.cache.refresh("a", source.load))
      yield* until(subject, () => source.running() === 1)
      // this one may find its process' own refresh ahead still asking
      yield* b.cache.getOrLoad("a", source.load, options)
      const there = yield* start(b.cache.refresh("a", source.load))
      yield* untilWaiting(subject, b)
      yield* source.open
      assert.deepStrictEqual(yield* joinAll([here, there]), ["new 1", "new 1"])
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "a refresh over a stale value gives it a new life",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const [a, b] = subject.processes
      assert.strictEqual(yield* a.cache.refresh("a", Effect.succeed("new"), { ttl: LONG }), "new")
      assert.deepStrictEqual([(yield* b.cache.lookup("a"))?.value, (yield* b.cache.lookup("a"))?.stale], ["new", false])
    })
  )
}
