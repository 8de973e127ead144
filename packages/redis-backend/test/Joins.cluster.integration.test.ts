/**
 * What is begun in one turn of the event loop, over a cluster.
 */
import { assert, layer } from "@effect/vitest"
import { Codec } from "@tiercache/core"
import { RedisCluster } from "@tiercache/core/testing"
import { Effect } from "effect"
import { makeClusterBackend, placesOf } from "./clusterTags.ts"
import { keysOf, together } from "./joining.ts"
import { fill, shown, takeMany } from "./leasing.ts"
import { get, set, uniqueKey } from "./support.ts"

layer(RedisCluster.layer(), { excludeTestServices: true })("operations of one turn over a cluster", (it) => {
  it.effect("are joined by slot", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const keys = [...keysOf(20), ...keysOf(20, `{${uniqueKey("a")}}`), ...keysOf(20, `{${uniqueKey("b")}}`)]
      yield* together(keys.map((key, index) => set(backend, key, index)))
      const found = yield* together(keys.map((key) => get(backend, key)))
      assert.deepStrictEqual(
        found,
        keys.map((_, index) => index)
      )
      const deleted = yield* together(keys.map((key) => backend.delete(key)))
      assert.isTrue(deleted.every((wasThere) => wasThere))
    })
  )

  it.effect("go each to where its key is, while a slot moves and after it has moved", () =>
    Effect.gen(function* () {
      const { beginMove, moveSlots } = yield* RedisCluster.RedisCluster
      const tag = uniqueKey("moving")
      const keys = keysOf(6, `{${tag}}`)
      const places = yield* placesOf(tag)
      const writer = yield* makeClusterBackend()
      // who has not heard of the move joins what is not together any more
      const makeUnaware = makeClusterBackend()
      const all = [yield* makeUnaware, yield* makeUnaware, yield* makeUnaware, yield* makeUnaware]
      yield* together(keys.map((key) => set(writer, key, 0)))
      for (const backend of all) yield* together(keys.map((key) => get(backend, key)))
      yield* beginMove(places)
      for (const key of keys.slice(0, 3)) yield* places.from.ask("MIGRATE", "127.0.0.1", places.to.port, key, 0, 1000)

      const [reading, writing, loading, deleting] = all
      assert(reading !== undefined && writing !== undefined && loading !== undefined && deleting !== undefined)
      assert.deepStrictEqual(yield* together(keys.map((key) => get(reading, key))), [0, 0, 0, 0, 0, 0])
      assert.isUndefined(yield* get(reading, `{${tag}}:missing`))
      yield* together(keys.map((key, index) => set(writing, key, index)))
      assert.deepStrictEqual(yield* together(keys.map((key) => get(reading, key))), [0, 1, 2, 3, 4, 5])
      const fresh = [...keys, ...keysOf(3, `{${tag}}:new`)]
      const taken = yield* together(
        fresh.map((key) =>
          Effect.map(takeMany(loading, [key], { when: "always" }), ({ leases, token }) => {
            assert.strictEqual(leases[0]?._tag, "Granted")
            return { key, token, lease: shown(leases[0]) }
          })
        )
      )
      const filled = yield* together(taken.map(({ key, token }) => fill(loading, key, token, "loaded")))
      assert.isTrue(filled.every((isFilled) => isFilled))
      yield* moveSlots(places)
      const found = yield* reading.getMany(fresh, Codec.msgpack)
      assert.isTrue(found.every((entry) => entry?.value === "loaded"))
      yield* together(fresh.map((key) => set(writing, key, "moved")))
      const again = yield* together(fresh.map((key) => get(loading, key)))
      assert.isTrue(again.every((value) => value === "moved"))
      assert.isTrue((yield* together(fresh.map((key) => deleting.delete(key)))).every((wasThere) => wasThere))
    })
  )
})
