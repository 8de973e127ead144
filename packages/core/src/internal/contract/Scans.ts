/**
 * Listing and deleting by pattern.
 */
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type * as CacheBackend from "../../CacheBackend.ts"
import * as Codec from "../../Codec.ts"
import * as KeyPattern from "../../KeyPattern.ts"
import { LONG, store, type Subject, type Test } from "./Subject.ts"

const listed = (subject: Subject, pattern: string) =>
  Effect.map(Stream.runCollect(subject.backend.scan(subject.pattern(pattern))), (keys) => [...keys].toSorted())

const storeAll = (subject: Subject, keys: ReadonlyArray<string>) =>
  subject.backend.setMany(
    keys.map((key) => [key, 1] as const),
    Codec.msgpack,
    { ttl: LONG }
  )

export const register = (test: Test): void => {
  test(
    "scan lists every key once, and no other",
    Effect.fnUntraced(function* (subject) {
      const keys = Array.from({ length: 700 }, (_, index) => subject.key("listed", `${index}`))
      yield* storeAll(subject, [...keys, subject.key("other", "1")])
      assert.deepStrictEqual(yield* listed(subject, "listed:*"), keys.toSorted())
      assert.deepStrictEqual(yield* listed(subject, "nothing:*"), [])
    })
  )

  test(
    "patterns: `*` is any run, `?` one character, all else literal",
    Effect.fnUntraced(function* (subject) {
      const key = (written: string) => subject.key(...written.split(":"))
      const all = [
        "user:1",
        "user:12",
        "user:1:tail",
        "xuser:1",
        "user",
        "user:[1]",
        "user:a*b",
        "user:axb",
        "user:{1}"
      ].map(key)
      yield* storeAll(subject, all)
      const matching = (pattern: string) => listed(subject, pattern)
      assert.deepStrictEqual(yield* matching("*"), [...all].toSorted())
      assert.deepStrictEqual(yield* matching("user:?"), [key("user:1")])
      assert.deepStrictEqual(yield* matching("user:1*"), [key("user:1"), key("user:12"), key("user:1:tail")].toSorted())
      assert.deepStrictEqual(yield* matching("*:tail"), [key("user:1:tail")])
      assert.deepStrictEqual(yield* matching("user:[1]"), [key("user:[1]")])
      assert.deepStrictEqual(yield* matching("user:{*}"), [key("user:{1}")])
      assert.deepStrictEqual(yield* matching("user"), [key("user")])
      assert.deepStrictEqual(yield* matching("*user*"), [...all].toSorted())
    })
  )

  test(
    "a pattern reaches no other prefix",
    Effect.fnUntraced(function* (subject) {
      const stranger = `x${subject.prefix}:a`
      const longer = `${subject.prefix}x:a`
      yield* storeAll(subject, [stranger, longer, subject.key("a")])
      assert.deepStrictEqual(yield* listed(subject, "*"), [subject.key("a")])
      assert.strictEqual(yield* subject.backend.deletePattern(subject.pattern("*")), 1)
      assert.strictEqual(yield* subject.backend.deleteMany([stranger, longer]), 2)
    })
  )

  test(
    "scan finds keys of hostile ids, encoded",
    Effect.fnUntraced(function* (subject) {
      const ids = ["*", "[x]", "a:b", "\u0000", "{1}", "🚀", "\\", "x".repeat(5000)]
      const keys = ids.map((id) => subject.key("hostile", id))
      yield* storeAll(subject, keys)
      assert.deepStrictEqual(yield* listed(subject, "hostile:*"), keys.toSorted())
    })
  )

  test(
    "scan can be left early",
    Effect.fnUntraced(function* (subject) {
      yield* storeAll(
        subject,
        Array.from({ length: 300 }, (_, index) => subject.key("early", `${index}`))
      )
      const some = yield* subject.backend.scan(subject.pattern("early:*")).pipe(Stream.take(3), Stream.runCollect)
      assert.strictEqual(some.length, 3)
    })
  )

  test(
    "a key that lives throughout a scan is listed once, whatever happens to others",
    Effect.fnUntraced(function* (subject) {
      const keys = Array.from({ length: 200 }, (_, index) => subject.key("stays", `${index}`))
      yield* storeAll(subject, keys)
      let turn = 0
      const seen = yield* subject.backend.scan(subject.pattern("*")).pipe(
        Stream.tap(() =>
          store(subject, subject.key("comes", `${turn++}`), 1).pipe(Effect.when(Effect.sync(() => turn < 200)))
        ),
        Stream.take(2000),
        Stream.filter((key) => key.startsWith(`${subject.prefix}:stays:`)),
        Stream.runCollect
      )
      assert.deepStrictEqual([...seen].toSorted(), keys.toSorted())
    })
  )

  test(
    "deletePattern deletes and counts what matches",
    Effect.fnUntraced(function* (subject) {
      const doomed = Array.from({ length: 300 }, (_, index) => subject.key("conn-456", `${index}`))
      const spared = [subject.key("conn-4567", "1"), subject.key("conn-45", "1"), subject.key("conn-456")]
      yield* storeAll(subject, [...doomed, ...spared])
      assert.strictEqual(yield* subject.backend.deletePattern(subject.pattern("conn-456:*")), 300)
      assert.deepStrictEqual(yield* listed(subject, "*"), spared.toSorted())
      assert.strictEqual(yield* subject.backend.deletePattern(subject.pattern("conn-456:*")), 0)
      assert.deepStrictEqual(
        (yield* subject.backend.getMany(doomed, Codec.msgpack)).filter((entry) => entry !== undefined),
        []
      )
    })
  )

  test(
    "deletePattern takes several patterns, and counts a key once that matches more than one",
    Effect.fnUntraced(function* (subject) {
      const key = (written: string) => subject.key(...written.split(":"))
      yield* storeAll(subject, ["user:1", "user:12", "order:1", "order:2", "quote:1", "users"].map(key))
      const patterns = ["user:*", "user:1*", "*:1", "none:*"].map(subject.pattern)
      assert.strictEqual(yield* subject.backend.deletePattern(KeyPattern.anyOf(patterns)), 4)
      assert.deepStrictEqual(yield* listed(subject, "*"), ["order:2", "users"].map(key))
      assert.strictEqual(yield* subject.backend.deletePattern(KeyPattern.anyOf([])), 0)
      assert.deepStrictEqual(yield* listed(subject, "*"), ["order:2", "users"].map(key))
    })
  )

  test(
    "scan takes several patterns",
    Effect.fnUntraced(function* (subject) {
      const key = (written: string) => subject.key(...written.split(":"))
      yield* storeAll(subject, ["a:1", "a:2", "b:1", "c:1"].map(key))
      const pattern = KeyPattern.anyOf(["a:*", "?:1"].map(subject.pattern))
      const found = yield* Stream.runCollect(subject.backend.scan(pattern))
      assert.deepStrictEqual([...found].toSorted(), ["a:1", "a:2", "b:1", "c:1"].map(key))
    })
  )

  test(
    "deletePattern tells how far it is",
    Effect.fnUntraced(function* (subject) {
      yield* storeAll(
        subject,
        Array.from({ length: 300 }, (_, index) => subject.key(index % 3 === 0 ? "doomed" : "spared", `${index}`))
      )
      const told: Array<CacheBackend.Progress> = []
      const onProgress = (progress: CacheBackend.Progress) => void told.push(progress)
      assert.strictEqual(yield* subject.backend.deletePattern(subject.pattern("doomed:*"), { onProgress }), 100)
      assert.strictEqual(told.at(-1)?.deleted, 100)
      told.forEach(({ deleted, scanned }, index) => {
        assert.isAtLeast(scanned, deleted)
        assert.isAtLeast(deleted, told[index - 1]?.deleted ?? 0)
        assert.isAtLeast(scanned, told[index - 1]?.scanned ?? 0)
      })
    })
  )

  test(
    "a sweep leaves what lives",
    Effect.fnUntraced(function* (subject) {
      const { backend, prefix } = subject
      const keys = ["a", "b", "c"].map((id) => subject.key(id))
      yield* storeAll(subject, keys)
      for (const dryRun of [true, false]) {
        const swept = yield* backend.sweep({ prefix, spared: [], maxAge: "1 second", dryRun })
        assert.deepStrictEqual(swept, { trimmed: 0, orphans: 0, deleted: 0 })
      }
      assert.deepStrictEqual(yield* listed(subject, "*"), keys)
    })
  )

  test(
    "deletePattern is not fooled by an id that is a pattern",
    Effect.fnUntraced(function* (subject) {
      yield* storeAll(subject, [subject.key("a", "*"), subject.key("a", "1"), subject.key("a", "?")])
      assert.strictEqual(yield* subject.backend.delete(subject.key("a", "*")), true)
      assert.deepStrictEqual(yield* listed(subject, "a:*"), [subject.key("a", "1"), subject.key("a", "?")].toSorted())
    })
  )
}
