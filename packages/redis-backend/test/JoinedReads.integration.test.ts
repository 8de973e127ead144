/**
 * Reads that are begun in one turn of the event loop, and sent together.
 */
import { assert, layer } from "@effect/vitest"
import { Codec } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import { callsOf, keysOf, setup, together } from "./joining.ts"
import { get, LONG, makeBackend, makeClient, reasonOf, set, uniqueKey } from "./support.ts"

layer(RedisServer.layer(), { excludeTestServices: true })("reads of one turn", (it) => {
  it.effect("are one command, and one alone is none more", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const keys = keysOf(100)
      yield* backend.setMany(
        keys.map((key, index) => [key, index] as const),
        Codec.msgpack,
        LONG
      )
      const calls = yield* callsOf(client)
      assert.deepStrictEqual(
        yield* together(keys.map((key) => get(backend, key))),
        keys.map((_, index) => index)
      )
      assert.deepStrictEqual(yield* calls, { mget: 1, exists: 1 })
      assert.strictEqual(yield* get(backend, keys[7] ?? ""), 7)
      assert.isUndefined(yield* get(backend, uniqueKey("missing")))
      assert.deepStrictEqual(yield* calls, { get: 2 })
    })
  )

  it.effect("take no further command for what is missing, and refuse only what is no text", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [there, missing, hash] = [uniqueKey("there"), uniqueKey("missing"), uniqueKey("hash")]
      yield* set(backend, there, "there")
      yield* Effect.promise(() => client.hset(hash, "field", "value"))
      const calls = yield* callsOf(client)
      const fine = [get(backend, there), get(backend, missing), get(backend, there)]
      assert.deepStrictEqual(yield* together(fine), ["there", undefined, "there"])
      assert.deepStrictEqual(yield* calls, { mget: 1, exists: 1 })
      assert.deepStrictEqual(yield* together([...fine, get(backend, hash)].map((read) => reasonOf(read))), [
        undefined,
        undefined,
        undefined,
        "WrongType"
      ])
    })
  )

  it.effect("are several commands if they are many, or large", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const [backend, client] = [yield* makeBackend({ url, maxKeysPerCommand: 10 }), yield* makeClient(url)]
      const keys = keysOf(95)
      const calls = yield* callsOf(client)
      yield* together(keys.map((key) => get(backend, key)))
      assert.deepStrictEqual(yield* calls, { mget: 10, exists: 10 })
      const large = keysOf(8)
      for (const key of large) yield* set(backend, key, "x".repeat(500_000))
      const read = together(large.map((key) => get(backend, key)))
      // the first answer tells how large they are
      yield* Effect.repeat(read, { times: 10 })
      yield* calls
      assert.isTrue((yield* read).every((value) => String(value).length === 500_000))
      assert.deepStrictEqual(yield* calls, { get: 8 })
    })
  )

  it.effect("and what is written in it are executed in the order in which they were begun", () =>
    Effect.gen(function* () {
      const { backend } = yield* setup
      const [a, b] = [uniqueKey("a"), uniqueKey("b")]
      yield* set(backend, a, 0)
      const steps: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        get(backend, a),
        get(backend, b),
        set(backend, a, 1),
        set(backend, b, 1),
        get(backend, a),
        set(backend, a, 2),
        backend.setMany([[b, 2] as const], Codec.msgpack, LONG),
        get(backend, b),
        get(backend, a),
        backend.delete(a),
        get(backend, a),
        set(backend, a, 3),
        backend.deleteMany([a]),
        get(backend, a)
      ]
      const found = yield* together(steps)
      assert.deepStrictEqual(
        [0, 1, 4, 7, 8, 10, 13].map((index) => found[index]),
        [0, undefined, 1, 2, 2, undefined, undefined]
      )
    })
  )

  it.effect("are sent one by one for a user who may not ask for many", () =>
    Effect.gen(function* () {
      const { backend, client, url } = yield* setup
      const [mine, other] = [uniqueKey("mine"), uniqueKey("other")]
      yield* set(backend, mine, "mine")
      yield* Effect.promise(() =>
        client.call("ACL", ["SETUSER", "reader", "on", ">pw", `~${mine}`, "&*", "+@all", "-exists"])
      )
      const reader = yield* makeBackend({ url: url.replace("//", "//reader:pw@") })
      assert.deepStrictEqual(yield* together([mine, other].map((key) => reasonOf(get(reader, key)))), [
        undefined,
        "Refused"
      ])
    })
  )
})
