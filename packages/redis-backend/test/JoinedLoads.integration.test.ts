/**
 * Loads that are begun in one turn of the event loop, and sent together.
 */
import { assert, layer } from "@effect/vitest"
import { Lease } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import { callsOf, keysOf, setup, together } from "./joining.ts"
import { fill, HOUR, take, takeMany } from "./leasing.ts"
import { isConnected, makeListening, mentions } from "./listening.ts"
import { reasonOf, set, uniqueKey } from "./support.ts"

layer(RedisServer.layer(), { excludeTestServices: true })("loads of one turn", (it) => {
  it.effect("take their leases in one script, and are stored by one", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const load = (key: string) =>
        Effect.flatMap(take(backend, key), ({ lease, token }) =>
          Effect.map(fill(backend, key, token, "loaded"), (isFilled) => ({ lease, isFilled }))
        )
      yield* together(keysOf(2).map(load))
      const calls = yield* callsOf(client)
      const keys = keysOf(100)
      for (const loaded of yield* together(keys.map(load))) {
        assert.deepStrictEqual(loaded, { lease: "Granted", isFilled: true })
      }
      assert.deepStrictEqual(yield* calls, { evalsha: 2, get: 100, getrange: 100, set: 200 })
      const hits = yield* together(keys.map((key) => take(backend, key)))
      assert.deepStrictEqual(new Set(hits.map(({ lease }) => String(lease))), new Set(["Hit,loaded"]))
    })
  )

  it.effect("part when the values that are there are large", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [keys, value] = [keysOf(20), "v".repeat(100_000)]
      for (const key of keys) yield* set(backend, key, value)
      yield* together(keysOf(2).map((key) => take(backend, key)))
      const calls = yield* callsOf(client)
      const hits = yield* together(keys.map((key) => take(backend, key)))
      assert.isTrue(hits.every(({ lease }) => Array.isArray(lease) && lease[0] === "Hit" && lease[1] === value))
      // six of them are more than half a megabyte, and the others are asked for one by one
      assert.deepStrictEqual(yield* calls, { evalsha: 15, get: 20 })
    })
  )

  it.effect("have each its own answer", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [held, hash, free, fresh] = ["held", "hash", "free", "fresh"].map(uniqueKey)
      assert(held !== undefined && hash !== undefined && free !== undefined && fresh !== undefined)
      const { token } = yield* takeMany(backend, [held])
      yield* Effect.promise(() => client.hset(hash, "field", "value"))
      yield* set(backend, fresh, 1)
      const [one, two, three, four] = yield* Effect.all(
        [
          take(backend, held),
          reasonOf(take(backend, hash)),
          take(backend, free),
          take(backend, fresh),
          take(backend, free)
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([one.lease, two, three.lease, four.lease], ["Held", "WrongType", "Granted", ["Hit", 1]])
      const filled = yield* together([fill(backend, held, token, 1), fill(backend, free, token, 1)])
      assert.deepStrictEqual(filled, [true, false])
    })
  )

  it.effect("tell those who wait, each under the token of its lease", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* setup
      const listening = yield* makeListening({ url })
      yield* listening.hears(isConnected)
      const [a, b] = [uniqueKey("a"), uniqueKey("b")]
      const tokens = yield* together([a, b].map((key) => Effect.map(take(backend, key), ({ token }) => token)))
      yield* together([a, b].map((key) => take(listening.backend, key)))
      yield* together([a, b].map((key, index) => fill(backend, key, tokens[index] ?? "", index)))
      yield* listening.hears((events) => mentions(a)(events) && mentions(b)(events))
      for (const [index, key] of [a, b].entries()) {
        const message = listening.events.find((event) => typeof event === "object" && event.keys.includes(key))
        assert(typeof message === "object")
        assert.strictEqual(message.kind, "released")
        assert.strictEqual(Lease.tokenOfMessage(message), tokens[index])
      }
      // over what was there before they are announced as writes
      const more = yield* together(
        [a, b].map((key) => Effect.map(take(backend, key, { when: "always", millis: HOUR }), ({ token }) => token))
      )
      yield* together([a, b].map((key, index) => fill(backend, key, more[index] ?? "", "new", { writeId: 7 + index })))
      const isSet = (key: string, writeId: number) =>
        listening.events.some(
          (event) =>
            typeof event === "object" && event.kind === "set" && event.keys[0] === key && event.writeId === writeId
        )
      yield* listening.hears(() => isSet(a, 7) && isSet(b, 8))
    })
  )
})
