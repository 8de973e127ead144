import { assert, it } from "@effect/vitest"
import { Codec, Snapshot } from "@tiercache/core"
import { MemoryStore } from "@tiercache/memory-backend"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"

const put = (store: MemoryStore.MemoryStore, key: string, millis: number, tags: ReadonlyArray<string> = []) => {
  const goneAfter = store.now() + millis
  const snapshot = Snapshot.make(Codec.msgpack, key, key)
  store.set(key, { snapshot, freshUntil: goneAfter, goneAfter, version: store.nextVersion() }, tags)
}

const hold = (store: MemoryStore.MemoryStore, key: string, millis: number) =>
  store.hold(key, { type: "test", state: 1, goneAfter: store.now() + millis })

const grant = (store: MemoryStore.MemoryStore, key: string, millis: number, tags: ReadonlyArray<string> = []) =>
  store.grant(key, { token: "t", until: store.now() + millis, isAwaited: false, replacesEntry: false, tags })

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

describe("a lease in a MemoryStore", () => {
  for (const [name, write] of Object.entries({
    "an entry": (store) => put(store, "a", LONG),
    "a state": (store) => hold(store, "a", LONG),
    "a delete": (store) => store.delete("a"),
    "its end": (store) => store.endLease("a")
  } satisfies Record<string, (store: MemoryStore.MemoryStore) => unknown>)) {
    it.effect(
      `is voided by ${name}`,
      Effect.fnUntraced(function* () {
        const store = yield* MemoryStore.make()
        put(store, "a", LONG)
        grant(store, "a", LONG)
        assert.isDefined(store.lease("a"))
        write(store)
        assert.isUndefined(store.lease("a"))
      })
    )
  }

  it.effect(
    "lies beside an entry, and under the same key",
    Effect.fnUntraced(function* () {
      const store = yield* MemoryStore.make()
      put(store, "a", LONG)
      grant(store, "a", LONG)
      grant(store, "b", LONG)
      assert.deepStrictEqual([...store.keys()].toSorted(), ["a", "b"])
      assert.isUndefined(store.goneAfter("b"))
      assert.isFalse(store.delete("b"), "a lease is nothing to delete")
    })
  )

  it.effect(
    "is there until its end, and after it as long as the entry is that it is to replace",
    Effect.fnUntraced(function* () {
      const store = yield* MemoryStore.make()
      put(store, "entry", 2 * BRIEF)
      for (const key of ["entry", "nothing"]) grant(store, key, BRIEF)
      yield* TestClock.adjust(BRIEF - 1)
      for (const key of ["entry", "nothing"]) assert.isDefined(store.lease(key))
      yield* TestClock.adjust(1)
      assert.isDefined(store.lease("entry"))
      assert.isUndefined(store.lease("nothing"))
      yield* TestClock.adjust(BRIEF)
      assert.isUndefined(store.lease("entry"))
    })
  )

  it.effect(
    "is not evicted, and outlives the eviction of the entry that it is to replace",
    Effect.fnUntraced(function* () {
      const store = yield* MemoryStore.make({ maxEntries: 10 })
      put(store, "a", LONG)
      grant(store, "a", LONG)
      times(100, (index) => put(store, `${index}`, LONG))
      assert.isUndefined(store.peek("a"))
      assert.isDefined(store.lease("a"))
    })
  )

  it.effect(
    "is swept away by later ones if nobody asks for it any more",
    Effect.fnUntraced(function* () {
      const store = yield* MemoryStore.make()
      times(400, (index) => grant(store, `brief:${index}`, BRIEF))
      yield* TestClock.adjust(BRIEF)
      times(200, (index) => grant(store, `long:${index}`, LONG))
      assert.strictEqual(store.keys().length, 200)
    })
  )
})
