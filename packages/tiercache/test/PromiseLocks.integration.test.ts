import { assert, layer } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import { createCache } from "tiercache"

layer(RedisServer.layer(), { excludeTestServices: true })("withLock of promises", (it) => {
  for (const backend of ["redis", "tiered"] as const) {
    it.effect(`excludes other caches over the same ${backend}`, () =>
      Effect.flatMap(RedisServer.RedisServer, ({ url }) =>
        Effect.promise(async () => {
          await using one = await createCache({ backend, redis: { url } })
          await using other = await createCache({ backend, redis: { url } })
          const fences: Array<number> = []
          let inside = 0
          const section = async ({ fence }: { readonly fence: number }) => {
            assert.strictEqual(++inside, 1)
            await one.set("key", fence)
            fences.push(fence)
            inside--
          }
          const caches = Array.from({ length: 10 }, () => [one, other]).flat()
          await Promise.all(caches.map((cache) => cache.withLock(`lock:${backend}`, { wait: "forever" }, section)))
          assert.strictEqual(fences.length, 20)
          assert.deepStrictEqual(
            fences,
            fences.toSorted((a, b) => a - b)
          )
        })
      )
    )
  }
})
