import { assert, describe, it } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Cache, CacheBackend, type CacheError, Redis, Secrets, Tiered } from "tiercache"
import { Context, Effect, Layer, Redacted } from "effect"
import { kinds, SECRET } from "../../domains/test/values/kinds.ts"

const RUNS = process.env["TIERCACHE_TEST_FULL"] === "1" ? 100 : 5

const PATIENT = { commandTimeout: "5 seconds" } as const

const secrets = Secrets.keyRing([{ id: "k1", key: Redacted.make(new Uint8Array(32).fill(7)) }])

/** The cache of a process, and whether its L1 is trusted. */
const start = (layer: Layer.Layer<Cache.Cache | CacheBackend.CacheBackend, CacheError.CacheError>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => ({
    cache: Context.get(context, Cache.Cache),
    isTrusted: () => Context.get(context, CacheBackend.CacheBackend).stats().coherence?.state === "trusted"
  }))

const eventually = (condition: () => boolean) =>
  Effect.repeat(Effect.delay(Effect.sync(condition), "5 millis"), { until: (holds) => holds })

/** In how many entries there is a text, as the server stores them. */
const countOf = Effect.fnUntraced(function* (server: RedisServer.RedisServer["Service"], text: string) {
  // it would hide the text
  yield* server.ask("CONFIG", "SET", "rdbcompression", "no")
  return yield* server.ask(
    "EVAL",
    `local count = 0
    for _, key in ipairs(redis.call('KEYS', '*')) do
      if string.find(redis.call('DUMP', key), ARGV[1], 1, true) then count = count + 1 end
    end
    return count`,
    0,
    text
  )
})

describe("values of all kinds", { concurrent: true }, () => {
  const backends = { Redis: Redis.layer, "L1 and Redis": Tiered.layer } as const
  for (const [name, layerOf] of Object.entries(backends)) {
    it.live(`come back equal from ${name}, to another process too, and are not to be read there if secret`, () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const layer = layerOf({ secrets, redis: { url: server.url, ...PATIENT } })
        const [{ cache: writer }, { cache: reader }] = [yield* start(layer), yield* start(layer)]
        for (const { checkRoundTrips } of kinds) yield* checkRoundTrips(writer, reader, RUNS)
        for (const { hold } of kinds) yield* hold(writer)
        assert.isAbove(Number(yield* countOf(server, "Savings")), 0)
        assert.strictEqual(Number(yield* countOf(server, SECRET)), 0)
      })
    )
  }

  it.live("are shared in L1 but for secret ones, and those that cannot be frozen", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const { cache, isTrusted } = yield* start(Tiered.layer({ secrets, redis: { url, ...PATIENT } }))
      yield* eventually(isTrusted)
      for (const { hold, isSecret, name } of kinds) {
        const [first, second] = yield* hold(cache)
        assert.strictEqual(first === second, !isSecret && name !== "api:response", name)
      }
    })
  )
})
