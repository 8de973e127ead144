import { assert, layer } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import { CacheError, createCache } from "tiercache"

const PATIENT = { commandTimeout: "5 seconds", connectionName: "strict" } as const

/** Waits until nobody is connected under the name. */
const untilGone = Effect.fnUntraced(function* (name: string) {
  const { ask } = yield* RedisServer.RedisServer
  const clients = Effect.map(ask("CLIENT", "LIST"), String)
  yield* Effect.repeat(Effect.delay(clients, "5 millis"), { until: (list) => !list.includes(`name=${name}`) })
})

layer(RedisServer.layer({ args: ["--maxmemory-policy", "allkeys-lru"] }), { excludeTestServices: true })(
  "createCache over a Redis that evicts any key",
  (it) => {
    for (const backend of ["redis", "tiered"] as const) {
      it.effect(`rejects if it is strict, and leaves nothing open: ${backend}`, () =>
        Effect.gen(function* () {
          const { url } = yield* RedisServer.RedisServer
          const opening = createCache({ backend, redis: { url, ...PATIENT, strict: true } })
          const error: unknown = yield* Effect.promise(() => opening.catch((error: unknown) => error))
          assert.isTrue(CacheError.isCacheError(error) && error.reason === "Unsupported")
          assert.include(String(error), "allkeys-lru")
          yield* untilGone("strict")
        })
      )

      it.effect(`opens if it is not, and warns: ${backend}`, () =>
        Effect.gen(function* () {
          const { url } = yield* RedisServer.RedisServer
          yield* Effect.promise(async () => {
            await using cache = await createCache({ backend, redis: { url, ...PATIENT } })
            const { healthy, warnings } = await cache.health()
            assert.isTrue(healthy)
            assert.include(warnings.join(), "allkeys-lru")
          })
        })
      )
    }

    it.effect("leaves nothing open either if what stands on Redis cannot be made", () =>
      Effect.gen(function* () {
        const { url } = yield* RedisServer.RedisServer
        const redis = { url, commandTimeout: "5 seconds", connectionName: "half" } as const
        const opening = createCache({ backend: "tiered", redis, staleness: "1 millis" })
        const error: unknown = yield* Effect.promise(() => opening.catch((error: unknown) => error))
        assert.isTrue(CacheError.isCacheError(error) && error.reason === "InvalidOption")
        yield* untilGone("half")
      })
    )
  }
)
