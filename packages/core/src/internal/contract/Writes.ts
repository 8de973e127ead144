/**
 * Writing conditionally and in bulk, and deleting.
 */
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Codec from "../../Codec.ts"
import { LONG, store, type Test, valueOf } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "set overwrites",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      assert.isTrue(yield* store(subject, key, 1))
      assert.isTrue(yield* store(subject, key, { now: "another type" }))
      assert.deepStrictEqual(yield* valueOf(subject, key), { now: "another type" })
    })
  )

  test(
    "set only where nothing is",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      const options = { ttl: LONG, only: "absent" } as const
      assert.isTrue(yield* subject.backend.set(key, Codec.msgpack, null, options))
      assert.isFalse(yield* subject.backend.set(key, Codec.msgpack, "second", options))
      assert.isNull(yield* valueOf(subject, key))
      yield* subject.backend.delete(key)
      assert.isTrue(yield* subject.backend.set(key, Codec.msgpack, "third", options))
      assert.strictEqual(yield* valueOf(subject, key), "third")
    })
  )

  test(
    "set only over an entry",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      const options = { ttl: LONG, only: "present" } as const
      assert.isFalse(yield* subject.backend.set(key, Codec.msgpack, 1, options))
      assert.isUndefined(yield* valueOf(subject, key))
      yield* store(subject, key, false)
      assert.isTrue(yield* subject.backend.set(key, Codec.msgpack, 2, options))
      assert.strictEqual(yield* valueOf(subject, key), 2)
    })
  )

  test(
    "of concurrent sets only where nothing is, one writes",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("contended")
      const attempts = Array.from({ length: 20 }, (_, index) =>
        subject.backend.set(key, Codec.msgpack, index, { ttl: LONG, only: "absent" })
      )
      const written = yield* Effect.all(attempts, { concurrency: "unbounded" })
      assert.strictEqual(written.filter(Boolean).length, 1)
      assert.strictEqual(yield* valueOf(subject, key), written.indexOf(true))
    })
  )

  test(
    "setMany writes all and counts the keys",
    Effect.fnUntraced(function* (subject) {
      const keys = Array.from({ length: 250 }, (_, index) => subject.key("many", `${index}`))
      const entries = keys.map((key, index) => [key, { index }] as const)
      assert.strictEqual(yield* subject.backend.setMany(entries, Codec.msgpack, { ttl: LONG }), 250)
      const read = yield* subject.backend.getMany(keys, Codec.msgpack)
      assert.deepStrictEqual(
        read.map((entry) => entry?.value),
        entries.map(([, value]) => value)
      )
      assert.strictEqual(yield* subject.backend.setMany([], Codec.msgpack, { ttl: LONG }), 0)
    })
  )

  test(
    "setMany: of a repeated key the last value counts, and the key once",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = [subject.key("a"), subject.key("b")]
      const entries = [
        [a, 1],
        [b, 2],
        [a, 3]
      ] as const
      assert.strictEqual(yield* subject.backend.setMany(entries, Codec.msgpack, { ttl: LONG }), 2)
      assert.strictEqual(yield* valueOf(subject, a), 3)
      assert.strictEqual(yield* valueOf(subject, b), 2)
    })
  )

  test(
    "setMany writes only what `only` allows, and counts that",
    Effect.fnUntraced(function* (subject) {
      const [a, b, c] = [subject.key("a"), subject.key("b"), subject.key("c")]
      yield* store(subject, a, "old")
      const write = (only: "absent" | "present", value: string) =>
        subject.backend.setMany(
          [
            [a, value],
            [b, value]
          ],
          Codec.msgpack,
          { ttl: LONG, only }
        )
      assert.strictEqual(yield* write("absent", "absent"), 1)
      assert.strictEqual(yield* valueOf(subject, a), "old")
      assert.strictEqual(yield* valueOf(subject, b), "absent")
      const present = subject.backend.setMany(
        [
          [b, "present"],
          [c, "present"]
        ],
        Codec.msgpack,
        { ttl: LONG, only: "present" }
      )
      assert.strictEqual(yield* present, 1)
      assert.strictEqual(yield* valueOf(subject, b), "present")
      assert.isUndefined(yield* valueOf(subject, c))
    })
  )

  test(
    "delete tells whether there was anything",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      assert.isFalse(yield* subject.backend.delete(key))
      yield* store(subject, key, null)
      assert.isTrue(yield* subject.backend.delete(key))
      assert.isFalse(yield* subject.backend.delete(key))
      assert.isUndefined(yield* valueOf(subject, key))
      assert.isFalse(yield* subject.backend.has(key))
    })
  )

  test(
    "deleteMany counts each entry once",
    Effect.fnUntraced(function* (subject) {
      const [a, b, missing, kept] = [subject.key("a"), subject.key("b"), subject.key("missing"), subject.key("kept")]
      yield* Effect.forEach([a, b, kept], (key) => store(subject, key, 0))
      assert.strictEqual(yield* subject.backend.deleteMany([a, missing, b, a]), 2)
      assert.isUndefined(yield* valueOf(subject, a))
      assert.strictEqual(yield* valueOf(subject, kept), 0)
      assert.strictEqual(yield* subject.backend.deleteMany([a, b]), 0)
      assert.strictEqual(yield* subject.backend.deleteMany([]), 0)
    })
  )

  test(
    "has sees every value",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      assert.isFalse(yield* subject.backend.has(key))
      yield* store(subject, key, null)
      assert.isTrue(yield* subject.backend.has(key))
    })
  )

  test(
    "versions grow with each value that is written",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const version = Effect.map(
        backend.get(key("a"), Codec.msgpack, { fresh: true }),
        (entry) => entry?.version ?? NaN
      )
      const versions: Array<number> = []
      for (const value of [1, 1, 2]) {
        yield* store(subject, key("a"), value)
        versions.push(yield* version)
        yield* backend.setMany([[key("a"), value]], Codec.msgpack, { ttl: LONG })
        versions.push(yield* version)
      }
      // a store without versions says 0, than which nothing is newer
      if (versions.every((version) => version === 0)) return
      assert.deepStrictEqual(
        versions,
        [...new Set(versions)].toSorted((a, b) => a - b)
      )
      assert.strictEqual(yield* version, versions.at(-1))
    })
  )

  test(
    "an interrupted operation harms no later one",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const operations = [
        backend.set(key("a"), Codec.msgpack, "maybe", { ttl: LONG }),
        backend.get(key("a"), Codec.msgpack),
        backend.getMany([key("a"), key("b")], Codec.msgpack),
        backend.setMany([[key("a"), "maybe"]], Codec.msgpack, { ttl: LONG }),
        backend.delete(key("a")),
        backend.deletePattern(subject.pattern("a*"))
      ]
      for (const operation of operations) {
        for (const startImmediately of [true, false]) {
          yield* Fiber.interrupt(yield* Effect.forkChild(operation, { startImmediately }))
        }
      }
      yield* store(subject, key("b"), "certain")
      assert.strictEqual(yield* valueOf(subject, key("b")), "certain")
      assert.strictEqual(yield* backend.deleteMany([key("b")]), 1)
      // a backend may delete, even later, a key of which it does not know whether it was written
      yield* store(subject, key("a"), "certain")
      assert.include(["certain", undefined], yield* valueOf(subject, key("a")))
    })
  )
}
