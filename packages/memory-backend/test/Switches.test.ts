import { assert, describe, it } from "@effect/vitest"
import { Script, type Switches } from "@tiercache/core"
import { Effect, Random, Ref, Stream } from "effect"
import { open, Quotes } from "./switches.ts"

/** A loader, and how often it has run. */
const counting = Effect.fnUntraced(function* () {
  const loads = yield* Ref.make(0)
  return {
    loads: Ref.get(loads),
    loader: Effect.as(
      Ref.update(loads, (count) => count + 1),
      { last: 42 }
    )
  }
})

const quote = { last: 1 }

const count = Script.make<number, undefined, number>({
  name: "test/count",
  type: "a count",
  lua: "return redis.call('INCR', KEYS[1])",
  args: () => [],
  reply: Number,
  reducer: (slots) => {
    const next = (slots.get(0) ?? 0) + 1
    slots.set(0, next)
    return next
  }
})

describe("Switches", () => {
  it.effect("leaves the backend as it is where none is on", () =>
    Effect.gen(function* () {
      for (const options of [{}, { enabled: true, bypassCache: false, fakeMissRate: 0, logHits: false }]) {
        const { backend, below } = yield* open(options)
        assert.strictEqual(backend, below)
      }
    })
  )

  it.effect("leaves what it does not have to change as it is: a peek costs nothing where misses are logged", () =>
    Effect.gen(function* () {
      const { backend, below } = yield* open({ logMisses: true, logSlowOps: true })
      assert.strictEqual(backend.peek, below.peek)
      assert.notStrictEqual(backend.get, below.get)
    })
  )

  it.effect("refuses what is no share, and what is no threshold", () =>
    Effect.gen(function* () {
      const refused: ReadonlyArray<Switches.Options> = [
        { fakeMissRate: -0.1 },
        { fakeMissRate: 1.1 },
        { fakeMissRate: NaN },
        { logSlowOps: true, slowOpThreshold: "0 millis" }
      ]
      for (const options of refused) {
        const error = yield* Effect.flip(open(options))
        assert.strictEqual(error.reason, "InvalidOption")
      }
    })
  )
})

describe("enabled: false", () => {
  it.effect("reads nothing, and stores nothing", () =>
    Effect.gen(function* () {
      const { cache, other } = yield* open({ enabled: false })
      const quotes = cache.entity(Quotes)
      const others = other.entity(Quotes)
      yield* others.set("AAPL", quote)

      assert.strictEqual(quotes.peek("AAPL"), undefined)
      assert.strictEqual(yield* quotes.get("AAPL"), undefined)
      assert.strictEqual(yield* quotes.lookup("AAPL"), undefined)
      assert.deepStrictEqual([...(yield* quotes.getMany(["AAPL"])).values()], [undefined])
      assert.isFalse(yield* quotes.has("AAPL"))
      assert.strictEqual(yield* quotes.ttl("AAPL"), undefined)
      assert.isEmpty(yield* Stream.runCollect(cache.keys("*")))

      assert.isFalse(yield* quotes.set("AAPL", { last: 2 }))
      assert.strictEqual(yield* quotes.setMany([["MSFT", quote]]), 0)
      assert.isFalse(yield* quotes.expire("AAPL", "1 minute"))
      assert.isFalse(yield* quotes.delete("AAPL"))
      assert.strictEqual(yield* quotes.deleteMany(["AAPL"]), 0)
      assert.strictEqual(yield* cache.deletePattern("*"), 0)
      assert.strictEqual(yield* cache.increment("visits", { by: 3 }), 3)
      assert.strictEqual(yield* cache.increment("visits"), 1)

      assert.deepStrictEqual(yield* others.get("AAPL"), quote)
      assert.lengthOf(yield* Stream.runCollect(other.keys("*")), 1)
    })
  )

  it.effect("loads each time, once for those who ask at a time, and nothing counts as superseded", () =>
    Effect.gen(function* () {
      const { cache, other } = yield* open({ enabled: false })
      const quotes = cache.entity(Quotes)
      const { loader, loads } = yield* counting()
      const load = quotes.getOrLoad("AAPL", Effect.andThen(Effect.yieldNow, loader))
      yield* Effect.all([load, load], { concurrency: "unbounded" })
      assert.strictEqual(yield* loads, 1)
      const lookup = yield* quotes.lookup("AAPL", loader)
      assert.strictEqual(yield* loads, 2)
      assert.deepInclude(lookup, { tier: "loader", superseded: false, stale: false })
      yield* quotes.getManyOrLoad(["AAPL", "MSFT"], (ids) => Effect.succeed(ids.map((id) => [id, quote] as const)))
      yield* quotes.refresh("AAPL", loader)
      assert.strictEqual(cache.metrics().supersededLoads, 0)
      assert.isEmpty(yield* Stream.runCollect(other.keys("*")))
    })
  )

  it.effect("runs scripts: locks and limits are no entries", () =>
    Effect.gen(function* () {
      const { backend } = yield* open({ enabled: false })
      assert.strictEqual(yield* backend.run(count, ["tradecore:count"], undefined), 1)
      assert.strictEqual(yield* backend.run(count, ["tradecore:count"], undefined), 2)
    })
  )
})

