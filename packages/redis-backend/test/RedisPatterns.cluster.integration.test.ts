import { assert, layer } from "@effect/vitest"
import { type CacheBackend, Codec, KeyPattern } from "@tiercache/core"
import { RedisCluster } from "@tiercache/core/testing"
import { Deferred, Effect, Fiber, Stream } from "effect"
import type { Redis } from "ioredis"
import { eventually, LONG, makeBackend, makeClient, uniqueKey } from "./support.ts"

const fill = Effect.fnUntraced(function* (backend: CacheBackend.CacheBackend["Service"]) {
  const prefix = uniqueKey("k").split(":")[0] ?? ""
  const keys = Array.from({ length: 1500 }, (_, index) => `${prefix}:${index}`).toSorted()
  yield* backend.setMany(
    keys.map((key) => [key, 1]),
    Codec.msgpack,
    LONG
  )
  return { keys, pattern: KeyPattern.make(prefix, "*") }
})

/** Lets a replica take the place of the first primary that has one. */
const failOver = Effect.gen(function* () {
  const { failover, primaries, replicasOf } = yield* RedisCluster.RedisCluster
  for (const primary of yield* primaries) {
    const [replica] = yield* replicasOf(primary)
    if (replica !== undefined) return yield* failover(replica)
  }
})

layer(RedisCluster.layer(), { excludeTestServices: true })("patterns in a cluster", (it) => {
  it.effect("list every key once although primaries are replaced and slots move meanwhile", () =>
    Effect.gen(function* () {
      const { addresses, moveSlots, primaries } = yield* RedisCluster.RedisCluster
      const backend = yield* makeBackend({ cluster: addresses, scanCount: 20 })
      const { keys, pattern } = yield* fill(backend)
      const move = Effect.gen(function* () {
        const [from, to] = yield* primaries
        assert(from !== undefined && to !== undefined)
        const owned = String(yield* from.ask("CLUSTER", "NODES")).match(/myself\S* .* (\d+)-(\d+)/)
        const first = Number(owned?.[1])
        yield* moveSlots({ from, to, first, last: first + 20 })
      })
      let found = 0
      const disturb = Effect.suspend(() => {
        found++
        return found === 200 ? failOver : found === 900 ? move : Effect.void
      })
      const listed = yield* backend.scan(pattern).pipe(
        Stream.tap(() => disturb),
        Stream.runCollect
      )
      assert.deepStrictEqual(listed.toSorted(), keys)
    })
  )

  it.effect("delete and count exactly although a primary is replaced meanwhile", () =>
    Effect.gen(function* () {
      const { addresses } = yield* RedisCluster.RedisCluster
      const backend = yield* makeBackend({ cluster: addresses, scanCount: 20, deleteBatchSize: 100 })
      const { keys, pattern } = yield* fill(backend)
      const begun = Deferred.makeUnsafe<void>()
      const onProgress = () => Deferred.doneUnsafe(begun, Effect.void)
      const deletion = yield* Effect.forkChild(backend.deletePattern(pattern, { onProgress }))
      yield* Deferred.await(begun)
      // the primary hands over all that it has acknowledged
      yield* failOver
      assert.strictEqual(yield* Fiber.join(deletion), keys.length)
      assert.deepStrictEqual(yield* Stream.runCollect(backend.scan(pattern)), [])
    })
  )

  it.effect("a sweep deletes the orphans of all primaries, each once", () =>
    Effect.gen(function* () {
      const { addresses, primaries } = yield* RedisCluster.RedisCluster
      const backend = yield* makeBackend({ cluster: addresses })
      const { keys, pattern } = yield* fill(backend)
      const clients: Array<Redis> = []
      for (const { port } of yield* primaries) clients.push(yield* makeClient(`redis://127.0.0.1:${port}`))
      const orphans = yield* Effect.promise(() =>
        Promise.all(
          clients.map(async (client) => {
            const own = (await client.keys(pattern.glob)).slice(0, 100)
            for (const key of own) {
              const dump = await client.dumpBuffer(key)
              await client.call("RESTORE", key, 0, dump, "REPLACE", "IDLETIME", 90_000)
            }
            return own.length
          })
        )
      )
      const count = orphans.reduce((sum, own) => sum + own, 0)
      const options = { prefix: pattern.glob.slice(0, -2), spared: [], maxAge: "1 day" } as const
      assert.strictEqual((yield* backend.sweep({ ...options, dryRun: true })).orphans, count)
      assert.deepStrictEqual(yield* backend.sweep(options), { trimmed: 0, orphans: count, deleted: count })
      assert.strictEqual(yield* backend.deletePattern(pattern), keys.length - count)
      yield* eventually(Effect.map(Stream.runCollect(backend.scan(pattern)), (left) => left.length === 0))
    })
  )
})
