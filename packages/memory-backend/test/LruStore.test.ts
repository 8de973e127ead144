import { assert, it } from "@effect/vitest"
import { Codec, LocalStore, Snapshot } from "@tiercache/core"
import { LruStore } from "@tiercache/memory-backend"
import { Effect } from "effect"
import * as fc from "fast-check"
import { describe } from "vitest"

const entryOf = (key: string, value: unknown) => ({
  snapshot: Snapshot.make(Codec.msgpack, value, key),
  freshUntil: Infinity,
  goneAfter: Infinity,
  version: 1
})

const sizeOf = (key: string, value: unknown) =>
  entryOf(key, value).snapshot.size + 2 * key.length + LruStore.ENTRY_OVERHEAD_BYTES

describe("LruStore", () => {
  it.effect(
    "returns what was set, until it is deleted",
    Effect.fnUntraced(function* () {
      const store = yield* LruStore.make()
      const entry = entryOf("a", { quote: 1 })
      assert.isTrue(store.set("a", entry))
      assert.strictEqual(store.get("a"), entry)
      assert.strictEqual(store.peek("a"), entry)
      assert.deepStrictEqual([...store.keys()], ["a"])
      assert.isTrue(store.delete("a"))
      assert.isFalse(store.delete("a"))
      assert.isUndefined(store.get("a"))
      assert.deepStrictEqual(store.stats(), { entries: 0, bytes: 0, evictions: 0 })
    })
  )

  it.effect(
    "evicts what was not used for the longest time",
    Effect.fnUntraced(function* () {
      const store = yield* LruStore.make({ maxEntries: 3 })
      for (const key of ["a", "b", "c"]) store.set(key, entryOf(key, 1))
      store.get("a")
      store.peek("b")
      store.set("d", entryOf("d", 1))
      assert.deepStrictEqual([...store.keys()].toSorted(), ["a", "c", "d"])
      assert.strictEqual(store.stats().evictions, 1)
    })
  )

  it.effect(
    "keeps no entry above the limit in bytes, nor what was there before",
    Effect.fnUntraced(function* () {
      const store = yield* LruStore.make({ maxBytes: 1000 })
      assert.isTrue(store.set("a", entryOf("a", "small")))
      assert.isFalse(store.set("a", entryOf("a", "x".repeat(1000))))
      assert.isUndefined(store.get("a"))
      assert.deepStrictEqual(store.stats(), { entries: 0, bytes: 0, evictions: 1 })
    })
  )

  it.effect(
    "counts bytes without a limit, too",
    Effect.fnUntraced(function* () {
      const store = yield* LruStore.make()
      store.set("a", entryOf("a", [1, 2, 3]))
      store.set("b", entryOf("b", "text"))
      store.set("b", entryOf("b", "longer text"))
      assert.strictEqual(store.stats().bytes, sizeOf("a", [1, 2, 3]) + sizeOf("b", "longer text"))
      store.clear()
      assert.deepStrictEqual(store.stats(), { entries: 0, bytes: 0, evictions: 0 })
    })
  )

  it.effect(
    "refuses limits that are none",
    Effect.fnUntraced(function* () {
      for (const bad of [0, -1, 1.5, NaN, Infinity]) {
        for (const options of [{ maxEntries: bad }, { maxBytes: bad }]) {
          const error = yield* Effect.flip(LruStore.make(options))
          assert.strictEqual(error.reason, "InvalidOption")
        }
      }
      assert.strictEqual((yield* Effect.flip(LruStore.make({ maxEntries: 2 ** 24 + 1 }))).reason, "InvalidOption")
    })
  )

  it.effect(
    "is a LocalStore",
    Effect.fnUntraced(
      function* () {
        const store = yield* LocalStore.LocalStore
        assert.isTrue(store.set("a", entryOf("a", 1)))
      },
      Effect.provide(LruStore.layer({ maxEntries: 10 }))
    )
  )

  it("never exceeds its limits, and its sums are right after every step", () => {
    const key = fc.integer({ min: 0, max: 30 }).map((n) => `key:${"k".repeat(n)}`)
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ op: fc.constant("set" as const), key, length: fc.nat({ max: 600 }) }) },
      fc.record({ op: fc.constantFrom("get" as const, "delete" as const), key })
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.array(step),
        (maxEntries, maxBytes, steps) => {
          const store = Effect.runSync(LruStore.make({ maxEntries, maxBytes }))
          const held = new Map<string, number>()
          for (const step of steps) {
            if (step.op === "set") {
              const value = "x".repeat(step.length)
              const isHeld = store.set(step.key, entryOf(step.key, value))
              assert.strictEqual(isHeld, sizeOf(step.key, value) <= maxBytes)
              assert.strictEqual(store.peek(step.key) !== undefined, isHeld)
              held.set(step.key, sizeOf(step.key, value))
            } else store[step.op](step.key)
            const { bytes, entries } = store.stats()
            const keys = [...store.keys()]
            assert.isAtMost(entries, maxEntries)
            assert.isAtMost(bytes, maxBytes)
            assert.strictEqual(entries, keys.length)
            assert.strictEqual(
              bytes,
              keys.reduce((sum, key) => sum + (held.get(key) ?? NaN), 0)
            )
          }
        }
      ),
      { numRuns: 300 }
    )
  })
})