describe("bypassCache", () => {
  it.effect("reads nothing, while writes and deletes reach the store", () =>
    Effect.gen(function* () {
      const { cache, other } = yield* open({ bypassCache: true })
      const quotes = cache.entity(Quotes)
      const others = other.entity(Quotes)
      assert.isTrue(yield* quotes.set("AAPL", quote))
      assert.deepStrictEqual(yield* others.get("AAPL"), quote)

      assert.strictEqual(quotes.peek("AAPL"), undefined)
      assert.strictEqual(yield* quotes.get("AAPL"), undefined)
      assert.deepStrictEqual([...(yield* quotes.getMany(["AAPL"])).values()], [undefined])
      assert.isFalse(yield* quotes.has("AAPL"))
      assert.strictEqual(yield* quotes.ttl("AAPL"), undefined)

      assert.isTrue(yield* quotes.expire("AAPL", "1 minute"))
      assert.isTrue(yield* quotes.delete("AAPL"))
      assert.strictEqual(yield* others.get("AAPL"), undefined)
      yield* others.set("MSFT", quote)
      assert.strictEqual(yield* cache.deletePattern("market:*"), 1)
      yield* cache.increment("visits", { by: 3 })
      assert.strictEqual(yield* cache.increment("visits"), 4)
    })
  )

  it.effect("loads each time, and leaves in the store what is there", () =>
    Effect.gen(function* () {
      const { cache, other } = yield* open({ bypassCache: true })
      const quotes = cache.entity(Quotes)
      const others = other.entity(Quotes)
      yield* others.set("AAPL", quote)
      const { loader, loads } = yield* counting()
      assert.deepStrictEqual(yield* quotes.getOrLoad("AAPL", loader), { last: 42 })
      assert.deepStrictEqual(yield* quotes.getOrLoad("AAPL", loader), { last: 42 })
      assert.strictEqual(yield* loads, 2)
      assert.deepStrictEqual(yield* others.get("AAPL"), quote)
    })
  )
})

describe("fakeMissRate", () => {
  const READS = 1000

  /** The share of reads that miss, of a key that is there. */
  const missShare = (
    rate: number,
    read: (cache: Effect.Success<ReturnType<typeof open>>["cache"]) => Effect.Effect<unknown, unknown>
  ) =>
    Effect.gen(function* () {
      const { cache, other } = yield* open({ fakeMissRate: rate })
      yield* other.entity(Quotes).setMany([
        ["AAPL", quote],
        ["MSFT", quote]
      ])
      let misses = 0
      for (let index = 0; index < READS; index++) if ((yield* read(cache)) === undefined) misses++
      return misses / READS
    }).pipe(Random.withSeed("fake misses"))

  const reads = {
    peek: (cache) => Effect.sync(() => cache.entity(Quotes).peek("AAPL")),
    get: (cache) => cache.entity(Quotes).get("AAPL"),
    "get, past L1": (cache) => cache.entity(Quotes).get("AAPL", { fresh: true }),
    getMany: (cache) => Effect.map(cache.entity(Quotes).getMany(["MSFT", "AAPL"]), (values) => values.get("AAPL")),
    lookup: (cache) => cache.entity(Quotes).lookup("AAPL"),
    getOrLoad: (cache) =>
      Effect.gen(function* () {
        let isLoaded = false
        yield* cache.entity(Quotes).getOrLoad(
          "AAPL",
          Effect.sync(() => ((isLoaded = true), quote))
        )
        return isLoaded ? undefined : quote
      }),
    getManyOrLoad: (cache) =>
      Effect.gen(function* () {
        const loaded = new Set<string>()
        yield* cache
          .entity(Quotes)
          .getManyOrLoad(["MSFT", "AAPL"], (ids) =>
            Effect.sync(() => ids.map((id) => (loaded.add(id), [id, quote] as const)))
          )
        return loaded.has("AAPL") ? undefined : quote
      })
  } satisfies Record<string, Parameters<typeof missShare>[1]>

  it.effect.each(Object.entries(reads))("is the share of reads that miss: %s", ([, read]) =>
    Effect.gen(function* () {
      assert.approximately(yield* missShare(0.25, read), 0.25, 0.05)
    })
  )

  it.effect("1 misses always, and what is loaded is stored", () =>
    Effect.gen(function* () {
      const { cache, other } = yield* open({ fakeMissRate: 1 })
      const quotes = cache.entity(Quotes)
      yield* other.entity(Quotes).set("AAPL", quote)
      const { loader, loads } = yield* counting()
      assert.strictEqual(quotes.peek("AAPL"), undefined)
      assert.strictEqual(yield* quotes.get("AAPL"), undefined)
      yield* quotes.getOrLoad("AAPL", loader)
      yield* quotes.getOrLoad("AAPL", loader)
      assert.strictEqual(yield* loads, 2)
      assert.deepStrictEqual(yield* other.entity(Quotes).get("AAPL"), { last: 42 })
    })
  )

  it.effect("misses the same reads under the same seed", () =>
    Effect.gen(function* () {
      const history = (seed: string) =>
        Effect.gen(function* () {
          const { cache } = yield* open({ fakeMissRate: 0.5 })
          yield* cache.set("k", 1)
          return yield* Effect.forEach(Array.from({ length: 50 }), () => cache.get("k"))
        }).pipe(Random.withSeed(seed))
      assert.deepStrictEqual(yield* history("a"), yield* history("a"))
      assert.notDeepEqual(yield* history("a"), yield* history("b"))
    })
  )
})
