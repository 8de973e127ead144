/**
 * Loaders that are told what there is, and may answer that it is still right.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as Loader from "../../Loader.ts"
import * as Source from "./Source.ts"
import { LONG, reasonOf, storeStale, type Test } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "a loader that finds its value unmodified keeps it, for a new TTL",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], { big: [1, 2] })
      const [a, b] = subject.processes
      const source = Source.ready(() => Effect.succeed(Loader.notModified))
      const found = yield* a.cache.lookup("a", source.load, { ttl: LONG, grace: LONG })
      assert.deepStrictEqual([found.value, found.tier, found.stale], [{ big: [1, 2] }, "loader", false])
      assert.deepStrictEqual(source.told(), { previous: { big: [1, 2] } })
      assert.deepStrictEqual(yield* b.cache.get("a"), { big: [1, 2] })
      assert.isAbove(Duration.toMinutes((yield* b.cache.ttl("a")) ?? Duration.zero), 50)
      assert.strictEqual(source.calls(), 1)
    })
  )

  test(
    "a loader is told of a value only if there is one",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      const source = Source.ready(() => Effect.succeed(Loader.notModified))
      assert.strictEqual(yield* reasonOf(cache.getOrLoad("a", source.load)), "LoadFailed")
      assert.deepStrictEqual(source.told(), { previous: undefined })
      yield* cache.getOrLoad("b", Effect.undefined, { negativeTtl: LONG })
      assert.strictEqual(yield* reasonOf(cache.refresh("b", source.load)), "LoadFailed")
      assert.deepStrictEqual(source.told(), { previous: undefined })
      for (const [index, previous] of [0, false, "", null].entries()) {
        const id = `falsy:${index}`
        yield* cache.getOrLoad(id, Effect.succeed(previous))
        assert.strictEqual(yield* cache.refresh(id, source.load), previous)
        assert.deepStrictEqual(source.told(), { previous })
      }
    })
  )
}
