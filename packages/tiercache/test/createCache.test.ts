import { assert, describe, it } from "@effect/vitest"
import { CacheError, CacheKey, createCache, Entity, Market, Schema } from "tiercache"
import { DateTime } from "effect"

const Profiles = Entity.make("user", "profile", {
  key: { userId: Schema.NonEmptyString },
  value: Schema.Struct({ name: Schema.String, born: Schema.Date })
})

const quote = (last: number): Market.Quote => ({
  symbol: "AAPL",
  bid: last - 0.01,
  ask: last + 0.01,
  last,
  timestamp: DateTime.makeUnsafe(0)
})

const reasonOf = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (error: unknown) => (CacheError.isCacheError(error) ? error.reason : `not a CacheError: ${String(error)}`)
  )

describe("createCache", () => {
  it("is in memory unless told otherwise, and keeps untyped values", async () => {
    await using cache = await createCache()
    assert.isTrue(await cache.set("my:key", { any: "value" }, { ttl: "5 minutes" }))
    assert.deepStrictEqual(await cache.get("my:key"), { any: "value" })
    assert.deepStrictEqual(cache.peek("my:key"), { any: "value" })
    assert.isTrue(await cache.has("my:key"))
    assert.isTrue(await cache.delete("my:key"))
    assert.strictEqual(await cache.get("my:key"), undefined)
    assert.isFalse(await cache.delete("my:key"))
  })

  it("keeps entities, and says where they were found", async () => {
    await using cache = await createCache({ prefix: "test", ttl: "1 minute" })
    const quotes = cache.entity(Market.Quotes)
    await quotes.set("AAPL", quote(100))
    assert.deepStrictEqual(quotes.peek("AAPL"), quote(100))
    assert.deepStrictEqual(await quotes.get("AAPL"), quote(100))
    const found = await quotes.lookup("AAPL")
    assert.deepStrictEqual([found?.tier, found?.stale], ["l1", false])
    await quotes.setMany([
      ["MSFT", quote(1)],
      ["IBM", quote(2)]
    ])
    const many = await quotes.getMany(["IBM", "none", "AAPL"])
    assert.deepStrictEqual([...many.keys()], ["IBM", "none", "AAPL"])
    assert.deepStrictEqual([...many.values()], [quote(2), undefined, quote(100)])
    assert.isTrue(await quotes.expire("IBM", "1 hour"))
    assert.strictEqual(await quotes.deleteMany(["IBM", "MSFT", "none"]), 2)
  })

  it("lists keys that can be used, and deletes by pattern", async () => {
    await using cache = await createCache()
    const profiles = cache.entity(Profiles)
    await profiles.set("a*b", { name: "Ada", born: new Date(0) })
    await profiles.set("a:b", { name: "Bob", born: new Date(1) })
    await cache.set("other:key", 1)
    const keys: Array<CacheKey.CacheKey> = []
    for await (const key of cache.keys("user:profile:*")) keys.push(key)
    assert.deepStrictEqual(keys.map(String).toSorted(), ["user:profile:a%2Ab", "user:profile:a%3Ab"])
    for (const key of keys) assert.isTrue(await cache.has(key))
    assert.strictEqual(await cache.deletePattern("user:profile:a*"), 2)
    assert.isTrue(await cache.has("other:key"))
  })

  it("counts", async () => {
    await using cache = await createCache()
    assert.strictEqual(await cache.increment("visits"), 1)
    assert.strictEqual(await cache.increment("visits", { by: 5, ttl: "1 minute" }), 6)
    assert.strictEqual(await cache.get("visits"), 6)
    await cache.set("visits", 10)
    assert.strictEqual(await cache.increment("visits", { by: -11 }), -1)
  })

  it("counts itself", async () => {
    await using cache = await createCache()
    await cache.get("missing")
    await cache.set("k", 1)
    await cache.get("k")
    cache.peek("k")
    await cache.get("k", { fresh: true })
    await reasonOf(cache.set("k", () => 1))
    const { errors, hitRate, hits, misses, sets } = cache.metrics()
    assert.deepStrictEqual(
      { errors, hitRate, hits, misses, sets },
      { errors: 1, hitRate: 0.75, hits: 3, misses: 1, sets: 1 }
    )
    cache.resetMetrics()
    assert.strictEqual(cache.metrics().hits, 0)
    assert.isTrue((await cache.health()).healthy)
  })

  it("hands out what nobody can change", async () => {
    await using cache = await createCache()
    const mine = { list: [1, 2] }
    await cache.set("k", mine)
    mine.list.push(3)
    assert.deepStrictEqual(await cache.get("k"), { list: [1, 2] })
    const held = await cache.get("k")
    assert.isTrue(Object.isFrozen(held))
  })

  it("rejects with a CacheError whatever cannot be", async () => {
    await using cache = await createCache()
    assert.strictEqual(await reasonOf(cache.get("")), "InvalidKey")
    assert.strictEqual(await reasonOf(cache.get("a::b")), "InvalidKey")
    assert.strictEqual(await reasonOf(cache.set("k\ud800", 1)), "InvalidKey")
    assert.strictEqual(await reasonOf(cache.set("k", undefined)), "Encode")
    assert.strictEqual(await reasonOf(cache.set("k", Symbol("s"))), "Encode")
    assert.strictEqual(await reasonOf(cache.set("k", 1, { ttl: "0 seconds" })), "InvalidOption")
    assert.strictEqual(await reasonOf(cache.set("k", 1, { ttl: "-1 seconds" })), "InvalidOption")
    assert.strictEqual(await reasonOf(cache.increment("k", { by: 0.5 })), "InvalidOption")
    assert.strictEqual(await reasonOf(cache.deletePattern("")), "InvalidKey")
    assert.strictEqual(await cache.get("k"), undefined)
  })

  it("rejects options that cannot be", async () => {
    assert.strictEqual(await reasonOf(createCache({ prefix: "" })), "InvalidKey")
    assert.strictEqual(await reasonOf(createCache({ ttl: "0 seconds" })), "InvalidOption")
    assert.strictEqual(await reasonOf(createCache({ l1: { maxEntries: 0 } })), "InvalidOption")
    assert.strictEqual(await reasonOf(createCache({ backend: "redis", redis: { url: "http://x" } })), "InvalidOption")
    // as JavaScript may call it
    for (const options of [{ backend: "Redis" }, { backend: "redis" }, { backend: "tiered", redis: "redis://x" }]) {
      const opened: Promise<unknown> = Reflect.apply(createCache, undefined, [options])
      assert.strictEqual(await reasonOf(opened), "InvalidOption")
    }
  })

  it("rejects what only JavaScript can give", async () => {
    await using cache = await createCache()
    const call = (method: "get" | "set", args: ReadonlyArray<unknown>): Promise<unknown> =>
      Reflect.apply(cache[method], cache, args)
    assert.strictEqual(await reasonOf(call("get", [5])), "InvalidKey")
    assert.strictEqual(await reasonOf(call("set", ["k", 1, { only: "nx" }])), "InvalidOption")
    assert.strictEqual(await reasonOf(call("set", ["k", 1, { ttl: 5 }])), "InvalidOption")
  })

  it("tells of no more changes when it is closed", async () => {
    const cache = await createCache()
    const changes = cache.changes()[Symbol.asyncIterator]()
    const next = changes.next()
    await cache.close()
    assert.deepStrictEqual(await next, { done: true, value: undefined })
  })

  it("tells of changes", async () => {
    await using cache = await createCache()
    const seen: Array<string> = []
    const watching = (async () => {
      for await (const { keys, kind } of cache.changes()) {
        seen.push(`${kind} ${keys.join(" ")}`)
        if (kind === "delete") break
      }
    })()
    while (seen.length === 0) {
      await cache.set("k", 1)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await cache.delete("k")
    await watching
    assert.deepStrictEqual([seen[0], seen.at(-1)], ["set tradecore:k", "delete tradecore:k"])
  })

  it("is closed once", async () => {
    const cache = await createCache()
    await cache.set("k", 1)
    await cache.close()
    await cache.close()
  })
})
