import { assert, describe, it } from "@effect/vitest"
import { CacheError, Switches } from "@tiercache/core"
import { CacheBackendTest } from "@tiercache/core/testing"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Effect, Fiber, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { type Backend, type Logged, logging, open, Quotes, Sessions } from "./switches.ts"

const quote = { last: 1 }

const messages = (logged: ReadonlyArray<Logged>) => logged.map(({ message }) => message)

/** What was logged with a message. */
const annotationsOf = (logged: ReadonlyArray<Logged>, message: string) =>
  logged.filter((log) => log.message === message).map(({ annotations }) => annotations)

const operationsOf = (logged: ReadonlyArray<Logged>) =>
  annotationsOf(logged, "cache operation").map((log) => [log["cache.operation"], log["cache.outcome"]])

describe("logHits and logMisses", () => {
  it.effect("log domain and type at level debug, and no key", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const { cache } = yield* open({ logHits: true, logMisses: true })
        const quotes = cache.entity(Quotes)
        yield* quotes.get("AAPL")
        yield* quotes.set("AAPL", quote)
        yield* quotes.get("AAPL")
        yield* quotes.getMany(["AAPL", "MSFT", "IBM"])
        assert.deepStrictEqual(
          logged.map(({ annotations, level, message }) => [level, message, annotations]),
          [
            ["Debug", "cache miss", { "cache.domain": "market", "cache.type": "quote" }],
            ["Debug", "cache hit", { "cache.domain": "market", "cache.type": "quote" }],
            ["Debug", "cache hit", { "cache.domain": "market", "cache.type": "quote" }],
            ["Debug", "cache miss", { "cache.domain": "market", "cache.type": "quote", "cache.keyCount": 2 }]
          ]
        )
      })
    )
  )

  it.effect("log what is loaded as a miss, and what need not be as a hit", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const { cache } = yield* open({ logHits: true, logMisses: true })
        const quotes = cache.entity(Quotes)
        yield* quotes.getOrLoad("AAPL", Effect.succeed(quote))
        assert.deepStrictEqual(messages(logged), ["cache miss"])
        yield* quotes.getOrLoad("AAPL", Effect.succeed(quote))
        assert.deepStrictEqual(messages(logged), ["cache miss", "cache hit"])
      })
    )
  )

  it.effect("take what is stale for a miss", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const { cache } = yield* open({ logHits: true, logMisses: true })
        yield* cache.getOrLoad("k", Effect.succeed(1), { ttl: "1 second", grace: "1 hour" })
        yield* TestClock.adjust("2 seconds")
        logged.length = 0
        yield* cache.get("k")
        assert.deepStrictEqual(messages(logged), ["cache miss"])
      })
    )
  )

  it.effect("are each for themselves", () =>
    Effect.gen(function* () {
      const both = (options: { readonly logHits?: boolean; readonly logMisses?: boolean }) =>
        logging((logged) =>
          Effect.gen(function* () {
            const { cache } = yield* open(options)
            yield* cache.get("k")
            yield* cache.set("k", 1)
            yield* cache.get("k")
            return messages(logged)
          })
        )
      assert.deepStrictEqual(yield* both({ logHits: true }), ["cache hit"])
      assert.deepStrictEqual(yield* both({ logMisses: true }), ["cache miss"])
      assert.isEmpty(yield* both({}))
    })
  )

  it.effect("say nothing of what an untyped key begins with", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const { cache } = yield* open({ logMisses: true })
        yield* cache.get("user@example.com:orders")
        assert.deepStrictEqual(annotationsOf(logged, "cache miss"), [{}])
      })
    )
  )

  it.effect("find domain and type behind a prefix of several parts", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const { backend } = yield* open({ keyPrefix: "shop:eu", logMisses: true })
        yield* backend.get("shop:eu:market:quote:AAPL", Quotes.codec)
        assert.deepStrictEqual(annotationsOf(logged, "cache miss"), [
          { "cache.domain": "market", "cache.type": "quote" }
        ])
      })
    )
  )
})

