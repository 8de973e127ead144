import { assert, describe, it } from "@effect/vitest"
import { RedisCluster, RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import { CacheError, CacheKey, createCache } from "tiercache"

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (CacheError.isCacheError(error) ? error.reason : error)
  )

const ECHO = "return { #KEYS, KEYS[1], KEYS[2], #ARGV, ARGV[1], ARGV[2] }"

describe("a Lua script over keys of the cache", () => {
  it("runs on Redis, with whole keys and the arguments as they are", async () => {
    await Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      for (const backend of ["redis", "tiered"] as const) {
        yield* Effect.promise(async () => {
          await using cache = await createCache({ backend, redis: { url, commandTimeout: "10 seconds" } })
          assert.deepStrictEqual(await cache.evalScript(ECHO, ["a:b", CacheKey.fromParts(["c", "*:{}"])], ["x y", 7]), [
            2,
            "tradecore:a:b",
            "tradecore:c:%2A%3A%7B%7D",
            2,
            "x y",
            "7"
          ])
          assert.deepStrictEqual(await cache.evalScript("return #ARGV", ["a"]), 0)
          const push =
            "redis.call('RPUSH', KEYS[1], unpack(ARGV)) redis.call('PEXPIRE', KEYS[1], 60000) return redis.call('LLEN', KEYS[1])"
          assert.strictEqual(await cache.evalScript(push, [`list:${backend}`], [1, 2, 3]), 3)
          assert.strictEqual(await reasonOf(cache.evalScript("return redis.error_reply('no')", ["a"])), "Refused")
          assert.strictEqual(await reasonOf(cache.evalScript("this is no Lua", ["a"])), "Refused")
          assert.strictEqual(await reasonOf(cache.evalScript("return 1", [""])), "InvalidKey")
        })
      }
    }).pipe(Effect.scoped, Effect.runPromise)
  })

  it("runs on the node of its keys in a cluster", { timeout: 120_000 }, async () => {
    await Effect.gen(function* () {
      const { addresses } = yield* RedisCluster.make({ replicas: 0 })
      yield* Effect.promise(async () => {
        await using cache = await createCache({
          backend: "redis",
          redis: { cluster: addresses, commandTimeout: "10 seconds" }
        })
        for (let index = 0; index < 20; index++) {
          const set = "redis.call('SET', KEYS[1], ARGV[1], 'EX', 60) return redis.call('GET', KEYS[1])"
          assert.strictEqual(await cache.evalScript(set, [`own:${index}`], [index]), String(index))
        }
      })
    }).pipe(Effect.scoped, Effect.runPromise)
  })

  it("is refused in memory", async () => {
    await using cache = await createCache()
    assert.strictEqual(await reasonOf(cache.evalScript("return 1", ["a"])), "Unsupported")
  })
})
