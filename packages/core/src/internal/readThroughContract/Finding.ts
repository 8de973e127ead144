/**
 * What callers get: values and absences, from the cache or from the loader, and how long they are kept.
 */
import { assert } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Schema } from "effect"
import * as Codec from "../../Codec.ts"
import * as Entity from "../../Entity.ts"
import * as Source from "./Source.ts"
import { errorOf, isIdle, LONG, reasonOf, start, type Test, until } from "./Subject.ts"

class Name extends Context.Service<Name, string>()("Name") {}

const FALSY = [0, false, "", null, NaN]

export const register = (test: Test): void => {
  test(
    "what is missing is loaded once, and there for all from then on",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const source = Source.ready(Source.numbered("value"))
      assert.strictEqual(yield* a.cache.getOrLoad("a", source.load), "value 1")
      assert.strictEqual(yield* a.cache.getOrLoad("a", source.load), "value 1")
      assert.strictEqual(yield* b.cache.getOrLoad("a", source.load), "value 1")
      assert.strictEqual(yield* b.cache.get("a"), "value 1")
      assert.strictEqual(yield* a.cache.getOrLoad("b", Effect.succeed("an Effect")), "an Effect")
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "a miss costs one call that asks and one that stores",
    Effect.fnUntraced(function* ({ processes: [a] }) {
      yield* a.cache.getOrLoad("a", Effect.succeed(1))
      assert.deepStrictEqual(a.calls.counts(), { get: 0, getMany: 0, take: 1, fill: 1, renew: 0, release: 0 })
    })
  )

  test(
    "a hit costs at most one call",
    Effect.fnUntraced(function* ({ keyOf, processes: [a, b] }) {
      yield* a.cache.getOrLoad("a", Effect.succeed(1))
      const isLocal = b.backend.peekEntry(keyOf("a"), Codec.msgpack) !== undefined
      assert.strictEqual(yield* b.cache.getOrLoad("a", Effect.die("not to be loaded")), 1)
      const { take, ...others } = b.calls.counts()
      assert.strictEqual(take, isLocal ? 0 : 1)
      assert.deepStrictEqual(others, { get: 0, getMany: 0, fill: 0, renew: 0, release: 0 })
    })
  )

  test(
    "falsy values are hits as any other, wherever they are found",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const never = Effect.die("not to be loaded")
      for (const [index, value] of FALSY.entries()) {
        const id = `falsy:${index}`
        assert.deepStrictEqual(yield* a.cache.getOrLoad(id, Effect.succeed(value)), value)
        for (const { cache } of [a, b, b]) {
          assert.deepStrictEqual(yield* cache.getOrLoad(id, never), value)
          assert.deepStrictEqual((yield* cache.lookup(id, never)).value, value)
          assert.deepStrictEqual((yield* cache.lookup(id))?.value, value)
          assert.deepStrictEqual(yield* cache.get(id), value)
          assert.deepStrictEqual([...(yield* cache.getMany([id]))], [[id, value]])
          assert.deepStrictEqual([...(yield* cache.getManyOrLoad([id], () => never))], [[id, value]])
        }
      }
    })
  )

  test(
    "a known absence is a hit, wherever it is found",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const never = Effect.die("not to be loaded")
      assert.isUndefined(yield* a.cache.getOrLoad("a", Effect.undefined, { negativeTtl: LONG }))
      a.cache.resetMetrics()
      for (const { cache } of [a, b, b]) {
        assert.isUndefined(yield* cache.getOrLoad("a", never))
        const found = yield* cache.lookup("a", never)
        assert.deepStrictEqual([found.value, found.stale, found.superseded], [undefined, false, false])
        assert.notStrictEqual(found.tier, "loader")
        const { value, stale } = (yield* cache.lookup("a")) ?? assert.fail("the absence is not known")
        assert.deepStrictEqual([value, stale], [undefined, false])
        assert.isUndefined(yield* cache.get("a"))
        assert.deepStrictEqual([...(yield* cache.getMany(["a"]))], [["a", undefined]])
        assert.deepStrictEqual([...(yield* cache.getManyOrLoad(["a"], () => never))], [["a", undefined]])
        assert.isFalse(yield* cache.has("a"))
        assert.isUndefined(cache.peek("a"))
      }
      assert.strictEqual(a.cache.metrics().misses, 0)
      assert.strictEqual(b.cache.metrics().misses, 0)
    })
  )

  test(
    "a look-up says where a value was found, and how long it is fresh",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const loaded = yield* a.cache.lookup("a", Effect.succeed(1), { ttl: LONG })
      assert.deepStrictEqual([loaded.value, loaded.tier, loaded.stale, loaded.superseded], [1, "loader", false, false])
      assert.closeTo(Duration.toHours(loaded.expiresIn), 1, 0.1)
      const found = yield* b.cache.lookup("a", Effect.die("not to be loaded"))
      assert.deepStrictEqual([found.value, found.stale, found.superseded], [1, false, false])
      assert.notStrictEqual(found.tier, "loader")
      assert.isAtMost(Duration.toHours(found.expiresIn), 1)
      assert.isAbove(Duration.toHours(found.expiresIn), 0.9)
      assert.isUndefined(yield* b.cache.lookup("none"))
    })
  )

  test(
    "what the loader returned stays the loader's, and readers share what none of them can change",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const loaded = { list: [1], nested: { deep: "x" } }
      const source = Source.gated(() => Effect.succeed(loaded))
      const callers = [
        yield* start(a.cache.getOrLoad("a", source.load)),
        yield* start(a.cache.getOrLoad("a", source.load))
      ]
      yield* source.open
      const values = [yield* Fiber.join(callers[0]!), yield* Fiber.join(callers[1]!)]
      values.push(yield* b.cache.getOrLoad("a", source.load), yield* a.cache.getOrLoad("a", source.load))
      loaded.list.push(2)
      loaded.nested.deep = "changed"
      values.push(yield* a.cache.get("a"))
      for (const value of values) {
        assert.deepStrictEqual(value, { list: [1], nested: { deep: "x" } })
        assert.notStrictEqual<unknown>(value, loaded)
      }
      for (const value of values.slice(0, 2)) {
        assert.throws(() => Object.assign(Object(value), { list: [] }), TypeError)
      }
      assert.isFalse(Object.isFrozen(loaded))
    })
  )

  test(
    "what cannot be frozen is a copy for each reader",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const Dated = Entity.make("rt", "dated", {
        key: { id: Schema.String },
        value: Schema.Struct({ at: Schema.Date })
      })
      const [of, ofOther] = [a.cache.entity(Dated), b.cache.entity(Dated)]
      const source = Source.gated(() => Effect.succeed({ at: new Date(0) }))
      const callers = [yield* start(of.getOrLoad("a", source.load)), yield* start(of.getOrLoad("a", source.load))]
      yield* source.open
      for (const caller of callers) {
        const { at } = yield* Fiber.join(caller)
        assert.strictEqual(at.getTime(), 0)
        at.setTime(1)
      }
      for (const entity of [of, of, ofOther, ofOther]) {
        const { at } = yield* entity.getOrLoad("a", source.load)
        assert.strictEqual(at.getTime(), 0)
        at.setTime(1)
      }
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "a value that cannot be stored fails all who wait, and the next caller loads",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(() => Effect.succeed(() => "a function"))
      const callers = [
        yield* start(Effect.flip(a.cache.getOrLoad("a", source.load))),
        yield* start(Effect.flip(a.cache.getOrLoad("a", source.load)))
      ]
      yield* until(subject, () => source.running() === 1)
      yield* source.open
      for (const caller of callers) assert.strictEqual((yield* Fiber.join(caller)).reason, "Encode")
      assert.strictEqual(source.calls(), 1)
      assert.strictEqual(yield* b.cache.getOrLoad("a", Effect.succeed("next")), "next")
      yield* until(subject, () => isIdle(subject))
    })
  )

  test(
    "ids and options that cannot be are typed errors",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      const never = Effect.die("not to be loaded")
      assert.strictEqual(yield* reasonOf(cache.getOrLoad("", never)), "InvalidKey")
      assert.strictEqual(yield* reasonOf(cache.lookup("", never)), "InvalidKey")
      assert.strictEqual(yield* reasonOf(cache.refresh("", never)), "InvalidKey")
      assert.strictEqual(yield* reasonOf(cache.getManyOrLoad(["a", ""], () => never)), "InvalidKey")
      assert.strictEqual(yield* reasonOf(cache.getOrLoad("a", never, { jitter: 2 })), "InvalidOption")
      assert.strictEqual(yield* reasonOf(cache.getOrLoad("a", never, { ttl: "0 seconds" })), "InvalidOption")
    })
  )

  test(
    "an entity's options hold unless the call has others",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      const Things = Entity.make("rt", "thing", {
        key: { id: Schema.String },
        value: Schema.String,
        ttl: "10 minutes",
        negativeTtl: "20 minutes"
      })
      const things = cache.entity(Things)
      const minutesOf = (id: string) =>
        Effect.map(things.lookup(id), (found) => Math.ceil(Duration.toMinutes(found?.expiresIn ?? Duration.zero)))
      yield* things.getOrLoad("a", Effect.succeed("a"))
      yield* things.getOrLoad("b", Effect.succeed("b"), { ttl: "30 minutes" })
      assert.isUndefined(yield* things.getOrLoad("c", Effect.undefined))
      yield* things.getOrLoad("d", Effect.undefined, { negativeTtl: "40 minutes" })
      assert.deepStrictEqual(yield* Effect.forEach(["a", "b", "c", "d"], minutesOf), [10, 30, 20, 40])
    })
  )

  test(
    "a loader's errors and services are its caller's",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      const greeting = cache.getOrLoad(
        "greeting",
        Name.useSync((name) => `Hello ${name}`)
      )
      assert.strictEqual(yield* Effect.provideService(greeting, Name, "Ada"), "Hello Ada")
      const error = yield* errorOf(cache.getOrLoad("a", Source.down(7)))
      assert.instanceOf(error, Source.SourceDown)
      const exit = yield* Effect.exit(cache.getOrLoad("b", Effect.die("a defect")))
      assert.include(String(exit), "a defect")
      assert.strictEqual(yield* cache.getOrLoad("b", Effect.succeed("next")), "next")
    })
  )
}
