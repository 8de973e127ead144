import { assert, layer } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { createCache } from "tiercache"

const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

layer(RedisServer.layer(), { excludeTestServices: true })("foreignWriters", (it) => {
  const test = (name: string, write: (client: Redis, key: string) => Promise<unknown>) =>
    it.effect(`follows another program: ${name}`, () =>
      Effect.gen(function* () {
        const { url } = yield* RedisServer.RedisServer
        yield* Effect.promise(async () => {
          const client = new Redis(url)
          const redis = { url, commandTimeout: "5 seconds" } as const
          await using cache = await createCache({ backend: "tiered", prefix: "my app", redis, foreignWriters: true })
          await using other = await createCache({ backend: "tiered", prefix: "my app", redis, foreignWriters: true })
          await cache.set("k", "v")
          // until the announcements of the write have come, each read may find L1 empty again
          await eventually(async () => (await other.get("k")) === "v" && other.peek("k") === "v")
          await write(client, "my%20app:k")
          await eventually(() => other.peek("k") === undefined)
          assert.notStrictEqual(await other.get("k"), "v")
          client.disconnect()
        })
      })
    )

  test("SET", (client, key) => client.set(key, "not ours"))
  test("DEL", (client, key) => client.del(key))
  test("FLUSHALL", (client) => client.flushall())
  test("its connection is lost and nothing is missed", async (client, key) => {
    await client.call("CLIENT", "KILL", "TYPE", "pubsub")
    await client.del(key)
  })

  it.effect("is off unless asked for", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      yield* Effect.promise(async () => {
        const client = new Redis(url)
        const redis = { url, commandTimeout: "5 seconds" } as const
        await using cache = await createCache({ backend: "tiered", prefix: "off", redis })
        await eventually(async () => (await cache.set("k", "v")) && cache.peek("k") === "v")
        await client.del("off:k")
        // a write of ours comes after whatever the deletion might have caused
        await using other = await createCache({ backend: "tiered", prefix: "off", redis })
        await other.set("next", 1)
        await eventually(async () => (await cache.get("next")) === 1)
        assert.strictEqual(cache.peek("k"), "v")
        client.disconnect()
      })
    })
  )
})
