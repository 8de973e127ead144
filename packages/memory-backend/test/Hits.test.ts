/**
 * Hits: Effects that look when they are run, and promises that are kept already.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cache, Entity } from "@tiercache/core"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"

const Quotes = Entity.make("market", "quote", {
  key: { symbol: Schema.NonEmptyString },
  value: Schema.Struct({ last: Schema.Finite }),
  ttl: "5 seconds"
})

const Dates = Entity.make("test", "date", { key: { name: Schema.NonEmptyString }, value: Schema.Date })

const layer = Cache.layer().pipe(Layer.provide(MemoryBackend.layer()))

/** More than enough for a hit in a generator to be a step of the fiber, and not to be one. */
const MANY = 100

describe("a read that this process can answer", () => {
  for (const [name, read] of Object.entries({
    get: (cache) => cache.get("a"),
    getOrLoad: (cache) => cache.getOrLoad("a", Effect.succeed("loaded"))
  } satisfies Record<string, (cache: Cache.Cache["Service"]) => Effect.Effect<unknown, unknown>>)) {
    it.effect(`looks each time that it is run: ${name}`, () =>
      Effect.gen(function* () {
        const cache = yield* Cache.Cache
        const reading = read(cache)
        for (let n = 0; n < MANY; n++) {
          yield* cache.set("a", n, { ttl: "5 seconds" })
          assert.strictEqual(yield* reading, n)
          assert.strictEqual(yield* Effect.map(reading, (value) => value), n)
        }
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* reading, name === "get" ? undefined : "loaded")
        const { immediate } = cache.metrics().operations[name === "get" ? "get" : "getOrLoad"]
        assert.strictEqual(immediate, 2 * MANY)
      }).pipe(Effect.provide(layer))
    )

    it.effect(`lets others have their turn, although it never waits: ${name}`, () =>
      Effect.gen(function* () {
        const cache = yield* Cache.Cache
        yield* cache.set("a", "old")
        const waiting = yield* Effect.forkChild(
          Effect.gen(function* () {
            while ((yield* read(cache)) === "old");
          }),
          { startImmediately: true }
        )
        yield* cache.set("a", "new")
        yield* Fiber.join(waiting)
      }).pipe(Effect.provide(layer))
    )
  }

  it.effect("fails in a generator, too, for an id that is no key", () =>
    Effect.gen(function* () {
      const cache = yield* Cache.Cache
      const quotes = cache.entity(Quotes)
      for (let n = 0; n < MANY; n++) {
        const inGenerator = Effect.gen(function* () {
          return yield* quotes.get("")
        })
        assert.strictEqual((yield* Effect.flip(inGenerator)).reason, "InvalidKey")
      }
      assert.throws(() => quotes.peek(""), /schema/)
      assert.throws(() => quotes.peekPromise(""), /schema/)
    }).pipe(Effect.provide(layer))
  )
})

describe("peekPromise", () => {
  it.effect("is one promise for all readers of a value, until it is another value, or none", () =>
    Effect.gen(function* () {
      const quotes = (yield* Cache.Cache).entity(Quotes)
      assert.isUndefined(quotes.peekPromise("AAPL"))
      yield* quotes.set("AAPL", { last: 1 })
      const first = quotes.peekPromise("AAPL")
      assert.isDefined(first)
      assert.strictEqual(quotes.peekPromise("AAPL"), first)
      assert.strictEqual(yield* Effect.promise(async () => first), quotes.peek("AAPL"))
      yield* quotes.set("AAPL", { last: 2 })
      assert.deepStrictEqual(yield* Effect.promise(async () => quotes.peekPromise("AAPL")), { last: 2 })
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(quotes.peekPromise("AAPL"))
    }).pipe(Effect.provide(layer))
  )

  it.effect("gives each reader a copy of what cannot be frozen", () =>
    Effect.gen(function* () {
      const dates = (yield* Cache.Cache).entity(Dates)
      yield* dates.set("a", new Date(1000))
      const [one, other] = yield* Effect.promise(() => Promise.all([dates.peekPromise("a"), dates.peekPromise("a")]))
      assert.deepStrictEqual([one, other], [new Date(1000), new Date(1000)])
      assert.notStrictEqual(one, other)
    }).pipe(Effect.provide(layer))
  )
})
