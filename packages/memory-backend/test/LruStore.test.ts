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
