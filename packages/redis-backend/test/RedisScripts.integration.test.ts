import { assert, layer } from "@effect/vitest"
import { CacheBackend, CacheError, Script } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Effect, Layer } from "effect"
import { backendLayer, eventually, get, LONG, makeBackend, makeClient, reasonOf, set, uniqueKey } from "./support.ts"

const withServer = backendLayer().pipe(Layer.provideMerge(RedisServer.layer()))

/** A script for Redis alone. */
const luaOnly = (lua: string) =>
  Script.make<never, ReadonlyArray<string | number>, unknown>({
    name: "test",
    type: "test",
    lua,
    args: (args) => args,
    reply: (raw) => raw,
    reducer: () => {
      throw CacheError.make("run", "Unsupported", "this script runs on Redis only")
    }
  })

layer(withServer, { excludeTestServices: true })("scripts", (it) => {
  it.effect("survive SCRIPT FLUSH in mid-use, and each runs once", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const client = yield* makeClient((yield* RedisServer.RedisServer).url)
      const counter = uniqueKey("counter")
      const work = Effect.forEach(
        Array.from({ length: 300 }, (_, index) => index),
        (index) =>
          Effect.gen(function* () {
            if (index % 10 === 0) yield* Effect.promise(() => client.script("FLUSH"))
            yield* backend.increment(counter, LONG)
            const key = uniqueKey("a")
            assert.isTrue(yield* set(backend, key, index))
            assert.strictEqual(yield* get(backend, key), index)
            assert.isTrue(yield* backend.expire(key, LONG.ttl))
            assert.isTrue(yield* backend.delete(key))
          }),
        { concurrency: 20 }
      )
      yield* work
      assert.strictEqual(yield* get(backend, counter), 300)
    })
  )

  it.effect("survive a restart of the server", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const key = uniqueKey("a")
      yield* set(backend, key, 1)
      yield* (yield* RedisServer.RedisServer).restart
      yield* eventually(Effect.map(Effect.option(set(backend, key, 2)), (written) => written._tag === "Some"))
      assert.strictEqual(yield* get(backend, key), 2)
    })
  )

  it.effect("get keys, then arguments, then the place for a clock", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const echo = luaOnly("return { KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], #ARGV }")
      const run = (backend: CacheBackend.CacheBackend["Service"]) => backend.run(echo, ["{k}1", "{k}2"], ["é", 0.5])
      assert.deepStrictEqual(yield* run(yield* CacheBackend.CacheBackend), ["{k}1", "{k}2", "é", "0.5", "", 3])
      const timed = yield* makeBackend({ url, time: () => 1_754_000_000_123_456 })
      assert.deepStrictEqual(yield* run(timed), ["{k}1", "{k}2", "é", "0.5", "1754000000123456", 3])
    })
  )

  it.effect("fail with the reason that the reader of the reply gives", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const strict = Script.make({
        ...luaOnly("return 'neither'"),
        reply: () => {
          throw CacheError.make("run", "Decode", "neither 0 nor 1")
        }
      })
      assert.strictEqual(yield* reasonOf(backend.run(strict, [], [])), "Decode")
    })
  )

  it.effect("fail in one line, without what is in the keys and arguments", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const secret = "hunter2"
      for (const lua of [
        "return redis.error_reply('ERR ' .. ARGV[1])",
        "error(ARGV[1])",
        "return redis.call('NOSUCHCOMMAND', ARGV[1])",
        "this is no Lua"
      ]) {
        const error = yield* Effect.flip(backend.run(luaOnly(lua), [secret], [secret]))
        assert.strictEqual(error.reason, "Unavailable")
        assert.notInclude(JSON.stringify(error) + String(error.stack), secret)
      }
    })
  )
})