describe("logKeys", () => {
  it.effect("adds the keys", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const { cache } = yield* open({ logMisses: true, logKeys: true })
        yield* cache.entity(Quotes).get("AAPL")
        yield* cache.get("my:key")
        assert.deepStrictEqual(
          logged.map(({ annotations }) => annotations["cache.key"]),
          ["tradecore:market:quote:AAPL", "tradecore:my:key"]
        )
      })
    )
  )

  it.effect("does not add those of secret data, nor any of which nothing is known yet", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const { cache } = yield* open({ debugMode: true, logKeys: true, logMisses: true })
        const sessions = cache.entity(Sessions)
        yield* sessions.delete("first")
        yield* sessions.get("second")
        yield* sessions.delete("third")
        yield* cache.delete("auth:session:fourth")
        yield* cache.get("auth:session:fifth")
        assert.include(JSON.stringify(logged), "<redacted>")
        for (const id of ["first", "second", "third", "fourth", "fifth"]) assert.notInclude(JSON.stringify(logged), id)
        const [miss] = annotationsOf(logged, "cache miss")
        assert.deepInclude(miss, { "cache.domain": "auth", "cache.type": "session" })
      })
    )
  )

  it.effect("adds the key to the messages of errors about one, unless it is that of secret data", () =>
    Effect.gen(function* () {
      const noStore = Effect.fail(CacheError.make("test", "Unavailable", "no store"))
      const broken = (backend: Backend): Backend => ({
        ...backend,
        peek: () => undefined,
        get: () => noStore,
        getMany: () => noStore
      })
      const errorsOf = (logKeys: boolean) =>
        Effect.gen(function* () {
          const { cache } = yield* open({ logKeys, logMisses: true }, broken)
          return [
            yield* Effect.flip(cache.entity(Quotes).get("AAPL")),
            yield* Effect.flip(cache.entity(Sessions).get("S3cret")),
            yield* Effect.flip(cache.entity(Quotes).getMany(["AAPL", "MSFT"]))
          ]
        })
      const named = yield* errorsOf(true)
      for (const error of named) assert.deepInclude(error, { operation: "test", reason: "Unavailable" })
      assert.deepStrictEqual(
        named.map(({ message }) => message),
        ["no store (key tradecore:market:quote:AAPL)", "no store", "no store"]
      )
      for (const { message } of yield* errorsOf(false)) assert.strictEqual(message, "no store")
    })
  )

  const runs = process.env.TIERCACHE_TEST_FULL === "1" ? 500 : 30

  it("never shows a part of a secret entity's key or value", () =>
    fc.assert(
      fc.asyncProperty(
        fc.stringMatching(/^[a-z]{8,20}$/),
        fc.array(fc.constantFrom("get", "set", "delete", "getMany", "has", "getOrLoad", "expire", "peek"), {
          maxLength: 8
        }),
        async (text, operations) => {
          const id = `S3cret${text}`
          const value = { user: `Us3r${text}` }
          const test = logging((logged) =>
            Effect.gen(function* () {
              const { cache } = yield* open({ debugMode: true, logHits: true, logMisses: true, logKeys: true })
              const sessions = cache.entity(Sessions)
              const run: Record<(typeof operations)[number], Effect.Effect<unknown, unknown>> = {
                get: sessions.get(id),
                set: sessions.set(id, value),
                delete: sessions.delete(id),
                getMany: sessions.getMany([id, `${id}2`]),
                has: sessions.has(id),
                getOrLoad: sessions.getOrLoad(id, Effect.succeed(value)),
                expire: sessions.expire(id, "1 minute"),
                peek: Effect.sync(() => sessions.peek(id))
              }
              for (const operation of operations) yield* run[operation]
              return JSON.stringify(logged)
            })
          )
          const shown = await Effect.runPromise(Effect.scoped(test))
          assert.notInclude(shown, id)
          assert.notInclude(shown, value.user)
        }
      ),
      { numRuns: runs }
    ))
})

