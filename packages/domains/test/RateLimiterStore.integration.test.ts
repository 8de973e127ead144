/**
 * The store of Effect's rate limiter on Redis: the suite, and random histories that Lua and TypeScript run with the same clock, which
 * also steps back.
 */
import { assert, layer } from "@effect/vitest"
import { CacheBackend, Script } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Duration, Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import * as adaptive from "../src/internal/storeAdaptive.ts"
import { fixedWindow } from "../src/internal/storeFixedWindow.ts"
import type { State } from "../src/internal/storeState.ts"
import { tokenBucket } from "../src/internal/storeTokenBucket.ts"
import * as RateLimiterStore from "../src/RateLimiterStore.ts"
import { layerOver } from "./rateLimiterStore/onRedis.ts"
import * as Suite from "./rateLimiterStore/Suite.ts"
import * as Random from "./rateLimits/Random.ts"
import * as RedisAdmin from "./rateLimits/RedisAdmin.ts"

const PATIENT = { commandTimeout: "30 seconds" } as const

const onRedis = Layer.unwrap(RedisServer.RedisServer.useSync(({ url }) => layerOver({ url, ...PATIENT })))

Suite.suite("our store on Redis", Layer.provide(onRedis, RedisServer.layer()), { live: true })

const STEPS = process.env.TIERCACHE_TEST_FULL === "1" ? 30_000 : 4000
const STEPS_PER_HISTORY = 50

/** A script with keys that do not expire, since time is the history's. Answers with the time to live that it gave, too. */
const kept = <Args, Reply>(script: Script.Script<State, Args, Reply>) =>
  Script.make<State, Args, readonly [reply: Reply, ttl: number]>({
    ...script,
    lua: `
local server, given = redis, -1
local function body()
  local redis = { pcall = server.pcall }
  function redis.call(command, key, value, _, ttl)
    if command ~= 'SET' then return server.call(command, key) end
    given = tonumber(ttl)
    return server.call('SET', key, value)
  end
  ${script.lua}
end
local reply = body()
return { reply, server.call('EXISTS', KEYS[1]) == 0 and '-2' or string.format('%.17g', given) }
`,
    reply: (raw) => {
      const [reply, ttl] = Array.isArray(raw) ? raw : []
      return [script.reply(reply), Number(ttl)]
    },
    reducer: () => assert.fail("this script runs in Redis")
  })

/** One script over one key, run by Redis and by the reducer. */
const both = <Args, Reply>(script: Script.Script<State, Args, Reply>) => {
  const inRedis = kept(script)
  return (args: Args) => ({
    name: `${script.name} ${JSON.stringify(args)}`,
    redis: (backend: CacheBackend.CacheBackend["Service"], key: string): Effect.Effect<unknown, unknown> =>
      backend.run(inRedis, [key], args),
    memory: (states: Map<string, State>, key: string, now: number): readonly [reply: unknown, ttl: number] => {
      let ttl = states.has(key) ? -1 : -2
      const slots: Script.Slots<State> = {
        get: () => states.get(key),
        set: (_, state, ttlMillis = NaN) => {
          states.set(key, state)
          ttl = ttlMillis
        },
        delete: () => {
          states.delete(key)
          ttl = -2
        }
      }
      return [script.reducer(slots, args, now, () => {}), ttl]
    }
  })
}

const scripts = {
  fixedWindow: both(fixedWindow),
  tokenBucket: both(tokenBucket),
  consume: both(adaptive.consume),
  feedback: both(adaptive.feedback)
}

const stepOf = (random: Random.Random, algorithm: "window" | "bucket" | "adaptive") => {
  const tokens = random.pick([0, 0.1, 1 / 3, 1, 1, 2, 3])
  const limit = random.pick([1, 2.5, 3, 7])
  const refillMillis = random.pick([0.001, 1 / 3, 1000 / 7, 1000, 60_000, 1e15])
  if (algorithm === "window") {
    return scripts.fixedWindow({ tokens, refillMillis, limit: random.chance(0.7) ? limit : undefined })
  }
  if (algorithm === "bucket") {
    return scripts.tokenBucket({ tokens, limit, refillMillis, allowOverflow: random.chance(0.3) })
  }
  return random.chance(0.5)
    ? scripts.consume({ tokens, fallbackMillis: refillMillis })
    : scripts.feedback({ epoch: random.integer(0, 3), tokens, retryMillis: random.pick([0, 0.7, 1000 / 3, 5000, 1e9]) })
}

