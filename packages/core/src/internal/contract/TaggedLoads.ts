/**
 * Loading under tags: whatever is deleted with the tag, a load that began before is not stored.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type * as CacheError from "../../CacheError.ts"
import { grant, load, SHORT_MILLIS, storeStale } from "./Loading.ts"
import { store, type Subject, type Test, valueOf } from "./Subject.ts"
import { deleteTags, fillWith, keysByTag, put, tagsOf, taking } from "./Tagging.ts"

export const register = (test: Test): void => {
  const leased = (name: string, body: (subject: Subject) => Effect.Effect<void, CacheError.CacheError>) =>
    test(name, (subject) => (subject.backend.unsupported.has("leases") ? Effect.void : body(subject)), "tags")

  leased(
    "a load whose tag is deleted is not stored",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      for (const previous of ["nothing", "stale", "fresh"]) {
        const name = key(previous)
        if (previous === "stale") yield* storeStale(subject, [name], "old")
        if (previous === "fresh") yield* store(subject, name, "old")
        const token = yield* grant(subject, [name], { when: "always", ...taking(subject, name, ["red"]) })
        const deleted: Array<string> = []
        const count = yield* backend.deleteTags(tagsOf(subject, ["red"]), (keys) => deleted.push(...keys))
        assert.strictEqual(count, previous === "nothing" ? 0 : 1)
        assert.deepStrictEqual(deleted, [name])
        assert.deepStrictEqual(yield* backend.leases.renew([name], token, 1000), [false])
        assert.isFalse(yield* fillWith(subject, name, token, "late", ["red"]))
        assert.isUndefined(yield* valueOf(subject, name))
      }
    })
  )

  leased(
    "a stale value is found under its own tags and those of its load, and then under its own again",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const name = key("a")
      const reload = Effect.fnUntraced(function* (previous: string) {
        yield* put(subject, "a", [previous])
        return yield* grant(subject, [name], { when: "always", ...taking(subject, name, ["load"]) })
      })
      for (const tag of ["own", "load"]) {
        const token = yield* reload("own")
        assert.strictEqual(yield* deleteTags(subject, [tag]), 1)
        assert.isFalse(yield* fillWith(subject, name, token, "late", []))
      }
      yield* backend.leases.release([name], yield* reload("own"))
      assert.strictEqual(yield* deleteTags(subject, ["load"]), 0)
      assert.strictEqual(yield* valueOf(subject, name), "a")
      assert.strictEqual(yield* deleteTags(subject, ["own"]), 1)
    })
  )

  leased(
    "what was loaded carries the tags that it was stored with",
    Effect.fnUntraced(function* (subject) {
      const name = subject.key("a")
      const token = yield* grant(subject, [name], taking(subject, name, ["load"]))
      assert.isTrue(yield* fillWith(subject, name, token, "loaded", ["red"]))
      assert.deepStrictEqual(yield* keysByTag(subject, "load"), [])
      assert.strictEqual(yield* deleteTags(subject, ["load"]), 0)
      assert.strictEqual(yield* deleteTags(subject, ["red"]), 1)
      yield* load(subject, name, "untagged")
      assert.strictEqual(yield* deleteTags(subject, ["load", "red"]), 0)
    })
  )

  leased(
    "a renewed lease is found for as long as it lasts",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const name = key("a")
      const token = yield* grant(subject, [name], { millis: 100, ...taking(subject, name, ["red"]) })
      assert.deepStrictEqual(yield* backend.leases.renew([name], token, 3_600_000), [true])
      yield* subject.elapse
      yield* put(subject, "b", ["red"])
      assert.strictEqual(yield* deleteTags(subject, ["red"]), 1)
      assert.isFalse(yield* fillWith(subject, name, token, "late", []))
    })
  )

  leased(
    "when nobody is kept from trying again any more, the tags of the load that failed are gone",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const name = key("a")
      yield* put(subject, "a", ["own"])
      const token = yield* grant(subject, [name], { when: "always", ...taking(subject, name, ["load"]) })
      yield* backend.leases.release([name], token, { failedForMillis: SHORT_MILLIS })
      yield* subject.elapse
      assert.strictEqual(yield* deleteTags(subject, ["load"]), 0)
      assert.strictEqual(yield* valueOf(subject, name), "a")
      assert.strictEqual(yield* deleteTags(subject, ["own"]), 1)
    })
  )

  leased(
    "a failure under a tag is forgotten with it",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const name = key("a")
      const token = yield* grant(subject, [name], taking(subject, name, ["red"]))
      yield* backend.leases.release([name], token, { failedForMillis: 3_600_000 })
      assert.strictEqual(yield* deleteTags(subject, ["red"]), 0)
      yield* grant(subject, [name])
    })
  )
}
