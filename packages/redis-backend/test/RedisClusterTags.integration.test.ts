import { assert } from "@effect/vitest"
import { Codec } from "@tiercache/core"
import { RedisCluster } from "@tiercache/core/testing"
import { Effect, Fiber } from "effect"
import * as luaTags from "../src/internal/luaTags.ts"
import { slotOf } from "../src/internal/slots.ts"
import { fill, takeMany } from "./leasing.ts"
import { keysByTag, keysOf, makeClusterBackend, onCluster, placesOf, put, putAll } from "./clusterTags.ts"
import { eventually, reasonOf, set, uniqueKey } from "./support.ts"

const indexFor = (key: string, tag: string) => luaTags.slotIndexKey(slotOf(key), tag)

/** Asks the primary that has the key. */
const askFor = (key: string, command: string, ...args: ReadonlyArray<string | number>) =>
  RedisCluster.RedisCluster.use(({ primaryOf }) =>
    Effect.flatMap(primaryOf(key), (node) => node.ask(command, key, ...args))
  )

const slotsOf = (tag: string) =>
  Effect.map(askFor(luaTags.registryKey(tag), "SMEMBERS"), (slots) =>
    String(slots)
      .split(",")
      .filter((slot) => slot !== "")
      .map(Number)
  )

type Places = Effect.Success<ReturnType<typeof placesOf>>

const moveKey = ({ from, to }: Places, key: string) => from.ask("MIGRATE", "127.0.0.1", to.port, key, 0, 1000)

/** How often all primaries together have executed a command. */
const callsOf = (command: string) =>
  RedisCluster.RedisCluster.use(({ primaries }) =>
    Effect.map(
      Effect.flatMap(primaries, (nodes) => Effect.forEach(nodes, (node) => node.ask("INFO", "commandstats"))),
      (infos) =>
        infos.reduce<number>(
          (sum, info) => sum + Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(String(info))?.[1] ?? 0),
          0
        )
    )
  )

