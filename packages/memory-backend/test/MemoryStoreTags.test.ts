import { assert, describe, it } from "@effect/vitest"
import { Codec, Snapshot } from "@tiercache/core"
import { MemoryStore } from "@tiercache/memory-backend"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 5000 : 150
const KEYS = ["a", "b", "c", "d", "e"]
const TAGS = ["red", "blue", "green"]
const MAX_ENTRIES = 3
const MAX_BYTES = 2000

const key = fc.constantFrom(...KEYS)
const tags = fc.uniqueArray(fc.constantFrom(...TAGS))
const millis = fc.integer({ min: 1, max: 20 })

/** What changes a store; `size` is that of the value, which may be too large for it. */
const step = fc.oneof(
  fc.record({
    op: fc.constantFrom("set" as const, "amend" as const, "grant" as const),
    key,
    tags,
    millis,
    size: fc.constantFrom(1, 1, 1, 3000)
  }),
  fc.record({ op: fc.constantFrom("delete" as const, "hold" as const, "endLease" as const, "use" as const), key }),
  fc.record({ op: fc.constant("pass" as const), millis })
)

type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

const apply = (store: MemoryStore.MemoryStore, step: Exclude<Step, { readonly op: "pass" }>) => {
  switch (step.op) {
    case "set":
      return store.set(step.key, entryOf(store, step), step.tags)
    case "amend":
      return store.peek(step.key) === undefined ? undefined : store.amend(step.key, entryOf(store, step))
    case "grant": {
      const until = store.now() + step.millis
      return store.grant(step.key, { token: "t", until, isAwaited: false, replacesEntry: false, tags: step.tags })
    }
    case "hold":
      return store.hold(step.key, { type: "test", state: 1, goneAfter: Infinity })
    default:
      return store[step.op](step.key)
  }
}

const entryOf = (
  store: MemoryStore.MemoryStore,
  { millis, size }: { readonly millis: number; readonly size: number }
) => {
  const goneAfter = store.now() + millis
  const snapshot = Snapshot.make(Codec.msgpack, "x".repeat(size), "")
  return { snapshot, freshUntil: goneAfter, goneAfter, version: store.nextVersion() }
}

describe("the tags of a store", () => {
  it.effect("are those of what is there, whatever was written, evicted, deleted or has expired", () =>
    Effect.promise((signal) =>
      fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), (steps) =>
          Effect.runPromise(Effect.provide(live(steps), TestClock.layer()), { signal })
        ),
        { numRuns: RUNS }
      )
    )
  )
})

/** Lives through a history beside the tags that entries and leases were last given. */
const live = Effect.fnUntraced(function* (steps: ReadonlyArray<Step>) {
  const store = yield* MemoryStore.make({ maxEntries: MAX_ENTRIES, maxBytes: MAX_BYTES })
  const given = { entry: new Map<string, ReadonlyArray<string>>(), lease: new Map<string, ReadonlyArray<string>>() }
  for (const step of steps) {
    if (step.op === "pass") yield* TestClock.adjust(step.millis)
    else apply(store, step)
    if (step.op === "set") given.entry.set(step.key, step.tags)
    if (step.op === "grant") given.lease.set(step.key, step.tags)
    for (const tag of TAGS) {
      const entries = KEYS.filter((key) => store.peek(key) !== undefined && given.entry.get(key)?.includes(tag))
      assert.deepStrictEqual([...store.tagged(tag)].filter((key) => store.peek(key) !== undefined).toSorted(), entries)
      const leases = KEYS.filter((key) => store.lease(key) !== undefined && given.lease.get(key)?.includes(tag))
      assert.deepStrictEqual(
        [...store.leasedUnder(tag)].filter((key) => store.lease(key) !== undefined).toSorted(),
        leases
      )
    }
    // what was just looked at has left nothing dead behind
    for (const tag of TAGS) {
      for (const key of store.tagged(tag)) assert.isDefined(store.peek(key))
      for (const key of store.leasedUnder(tag)) assert.isDefined(store.lease(key))
    }
  }
  KEYS.forEach(store.delete)
  assert.deepStrictEqual(store.tagCounts(), { entries: 0, leases: 0 })
})
