import { assert, layer } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import { createCache, RateLimit } from "tiercache"

layer(RedisServer.layer(), { excludeTestServices: true })("rate limits of createCache over Redis", (it) => {
  it.effect("are those of all processes, whatever their tiers", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      yield* Effect.promise(async () => {
        const redis = { url, commandTimeout: "30 seconds" } as const
        await using tiered = await createCache({ backend: "tiered", redis })
        await using plain = await createCache({ backend: "redis", redis })
        const patient = { deadline: "30 seconds" } as const
        const daily = RateLimit.fixedWindow("daily", { limit: 3, window: "1 day", ...patient })
        const burst = RateLimit.gcra("burst", { limit: 2, period: "1 hour", ...patient })
        assert.isTrue((await tiered.limits.consumeAll([daily, burst], "user-1")).allowed)
        assert.isTrue((await plain.limits.consumeAll([daily, burst], "user-1")).allowed)
        assert.isFalse((await tiered.limits.consumeAll([daily, burst], "user-1")).allowed)
        const { remaining, source } = await plain.consume(daily, "user-1")
        assert.deepStrictEqual([remaining, source], [0, "store"])
        assert.isTrue(await tiered.limits.reset(daily, "user-1"))
        const keys: Array<string> = []
        for await (const key of plain.keys("ratelimit:*")) keys.push(String(key))
        assert.deepStrictEqual(keys, ["ratelimit:burst:{user-1}"])
        assert.strictEqual(await plain.deletePattern("ratelimit:*"), 1)
      })
    })
  )
})
