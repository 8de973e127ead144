import { assert, describe, it } from "@effect/vitest"
import { RedisCluster, RedisSentinel } from "@tiercache/core/testing"
import { Effect } from "effect"
import { Cluster, Redis } from "ioredis"
import { CacheError, createCache, type PromiseCache } from "tiercache"

const PATIENT = { commandTimeout: "5 seconds" } as const

const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Whether two processes share a cache, and the one that reads follows the one that writes. */
const check = async (writer: PromiseCache, reader: PromiseCache) => {
  await eventually(async () => (await reader.health()).details["l1"] === "trusted")
  const keys = Array.from({ length: 20 }, (_, index) => `k:${index}`)
  for (const key of keys) await writer.set(key, 1)
  for (const key of keys) assert.strictEqual(await reader.get(key), 1)
  for (const key of keys) await writer.set(key, 2)
  await eventually(() => keys.every((key) => reader.peek(key) !== 1))
  assert.strictEqual(await writer.deletePattern("k:*"), keys.length)
  await eventually(() => keys.every((key) => reader.peek(key) === undefined))
}

describe("createCache", { concurrent: true }, () => {
  it.live("works over a cluster", () =>
    Effect.gen(function* () {
      const { addresses } = yield* RedisCluster.make({ replicas: 0 })
      yield* Effect.promise(async () => {
        const client = new Cluster([...addresses])
        const urls = addresses.map(({ host, port }) => `redis://${host}:${port}`)
        await using writer = await createCache({ backend: "redis", redis: { cluster: urls, ...PATIENT } })
        await using reader = await createCache({ backend: "tiered", redis: { cluster: addresses, ...PATIENT } })
        await check(writer, reader)
        await using lent = await createCache({ backend: "tiered", redis: { client, ...PATIENT } })
        await check(writer, lent)
        client.disconnect()
      })
    })
  )

  it.live("works over a Sentinel group", () =>
    Effect.gen(function* () {
      const { addresses: sentinels, name } = yield* RedisSentinel.make()
      yield* Effect.promise(async () => {
        const client = new Redis({ sentinels: [...sentinels], name })
        await using writer = await createCache({ backend: "redis", redis: { client, ...PATIENT } })
        await using reader = await createCache({ backend: "tiered", redis: { sentinels, name, ...PATIENT } })
        await check(writer, reader)
        client.disconnect()
      })
    })
  )

  it.live("follows other programs on all nodes of a cluster", () =>
    Effect.gen(function* () {
      const { addresses, primaryOf } = yield* RedisCluster.make({ replicas: 0 })
      const cache = yield* Effect.acquireRelease(
        Effect.promise(() =>
          createCache({
            backend: "tiered",
            prefix: "shop",
            foreignWriters: true,
            redis: { cluster: addresses, ...PATIENT }
          })
        ),
        (cache) => Effect.promise(() => cache.close())
      )
      yield* Effect.promise(() => eventually(async () => (await cache.health()).details["l1"] === "trusted"))
      const keys = Array.from({ length: 12 }, (_, index) => `k${index}`)
      for (const key of keys) yield* Effect.promise(() => cache.set(key, 1))
      yield* Effect.promise(() =>
        eventually(async () => {
          for (const key of keys) await cache.get(key)
          return keys.every((key) => cache.peek(key) === 1)
        })
      )
      for (const key of keys) yield* (yield* primaryOf(`shop:${key}`)).ask("DEL", `shop:${key}`)
      yield* Effect.promise(() => eventually(() => keys.every((key) => cache.peek(key) === undefined)))
    })
  )

  it.live("says what is missing", () =>
    Effect.promise(async () => {
      // @ts-expect-error JavaScript has no types
      const error: unknown = await createCache({ backend: "redis", redis: {} }).catch((error: unknown) => error)
      assert.isTrue(CacheError.isCacheError(error))
      assert.include(String(error), "one of url, cluster, sentinels and client")
    })
  )
})
