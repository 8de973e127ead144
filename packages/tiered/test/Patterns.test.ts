import { assert, describe, it } from "@effect/vitest"
import { KeyPattern } from "@tiercache/core"
import { Deferred, Effect } from "effect"
import { get, makeFleet, peek, set } from "./support.ts"

const KEYS = ["k:1", "k:2", "l:1", "l:2", "other"]

describe("what was deleted by several patterns", () => {
  it.effect("is in no L1, what the store itself has evicted included", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const [a, b] = [yield* fleet.join("a"), yield* fleet.join("b")]
      for (const key of KEYS) {
        yield* set(a.backend, key, "old")
        yield* get(b.backend, key)
      }
      yield* fleet.evict(["l:1"])
      const pattern = KeyPattern.anyOf(["k:*", "l:1"].map(KeyPattern.ofGlob))
      assert.strictEqual(yield* a.backend.deletePattern(pattern), 2)
      for (const { backend } of [a, b]) {
        assert.deepStrictEqual(
          KEYS.map((key) => peek(backend, key)),
          [undefined, undefined, undefined, "old", "old"]
        )
      }
    })
  )
})

describe("what a sweep deletes", () => {
  it.effect("is not in the own L1 any more when it is told, whenever the announcement comes", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const goesOn = Deferred.makeUnsafe<void>()
      const a = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        sweep: ({ onDeleted }) =>
          Effect.gen(function* () {
            onDeleted?.(["k:1"])
            yield* Deferred.await(goesOn)
            return { trimmed: 0, orphans: 1, deleted: 1 }
          })
      }))
      for (const key of KEYS) yield* set(a.backend, key, "old")
      let seen: unknown = "not told"
      const onDeleted = ([key = ""]: ReadonlyArray<string>) => {
        seen = peek(a.backend, key)
        Deferred.doneUnsafe(goesOn, Effect.void)
      }
      yield* a.backend.sweep({ prefix: "k", spared: [], maxAge: "1 day", onDeleted })
      assert.strictEqual(seen, undefined)
      assert.strictEqual(peek(a.backend, "k:2"), "old")
    })
  )
})
