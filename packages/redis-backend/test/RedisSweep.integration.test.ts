import { assert, describe, it } from "@effect/vitest"
import { type CacheBackend, Codec } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import type { Redis } from "ioredis"
import { isConnected, makeListening } from "./listening.ts"
import { eventually, LONG, makeClient } from "./support.ts"

const redis = <A>(command: () => Promise<A>) => Effect.promise(command)

const setup = Effect.gen(function* () {
  const { url } = yield* RedisServer.make()
  return { client: yield* makeClient(url), ...(yield* makeListening({ url, maxKeysPerCommand: 500 })) }
})

/** Stores strings that nobody has used for so many seconds. */
const storeAged = Effect.fnUntraced(function* (client: Redis, keys: ReadonlyArray<string>, seconds: number, ttl = 0) {
  yield* redis(() => client.set("sample", "text"))
  const dump = yield* redis(() => client.dumpBuffer("sample"))
  yield* redis(() => client.del("sample"))
  yield* redis(() =>
    Promise.all(keys.map((key) => client.call("RESTORE", key, ttl, dump, "REPLACE", "IDLETIME", seconds)))
  )
})

const DAY = 86_400
const OPTIONS = { prefix: "p", spared: ["p:lock:"], maxAge: "24 hours" } as const

const keysOf = (client: Redis) =>
  Effect.map(
    redis(() => client.keys("*")),
    (keys) => keys.toSorted()
  )

describe("a sweep", { concurrent: true }, () => {
  it.live("deletes old strings without TTL under the prefix, announces them, and nothing else", () =>
    Effect.gen(function* () {
      const { backend, client, events, hears } = yield* setup
      yield* hears(isConnected)
      const old = ["p:a", "p:b:c", "p:d"]
      yield* storeAged(client, old, DAY + 10)
      yield* storeAged(client, ["p:younger"], DAY - 10)
      yield* storeAged(client, ["p:brief"], DAY + 10, 3_600_000)
      const strangers = ["px:a", "P:a", "p", "other", "p:lock:old", "x:p:a"]
      yield* storeAged(client, strangers, DAY + 10)
      yield* redis(() => client.hset("p:hash", "a", 1))
      const hash = yield* redis(() => client.dumpBuffer("p:hash"))
      yield* redis(() => client.call("RESTORE", "p:hash", 0, hash, "REPLACE", "IDLETIME", DAY + 10))
      yield* redis(() => client.zadd("p:set", 1, "a"))
      yield* backend.set("p:entry", Codec.msgpack, 1, LONG)

      const told: Array<string> = []
      const progress: Array<CacheBackend.SweepProgress> = []
      const swept = yield* backend.sweep({
        ...OPTIONS,
        onDeleted: (keys) => told.push(...keys),
        onProgress: (each) => progress.push(each)
      })
      assert.deepStrictEqual(swept, { trimmed: 0, orphans: 3, deleted: 3 })
      assert.deepStrictEqual(told.toSorted(), old)
      assert.strictEqual(progress.at(-1)?.deleted, 3)
      yield* eventually(
        Effect.sync(() => {
          const announced = events.flatMap((event) =>
            typeof event === "object" && event.kind === "delete" ? event.keys : []
          )
          return announced.toSorted().join() === old.join()
        })
      )
      assert.deepStrictEqual(
        yield* keysOf(client),
        [...strangers, "p:brief", "p:entry", "p:hash", "p:set", "p:younger"].toSorted()
      )
    })
  )

  it.live("takes no key of any name for another", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const ids = ["*", "?", "[a-z]", "a", "{1}", "\\", "\u0000", "\n", "🚀", "x".repeat(10_000), ":", " "]
      yield* storeAged(
        client,
        ids.map((id) => `p:${id}`),
        DAY
      )
      const others = ids.map((id) => `q:${id}`)
      yield* storeAged(client, others, DAY)
      const swept = yield* backend.sweep(OPTIONS)
      assert.deepStrictEqual(swept, { trimmed: 0, orphans: ids.length, deleted: ids.length })
      assert.deepStrictEqual(yield* keysOf(client), others.toSorted())
    })
  )

  it.live("that is a rehearsal changes nothing, and makes nothing younger", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const old = Array.from({ length: 700 }, (_, index) => `p:${index}`)
      yield* storeAged(client, old, DAY)
      yield* redis(() => client.zadd("{tiercache}:tag:p:t", 1, "p:dead", 2, "p:gone"))
      for (let round = 0; round < 2; round++) {
        assert.deepStrictEqual(yield* backend.sweep({ ...OPTIONS, dryRun: true }), {
          trimmed: 2,
          orphans: old.length,
          deleted: 0
        })
      }
      assert.strictEqual(yield* redis(() => client.dbsize()), old.length + 1)
      assert.isAtLeast(Number(yield* redis(() => client.object("IDLETIME", "p:0"))), DAY)
      assert.strictEqual((yield* backend.sweep(OPTIONS)).deleted, old.length)
    })
  )

  it.live("trims members of tag indexes whose time is over, in the indexes of its prefix", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const index = "{tiercache}:tag:p:t"
      const dead = Array.from({ length: 1234 }, (_, at) => [at, `p:dead:${at}`] as const).flat()
      yield* backend.set("p:alive", Codec.msgpack, 1, { ...LONG, tags: ["p:t"] })
      yield* redis(() => client.zadd(index, ...dead))
      yield* redis(() => client.zadd("{tiercache}:tag:p:only dead", 1, "p:dead"))
      yield* redis(() => client.zadd("{tiercache}:tag:px:t", 1, "px:dead"))
      yield* redis(() => client.set("{tiercache}:tag:p:no index", "text"))
      assert.strictEqual((yield* backend.sweep({ ...OPTIONS, dryRun: true })).trimmed, 1235)
      assert.deepStrictEqual(yield* backend.sweep(OPTIONS), { trimmed: 1235, orphans: 0, deleted: 0 })
      assert.deepStrictEqual(yield* redis(() => client.zrange(index, "0", "-1")), ["p:alive"])
      assert.strictEqual(yield* redis(() => client.exists("{tiercache}:tag:p:only dead")), 0)
      assert.strictEqual(yield* redis(() => client.zcard("{tiercache}:tag:px:t")), 1)
      assert.strictEqual(yield* backend.deleteTags(["p:t"]), 1)
    })
  )

  it.live("takes nothing for an orphan where Redis knows no ages", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      yield* storeAged(client, ["p:a"], DAY)
      yield* redis(() => client.config("SET", "maxmemory-policy", "allkeys-lfu"))
      assert.deepStrictEqual(yield* backend.sweep(OPTIONS), { trimmed: 0, orphans: 0, deleted: 0 })
      assert.strictEqual(yield* redis(() => client.exists("p:a")), 1)
    })
  )
})