describe("a bookmark", () => {
  const KEY = fc.integer({ min: 0, max: 30 }).map((n) => `k${n}`)

  it("never shows what the store does not hold, and keeps no value alive that it has let go", () => {
    const step = fc.record({
      op: fc.constantFrom("set", "get", "delete", "clear", "read"),
      key: KEY,
      length: fc.nat({ max: 600 })
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 300, max: 5000 }),
        fc.array(step, { maxLength: 200 }),
        (maxEntries, maxBytes, steps) => {
          const store = Effect.runSync(LruStore.make({ maxEntries, maxBytes }))
          const bookmarks = new Map<string, LocalStore.Bookmark>()
          for (const { key, length, op } of steps) {
            if (op === "set") store.set(key, entryOf(key, "x".repeat(length)))
            else if (op === "get") store.get(key)
            else if (op === "delete") store.delete(key)
            else if (op === "clear" && length === 0) store.clear()
            const bookmark = bookmarks.get(key) ?? new LocalStore.Bookmark(key)
            bookmarks.set(key, bookmark)
            const held = store.peek(key)
            assert.strictEqual(store.get(key, bookmark), held)
            assert.strictEqual(bookmark.entry, held)
            for (const { entry, key } of bookmarks.values()) {
              if (entry !== store.peek(key)) assert.strictEqual(entry?.snapshot, Snapshot.gone)
            }
          }
        }
      ),
      { numRuns: 300 }
    )
  })

  /** Reads and writes keys, by bookmarks; returns what was evicted at which step, with the steps of the last uses. */
  const evictions = (maxEntries: number, steps: ReadonlyArray<{ readonly isWrite: boolean; readonly key: string }>) => {
    const store = Effect.runSync(LruStore.make({ maxEntries }))
    const bookmarks = new Map<string, LocalStore.Bookmark>()
    const usedAt = new Map<string, number>()
    const evicted: Array<{ readonly key: string; readonly usedAt: number; readonly others: ReadonlyArray<number> }> = []
    steps.forEach(({ isWrite, key }, step) => {
      const before = [...usedAt]
      if (isWrite) store.set(key, entryOf(key, step))
      const bookmark = bookmarks.get(key) ?? new LocalStore.Bookmark(key)
      bookmarks.set(key, bookmark)
      const isHeld = store.get(key, bookmark) !== undefined
      if (isHeld) usedAt.set(key, step)
      for (const [key, at] of before) {
        if (store.peek(key) !== undefined) continue
        usedAt.delete(key)
        evicted.push({ key, usedAt: at, others: before.filter(([other]) => other !== key).map(([, at]) => at) })
      }
    })
    return evicted
  }

  const steps = fc.array(fc.record({ isWrite: fc.boolean(), key: KEY }), { maxLength: 300 })

  it("leaves the order of eviction exact in a store of less than eight entries", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), steps, (maxEntries, steps) => {
        for (const { others, usedAt } of evictions(maxEntries, steps)) {
          assert.isTrue(others.every((other) => other > usedAt))
        }
      }),
      { numRuns: 300 }
    )
  })

  it("lets nothing be evicted before seven eighths of the others were used since", () => {
    const ENTRIES = 80
    for (let writesBeforeUse = 0; writesBeforeUse < ENTRIES; writesBeforeUse++) {
      const store = Effect.runSync(LruStore.make({ maxEntries: ENTRIES }))
      const bookmark = new LocalStore.Bookmark("used")
      let written = 0
      const write = () => store.set(`other ${++written}`, entryOf("other", written))
      for (let n = 1; n < ENTRIES; n++) write()
      store.set("used", entryOf("used", 1))
      store.get("used", bookmark)
      for (let n = 0; n < writesBeforeUse; n++) write()
      store.get("used", bookmark)
      const before = written
      while (store.peek("used") !== undefined) write()
      assert.isAtLeast(written - before, (ENTRIES * 7) / 8)
    }
  })

  it("spares a hot key the look-up, and still marks the use of one that has cooled down", () => {
    const store = Effect.runSync(LruStore.make({ maxEntries: 100 }))
    const bookmark = new LocalStore.Bookmark("hot")
    store.set("hot", entryOf("hot", 1))
    for (let n = 0; n < 1000; n++) {
      store.set(`cold ${n}`, entryOf("cold", n))
      assert.isDefined(store.get("hot", bookmark))
    }
    assert.isBelow(bookmark.usedAt, 2000)
    assert.isDefined(store.peek("hot"))
  })
})