onCluster("the tags of a cluster", (it) => {
  it.effect("are found in any slot by any process, and each index lies with its entries", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* makeClusterBackend(), yield* makeClusterBackend()]
      const [keys, tag] = [keysOf(300), uniqueKey("tag")]
      assert.strictEqual(yield* putAll(one, keys.slice(0, 200), [tag]), 200)
      for (const key of keys.slice(200, 220)) yield* put(other, key, [tag])
      yield* putAll(other, keys.slice(220), [])
      assert.deepStrictEqual(yield* keysByTag(one, tag), keys.slice(0, 220).toSorted())
      assert.deepStrictEqual(new Set(yield* slotsOf(tag)), new Set(keys.slice(0, 220).map(slotOf)))
      for (const key of keys.slice(0, 20)) assert.strictEqual(slotOf(indexFor(key, tag)), slotOf(key))
      const deleted: Array<string> = []
      assert.strictEqual(yield* other.deleteTags([tag], (keys) => deleted.push(...keys)), 220)
      assert.deepStrictEqual(deleted.toSorted(), keys.slice(0, 220).toSorted())
      assert.deepStrictEqual(yield* keysByTag(one, tag), [])
      assert.strictEqual(yield* askFor(indexFor(keys[0] ?? "", tag), "EXISTS"), 0)
      const found = yield* one.getMany(keys, Codec.msgpack)
      assert.strictEqual(found.filter((entry) => entry !== undefined).length, 80)
    })
  )

  it.effect("cost a command more for the first write to a slot, and no other", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const [key, tag] = [uniqueKey("a"), uniqueKey("tag")]
      const before = yield* callsOf("sadd")
      yield* put(backend, key, [tag])
      const { token } = yield* takeMany(backend, [key], { when: "always", tags: new Map([[key, [tag]]]) })
      yield* fill(backend, key, token, 1)
      for (let index = 0; index < 5; index++) yield* put(backend, key, [tag])
      assert.strictEqual((yield* callsOf("sadd")) - before, 1)
    })
  )

  it.effect("are not written to an entry if their slot cannot be added", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const [key, tag] = [uniqueKey("a"), uniqueKey("tag")]
      yield* askFor(luaTags.registryKey(tag), "SET", "somebody else's")
      assert.strictEqual(yield* reasonOf(put(backend, key, [tag])), "WrongType")
      assert.strictEqual(yield* reasonOf(takeMany(backend, [key], { tags: new Map([[key, [tag]]]) })), "WrongType")
      assert.strictEqual(yield* askFor(key, "EXISTS"), 0)
    })
  )

  it.effect("are found again after their registry was lost with a connection", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const { primaries } = yield* RedisCluster.RedisCluster
      const [key, tag] = [uniqueKey("a"), uniqueKey("tag")]
      yield* put(backend, key, [tag])
      yield* askFor(luaTags.registryKey(tag), "DEL")
      // nobody has told it
      yield* put(backend, key, [tag])
      assert.deepStrictEqual(yield* keysByTag(backend, tag), [])
      const [node] = yield* primaries
      assert(node !== undefined)
      yield* node.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
      yield* eventually(
        Effect.gen(function* () {
          yield* Effect.exit(put(backend, key, [tag]))
          return (yield* keysByTag(backend, tag)).length === 1
        }).pipe(Effect.orElseSucceed(() => false))
      )
      assert.strictEqual(yield* backend.deleteTags([tag]), 1)
    })
  )

  it.effect("lose dead members of all slots to a sweep, and to none of another prefix", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const prefix = `swept-${crypto.randomUUID()}`
      const keys = keysOf(40, prefix)
      const options = { ttl: "20 millis", tags: [`${prefix}:red`, `not-${prefix}:red`] } as const
      yield* backend.setMany(
        keys.map((key) => [key, 1] as const),
        Codec.msgpack,
        options
      )
      yield* eventually(
        Effect.map(backend.getMany(keys, Codec.msgpack), (found) => found.every((entry) => entry === undefined))
      )
      const sweep = backend.sweep({ prefix, spared: [], maxAge: "1 hour" })
      assert.deepStrictEqual(yield* sweep, { trimmed: 40, orphans: 0, deleted: 0 })
      assert.deepStrictEqual(yield* sweep, { trimmed: 0, orphans: 0, deleted: 0 })
    })
  )

  it.effect("are found and deleted while a slot moves, wherever the index and each entry are", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend({ commandTimeout: "300 millis" })
      const { beginMove, moveSlots } = yield* RedisCluster.RedisCluster
      for (const isIndexFirst of [true, false]) {
        const [name, tag] = [uniqueKey("moving"), uniqueKey("tag")]
        const keys = keysOf(6, `{${name}}`)
        const [first = "", , , , , last = ""] = keys
        yield* putAll(backend, keys, [tag])
        const places = yield* placesOf(name)
        yield* beginMove(places)
        if (isIndexFirst) yield* moveKey(places, indexFor(name, tag))
        for (const key of keys.slice(0, 3)) yield* moveKey(places, key)

        // what is with the index can be written, the rest cannot, and no second index is begun
        const [together, apart] = isIndexFirst ? [first, last] : [last, first]
        assert.isTrue(yield* put(backend, together, [tag]))
        assert.strictEqual(yield* reasonOf(put(backend, apart, [tag])), "Timeout")
        assert.strictEqual(yield* reasonOf(put(backend, apart, [uniqueKey("unheard of")])), "Timeout")
        assert.deepStrictEqual(yield* keysByTag(backend, tag), keys)
        assert.strictEqual(yield* backend.deleteTags([tag]), keys.length)
        assert.deepStrictEqual(yield* keysByTag(backend, tag), [])

        // without tags there is nothing to wait for
        assert.isTrue(yield* set(backend, first, "untagged"))
        yield* moveSlots(places)
        assert.isTrue(yield* put(backend, apart, [tag]))
        assert.deepStrictEqual(yield* keysByTag(backend, tag), [apart])
        assert.strictEqual(yield* backend.deleteTags([tag]), 1)
      }
    })
  )

  it.effect("are waited for by a write, until their slot has moved", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const { beginMove, moveSlots } = yield* RedisCluster.RedisCluster
      const [name, tag] = [uniqueKey("moving"), uniqueKey("tag")]
      const [first = "", ...others] = keysOf(3, `{${name}}`)
      yield* put(backend, first, [tag])
      const places = yield* placesOf(name)
      yield* beginMove(places)
      const before = yield* callsOf("asking")
      const writing = yield* Effect.forkChild(putAll(backend, others, [tag]))
      // more redirections than are followed at a time
      yield* eventually(Effect.map(callsOf("asking"), (calls) => calls > before + 20))
      yield* moveSlots(places)
      assert.strictEqual(yield* Fiber.join(writing), 2)
      assert.deepStrictEqual(yield* keysByTag(backend, tag), [first, ...others])
      assert.strictEqual(yield* backend.deleteTags([tag]), 3)
    })
  )

  it.effect("are all there before the first of several leases is taken, so that none is in the way of itself", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const { beginMove, moveSlots } = yield* RedisCluster.RedisCluster
      const [name, here, there] = [uniqueKey("moving"), uniqueKey("here"), uniqueKey("there")]
      const [first = "", second = ""] = keysOf(2, `{${name}}`)
      yield* put(backend, first, [here])
      yield* put(backend, second, [there])
      const places = yield* placesOf(name)
      yield* beginMove(places)
      yield* moveKey(places, indexFor(name, there))
      const tags = new Map([
        [first, [here]],
        [second, [there]]
      ])
      const before = yield* callsOf("evalsha")
      const taking = yield* Effect.forkChild(takeMany(backend, [first, second], { when: "always", tags }))
      yield* eventually(Effect.map(callsOf("evalsha"), (calls) => calls > before + 5))
      yield* moveSlots(places)
      const { leases } = yield* Fiber.join(taking)
      assert.deepStrictEqual(
        leases.map(({ _tag }) => _tag),
        ["Granted", "Granted"]
      )
      assert.strictEqual(yield* backend.deleteTags([here, there]), 2)
    })
  )
})