layer(RedisServer.layer(), { excludeTestServices: true })("Lua and TypeScript of the store", (it) => {
  for (const algorithm of ["window", "bucket", "adaptive"] as const) {
    it.effect(`answer alike, and keep keys for as long: ${algorithm}`, () =>
      Effect.gen(function* () {
        let now = 1_764_000_000_123_456
        const { url } = yield* RedisServer.RedisServer
        const context = yield* RedisBackend.make({ url, ...PATIENT, time: () => now })
        const backend = Context.get(context, CacheBackend.CacheBackend)
        const seed = Date.now() % 2 ** 31
        const random = Random.make(seed)
        const states = new Map<string, State>()
        for (let step = 0; step < STEPS; step++) {
          const key = `${algorithm}:${Math.floor(step / STEPS_PER_HISTORY)}`
          const { memory, name, redis } = stepOf(random, algorithm)
          const expected = memory(states, key, now)
          assert.deepStrictEqual(yield* redis(backend, key), expected, `seed ${seed}, step ${step}: ${name}`)
          // forward, mostly; a clock may be set back
          now += random.chance(0.03) ? -random.integer(0, 1e10) : random.pick([0, 0, 1, 333, 70_001, 1e6, 6e7, 1e9])
        }
      })
    )
  }

  it.effect("what is no state of ours counts as none", () =>
    Effect.gen(function* () {
      const { port, url } = yield* RedisServer.RedisServer
      const context = yield* RedisBackend.make({ url, ...PATIENT })
      const store = yield* Effect.provide(RateLimiterStore.make({ prefix: "foreign" }), context)
      const key = "foreign:ratelimiter:token-bucket:key"
      for (const command of [
        `SET ${key} nan:nan:nan`,
        `SET ${key} 1:2`,
        `SET ${key} -inf:0:0`,
        `SET ${key} -1e999:0:0`,
        `SET ${key} 1:2:-`,
        `SADD ${key} member`
      ]) {
        yield* RedisAdmin.command(port, `DEL ${key}`)
        yield* RedisAdmin.command(port, command)
        const options = { key: "key", tokens: 1, limit: 3, refillRate: Duration.minutes(1), allowOverflow: false }
        assert.deepStrictEqual(yield* store.tokenBucket(options), [2, 0], command)
      }
    })
  )

  it.effect("by Redis' own clock, every key has a TTL, and what is over is gone", () =>
    Effect.gen(function* () {
      const { port, url } = yield* RedisServer.RedisServer
      const context = yield* RedisBackend.make({ url, ...PATIENT })
      const prefix = `own-clock-${crypto.randomUUID()}`
      const store = yield* Effect.provide(RateLimiterStore.make({ prefix }), context)
      const second = { key: "key", tokens: 1, limit: 3, refillRate: Duration.seconds(1) }
      yield* store.fixedWindow(second)
      yield* store.tokenBucket({ ...second, allowOverflow: false })
      const answer = { key: "key", epoch: 0, tokens: 1, status: 429, retryAfter: Duration.seconds(1) }
      yield* store.adaptiveFeedback(answer)
      const longest = { "fixed-window": 1000, "token-bucket": 1000, adaptive: 61_000 }
      for (const [algorithm, most] of Object.entries(longest)) {
        const ttl = Number((yield* RedisAdmin.command(port, `PTTL ${prefix}:ratelimiter:${algorithm}:key`)).slice(1))
        assert.isTrue(ttl <= most && (ttl > 0 || most === 1000), `${algorithm}: ${ttl}`)
      }
      const isGone = Effect.map(
        RedisAdmin.command(port, `EXISTS ${prefix}:ratelimiter:token-bucket:key`),
        (reply) => reply === ":0"
      )
      yield* Effect.repeat(Effect.delay(isGone, "20 millis"), { until: (gone) => gone })
      assert.deepStrictEqual(yield* store.tokenBucket({ ...second, tokens: 0, allowOverflow: false }), [3, 0])
    })
  )

  it.effect("a call counts once although Redis forgets its scripts", () =>
    Effect.gen(function* () {
      const { port, url } = yield* RedisServer.RedisServer
      const context = yield* RedisBackend.make({ url, ...PATIENT })
      const store = yield* Effect.provide(RateLimiterStore.make(), context)
      const limiter = yield* Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, store)
      const consume = limiter.consume({ key: crypto.randomUUID(), limit: 9, window: "1 hour" })
      for (const expected of [8, 7, 6]) {
        assert.strictEqual((yield* consume).remaining, expected)
        assert.strictEqual(yield* RedisAdmin.command(port, "SCRIPT FLUSH"), "+OK")
      }
    })
  )
})
