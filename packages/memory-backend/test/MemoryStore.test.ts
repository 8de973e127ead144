import { assert, it } from "@effect/vitest"
import { Codec, Snapshot } from "@tiercache/core"
import { MemoryStore } from "@tiercache/memory-backend"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"

const put = (store: MemoryStore.MemoryStore, key: string, millis: number) =>
  store.set(key, {
    snapshot: Snapshot.make(Codec.msgpack, key, key),
    freshUntil: store.now() + millis,
    goneAfter: store.now() + millis,
    version: store.nextVersion()
  })

const hold = (store: MemoryStore.MemoryStore, key: string, millis: number) =>
  store.hold(key, { type: "test", state: 1, goneAfter: store.now() + millis })

const times = (count: number, f: (index: number) => void) => Array.from({ length: count }, (_, index) => f(index))

const BRIEF = 100
const LONG = 1e9

describe("MemoryStore", () => {
  it.effect(
    "removes what has expired when it is met",
    Effect.fnUntraced(function* () {
      const store = yield* MemoryStore.make()
      for (const look of [store.use, store.peek, store.goneAfter, store.delete]) {
        put(store, "a", BRIEF)
        yield* TestClock.adjust(BRIEF - 1)
        assert.isDefined(store.peek("a"))
        yield* TestClock.adjust(1)
        assert.isNotOk(look("a"))
        assert.strictEqual(store.stats().entries, 0)
      }
    })
  )

  it.effect(
    "sweeps away, with later writes, what has expired and nobody asks for",
    Effect.fnUntraced(function* () {
      const store = yield* MemoryStore.make()
      times(400, (index) => put(store, `brief:${index}`, BRIEF))
      times(400, (index) => hold(store, `brief-state:${index}`, BRIEF))
      yield* TestClock.adjust(BRIEF)
      times(200, (index) => put(store, `long:${index}`, LONG))
      times(200, (index) => hold(store, `long-state:${index}`, LONG))
      assert.strictEqual(store.stats().entries, 200)
      assert.strictEqual(store.stateCount(), 200)
      assert.strictEqual(store.keys().length, 400)
    })
  )

  it.effect(
    "keeps long-lived entries through waves of brief ones",
    Effect.fnUntraced(function* () {
      const store = yield* MemoryStore.make({ maxEntries: 1000 })
      times(500, (index) => put(store, `long:${index}`, LONG))
      for (let wave = 0; wave < 50; wave++) {
        times(200, (index) => put(store, `brief:${wave}:${index}`, BRIEF))
        // some of the long-lived ones are in use
        times(100, (index) => store.use(`long:${index}`))
        yield* TestClock.adjust(BRIEF)
      }
      times(500, (index) => assert.isDefined(store.peek(`long:${index}`)))
      assert.strictEqual(store.stats().evictions, 0)
    })
  )

  it.effect(
    "does not evict the states of scripts",
    Effect.fnUntraced(function* () {
      const store = yield* MemoryStore.make({ maxEntries: 10 })
      hold(store, "lock", LONG)
      times(100, (index) => put(store, `${index}`, LONG))
      assert.isDefined(store.held("lock"))
      assert.strictEqual(store.stats().entries, 10)
    })
  )

  it.effect(
    "has an entry or a state under a key, never both",
    Effect.fnUntraced(function* () {
      const store = yield* MemoryStore.make()
      put(store, "a", LONG)
      hold(store, "a", LONG)
      assert.isUndefined(store.peek("a"))
      assert.isDefined(store.held("a"))
      put(store, "a", LONG)
      assert.isDefined(store.peek("a"))
      assert.isUndefined(store.held("a"))
      assert.deepStrictEqual(store.keys(), ["a"])
      assert.isTrue(store.delete("a"))
      assert.isFalse(store.delete("a"))
    })
  )
})