describe("logSlowOps", () => {
  const slowly =
    (millis: number) =>
    (backend: Backend): Backend => ({
      ...backend,
      peek: () => undefined,
      get: (key, codec) => Effect.delay(backend.get(key, codec), millis),
      has: () => Effect.delay(Effect.fail(CacheError.make("has", "Timeout", "too late")), millis)
    })

  const warnings = (millis: number, threshold: "50 millis" | "80 millis" | undefined) =>
    logging((logged) =>
      Effect.gen(function* () {
        const { cache } = yield* open({ logSlowOps: true, slowOpThreshold: threshold }, slowly(millis))
        const quotes = cache.entity(Quotes)
        const fiber = yield* Effect.forkChild(Effect.andThen(quotes.get("AAPL"), Effect.exit(quotes.has("AAPL"))))
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(fiber)
        return logged
      })
    )

  it.effect("warns of operations that reach the threshold, whatever their outcome", () =>
    Effect.gen(function* () {
      const logged = yield* warnings(50, undefined)
      const what = { "cache.millis": 50, "cache.domain": "market", "cache.type": "quote" }
      assert.deepStrictEqual(logged, [
        { level: "Warn", message: "slow cache operation", annotations: { ...what, "cache.operation": "get" } },
        { level: "Warn", message: "slow cache operation", annotations: { ...what, "cache.operation": "has" } }
      ])
    })
  )

  it.effect("does not of others", () =>
    Effect.gen(function* () {
      assert.isEmpty(yield* warnings(49, undefined))
      assert.isEmpty(yield* warnings(79, "80 millis"))
      assert.lengthOf(yield* warnings(80, "80 millis"), 2)
    })
  )
})

describe("debugMode", () => {
  it.effect("logs every operation with its outcome and its time", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const { cache } = yield* open({ debugMode: true })
        const quotes = cache.entity(Quotes)
        yield* quotes.set("AAPL", quote)
        yield* quotes.get("AAPL")
        yield* quotes.get("AAPL", { fresh: true })
        yield* quotes.getMany(["AAPL", "MSFT"])
        yield* quotes.has("AAPL")
        yield* quotes.ttl("AAPL")
        yield* quotes.expire("AAPL", "1 minute")
        yield* quotes.delete("AAPL")
        yield* cache.increment("visits")
        yield* cache.deletePattern("*")
        yield* cache.deleteTags([])
        assert.deepStrictEqual(operationsOf(logged), [
          ["set", "true"],
          ["peek", "hit"],
          ["get", "hit"],
          ["getMany", "1 hits, 1 misses"],
          ["has", "true"],
          ["ttl", "5000 millis"],
          ["expire", "true"],
          ["delete", "true"],
          ["increment", "1"],
          ["deletePattern", "1"],
          ["deleteTags", "0"]
        ])
        for (const { annotations, level } of logged) {
          assert.strictEqual(level, "Debug")
          if (annotations["cache.operation"] !== "peek") assert.strictEqual(annotations["cache.millis"], 0)
        }
      })
    )
  )

  it.effect("logs the reason of a failure", () =>
    logging((logged) =>
      Effect.gen(function* () {
        const { cache } = yield* open({ debugMode: true })
        yield* cache.set("k", "text")
        yield* Effect.exit(cache.increment("k"))
        assert.deepStrictEqual(operationsOf(logged).at(-1), ["increment", "WrongType"])
      })
    )
  )
})

const all = { debugMode: true, logHits: true, logMisses: true, logSlowOps: true, logKeys: true }

CacheBackendTest.suite(
  "a backend that logs all it does",
  Switches.layer(all).pipe(
    Layer.provideMerge(MemoryBackend.layer()),
    Layer.provideMerge(Layer.merge(Logger.layer([]), Layer.succeed(References.MinimumLogLevel, "All")))
  ),
  { clock: "test" }
)
