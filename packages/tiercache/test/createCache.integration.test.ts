import { assert, layer } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { DateTime, Effect } from "effect"
import { Redis } from "ioredis"
import { CacheError, createCache, Market } from "tiercache"

const quote: Market.Quote = {
  symbol: "AAPL",
  bid: 1,
  ask: 2,
  last: 1.5,
  timestamp: DateTime.makeUnsafe(1_700_000_000_000)
}

const PATIENT = { commandTimeout: "5 seconds" } as const

const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

layer(RedisServer.layer(), { excludeTestServices: true })("createCache over Redis", (it) => {
  for (const backend of ["redis", "tiered"] as const) {
    it.effect(`keeps what other processes read: ${backend}`, () =>
      Effect.gen(function* () {
        const { url } = yield* RedisServer.RedisServer
        yield* Effect.promise(async () => {
          await using writer = await createCache({ backend, prefix: backend, redis: { url, ...PATIENT } })
          await using reader = await createCache({ backend, prefix: backend, redis: { url, ...PATIENT } })
          await writer.entity(Market.Quotes).set("AAPL", quote)
          assert.deepStrictEqual(await reader.entity(Market.Quotes).get("AAPL"), quote)
          assert.isTrue((await reader.health()).healthy)
          assert.strictEqual(await writer.deletePattern("market:*"), 1)
          await eventually(async () => (await reader.entity(Market.Quotes).get("AAPL")) === undefined)
        })
      })
    )
  }

  it.effect("pushes quotes into the L1 of others", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      yield* Effect.promise(async () => {
        const options = { backend: "tiered", prefix: "push", redis: { url, ...PATIENT } } as const
        await using writer = await createCache(options)
        await using reader = await createCache(options)
        const quotes = reader.entity(Market.Quotes)
        await writer.entity(Market.Quotes).set("AAPL", quote, { ttl: "1 minute" })
        await eventually(async () => (await quotes.get("AAPL")) !== undefined && quotes.peek("AAPL") !== undefined)
        const { l2Hits, misses } = reader.metrics()
        await writer.entity(Market.Quotes).set("AAPL", { ...quote, last: 2 }, { ttl: "1 minute" })
        await eventually(() => quotes.peek("AAPL")?.last === 2)
        assert.deepStrictEqual([reader.metrics().l2Hits, reader.metrics().misses], [l2Hits, misses])
      })
    })
  )

  it.effect("takes a client, and leaves it open", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      yield* Effect.promise(async () => {
        const client = new Redis(url)
        const cache = await createCache({ backend: "tiered", redis: { client, ...PATIENT } })
        await cache.set("k", 1)
        await cache.close()
        assert.strictEqual(await client.ping(), "PONG")
        client.disconnect()
      })
    })
  )

  it.effect("waits for a Redis that is frozen as long as l2Timeout says, and loads", () =>
    Effect.gen(function* () {
      const { pause, resume, url } = yield* RedisServer.make()
      yield* Effect.promise(async () => {
        const options = { backend: "tiered", redis: { url, circuitBreaker: false } } as const
        await using hasty = await createCache({ ...options, l2Timeout: "100 millis" })
        await using patient = await createCache({ ...options, l2Timeout: "1 minute" })
        await patient.set("k", 1)
        await Effect.runPromise(pause)
        const waiting = patient.get("k", { fresh: true })
        assert.strictEqual(await hasty.getOrLoad("missing", async () => "loaded"), "loaded")
        const error: unknown = await hasty.get("k", { fresh: true }).catch((error: unknown) => error)
        assert.isTrue(CacheError.isCacheError(error) && error.reason === "Timeout")
        await Effect.runPromise(resume)
        assert.strictEqual(await waiting, 1)
      })
    })
  )

  it.effect("opens without a Redis, and says what is wrong", () =>
    Effect.promise(async () => {
      await using cache = await createCache({ backend: "tiered", redis: { url: "redis://user:hunter2@127.0.0.1:1" } })
      const error: unknown = await cache.get("k").catch((error: unknown) => error)
      assert.isTrue(CacheError.isCacheError(error) && error.reason === "Unavailable")
      assert.include(String(error), "127.0.0.1:1")
      assert.notInclude(JSON.stringify(error) + String(error), "hunter2")
      const health = await cache.health()
      assert.isFalse(health.healthy)
      assert.notInclude(JSON.stringify(health), "hunter2")
    })
  )
})
