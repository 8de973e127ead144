/**
 * The switches as the environment, and the options of a cache, turn them.
 */
import { once } from "node:events"
import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Cache, CacheBackend, createCache, Lock, Memory } from "tiercache"
import { withEnvironment } from "./environment.ts"

/** Two reads, of which the second hits. */
const reads = Effect.gen(function* () {
  const cache = yield* Cache.Cache
  yield* cache.get("k")
  yield* cache.set("k", 1)
  return [yield* cache.get("k"), cache.metrics()] as const
})

/** A server that takes connections and says nothing. */
const silentServer = Effect.acquireRelease(
  Effect.promise(async () => {
    let connections = 0
    const sockets = new Set<{ readonly destroy: () => void }>()
    const server = createServer((socket) => {
      connections++
      sockets.add(socket.on("error", () => {}))
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const close = () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
    return { url: `redis://127.0.0.1:${port}`, connections: () => connections, close }
  }),
  ({ close }) => Effect.sync(close)
)

describe("TierCache.layerConfig", () => {
  it.effect("logs misses by default, and neither hits nor all operations", () =>
    Effect.gen(function* () {
      const { messages, result } = yield* withEnvironment({}, reads)
      assert.deepStrictEqual(messages, ["cache miss"])
      assert.strictEqual(result[0], 1)
      assert.strictEqual(result[1].hits, 1)
    })
  )

  it.effect("turns CACHE_LOG_MISSES and CACHE_LOG_HITS", () =>
    Effect.gen(function* () {
      const { messages } = yield* withEnvironment({ CACHE_LOG_MISSES: "no", CACHE_LOG_HITS: "yes" }, reads)
      assert.deepStrictEqual(messages, ["cache hit"])
    })
  )

  it.effect("turns CACHE_DEBUG_MODE", () =>
    Effect.gen(function* () {
      const { messages } = yield* withEnvironment({ CACHE_LOG_MISSES: "no", CACHE_DEBUG_MODE: "yes" }, reads)
      assert.deepStrictEqual(
        messages.filter((message) => !message.endsWith("peek")),
        ["cache operation: get", "cache operation: set"]
      )
    })
  )

  it.effect("turns CACHE_BYPASS_CACHE", () =>
    Effect.gen(function* () {
      const { result } = yield* withEnvironment({ CACHE_BYPASS_CACHE: "yes" }, reads)
      assert.strictEqual(result[0], undefined)
      assert.strictEqual(result[1].misses, 2)
    })
  )

  it.effect("turns CACHE_FAKE_MISS_RATE", () =>
    Effect.gen(function* () {
      const { result } = yield* withEnvironment({ CACHE_FAKE_MISS_RATE: "1" }, reads)
      assert.strictEqual(result[0], undefined)
    })
  )

  it.effect("turns CACHE_METRICS_ENABLED", () =>
    Effect.gen(function* () {
      const { result } = yield* withEnvironment({ CACHE_METRICS_ENABLED: "no" }, reads)
      assert.strictEqual(result[0], 1)
      assert.deepInclude(result[1], { hits: 0, misses: 0, sets: 0 })
    })
  )

  it.effect("turns CACHE_LOG_KEYS", () =>
    Effect.gen(function* () {
      const failing = Effect.gen(function* () {
        const cache = yield* Cache.Cache
        yield* cache.set("k", "text")
        return (yield* Effect.flip(cache.increment("k"))).message
      })
      const messageOf = (env: Readonly<Record<string, string>>) =>
        Effect.map(withEnvironment(env, failing), ({ result }) => result)
      assert.notInclude(yield* messageOf({}), "tradecore:k")
      assert.include(yield* messageOf({ CACHE_LOG_KEYS: "yes" }), "tradecore:k")
    })
  )
})

describe("CACHE_ENABLED=false", () => {
  it.live("makes no connection to Redis", () =>
    Effect.gen(function* () {
      const { connections, url } = yield* silentServer
      const environment = { CACHE_BACKEND: "tiered", REDIS_URL: url }
      const disabled = yield* withEnvironment({ ...environment, CACHE_ENABLED: "false" }, reads)
      assert.strictEqual(disabled.result[0], undefined)
      assert.strictEqual(connections(), 0)
      assert.include(disabled.messages[0], "the cache is disabled")
      yield* withEnvironment(environment, Effect.void)
      assert.isAbove(connections(), 0)
    })
  )

  it.effect("leaves locks to those in the process", () =>
    Effect.gen(function* () {
      const locked = Effect.gen(function* () {
        const lock = yield* Lock.Lock
        yield* lock.acquire("report", { wait: "0 millis" })
        return yield* Effect.flip(lock.acquire("report", { wait: "0 millis" }))
      })
      const { result } = yield* withEnvironment({ CACHE_ENABLED: "false" }, Effect.scoped(locked))
      assert.strictEqual(result._tag, "LockHeld")
    })
  )
})

describe("switches", () => {
  it.effect("are those of the backend that others get, too", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const cache = yield* Cache.Cache
      yield* cache.set("k", 1)
      assert.isFalse(yield* backend.has("tradecore:k"))
    }).pipe(Effect.provide(Memory.layer({ switches: { enabled: false } })))
  )

  it("let the stated share of reads miss for those who await, too", async () => {
    await using cache = await createCache({ switches: { fakeMissRate: 0.25 } })
    await cache.set("k", 1)
    const misses = { get: 0, getOrLoad: 0 }
    for (let index = 0; index < 2000; index++) {
      if ((await cache.get("k")) === undefined) misses.get++
      await cache.getOrLoad("k", () => {
        misses.getOrLoad++
        return 1
      })
    }
    assert.approximately(misses.get / 2000, 0.25, 0.06)
    assert.approximately(misses.getOrLoad / 2000, 0.25, 0.06)
  })
})
