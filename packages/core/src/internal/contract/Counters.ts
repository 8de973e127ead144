/**
 * Counting.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import * as Codec from "../../Codec.ts"
import { LONG, reasonOf, SHORT, store, type Test, valueOf } from "./Subject.ts"

const utf8: Codec.Codec<string> = Codec.make(
  (text) => Buffer.from(text),
  (bytes) => Buffer.from(bytes).toString()
)

export const register = (test: Test): void => {
  test(
    "increment counts from 0, by any integer",
    Effect.fnUntraced(function* ({ backend, key }) {
      const counter = key("counter")
      assert.strictEqual(yield* backend.increment(counter, { ttl: LONG }), 1)
      assert.strictEqual(yield* backend.increment(counter, { ttl: LONG }), 2)
      assert.strictEqual(yield* backend.increment(counter, { by: 40, ttl: LONG }), 42)
      assert.strictEqual(yield* backend.increment(counter, { by: -50, ttl: LONG }), -8)
      assert.strictEqual(yield* backend.increment(counter, { by: 0, ttl: LONG }), -8)
      assert.strictEqual(yield* backend.increment(key("other"), { by: -3, ttl: LONG }), -3)
    }),
    "increment"
  )

  test(
    "a counter is read and written as any number",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("counter")
      yield* subject.backend.increment(key, { by: 7, ttl: LONG })
      assert.strictEqual(yield* valueOf(subject, key), 7)
      yield* store(subject, key, 100)
      assert.strictEqual(yield* subject.backend.increment(key, { ttl: LONG }), 101)
      assert.strictEqual(yield* valueOf(subject, key), 101)
      yield* store(subject, key, 0)
      assert.strictEqual(yield* subject.backend.increment(key, { by: -1, ttl: LONG }), -1)
    }),
    "increment"
  )

  test(
    "a counter keeps the TTL it was created with",
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      const [brief, long] = [subject.key("brief"), subject.key("long")]
      yield* backend.increment(long, { ttl: LONG })
      yield* backend.increment(brief, { ttl: SHORT })
      yield* backend.increment(brief, { ttl: LONG })
      yield* backend.increment(long, { ttl: SHORT })
      yield* subject.elapse
      const left = yield* backend.ttl(long)
      assert.isDefined(left)
      assert.isTrue(Duration.isGreaterThan(left, Duration.minutes(59)))
      assert.strictEqual(yield* valueOf(subject, long), 2)
      yield* subject.eventually(Effect.map(backend.get(brief, Codec.msgpack), (entry) => entry === undefined))
      yield* subject.eventually(Effect.map(backend.has(brief), (has) => !has))
      assert.strictEqual(yield* backend.increment(brief, { ttl: LONG }), 1)
    }),
    "increment"
  )

  test(
    "increment of what is no integer fails and changes nothing",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("text")
      for (const value of ["5", 1.5, null, [1], { a: 1 }, NaN, 5n]) {
        yield* store(subject, key, value)
        assert.strictEqual(yield* reasonOf(subject.backend.increment(key, { ttl: LONG })), "WrongType")
        assert.deepStrictEqual(yield* valueOf(subject, key), value)
      }
    }),
    "increment"
  )

  test(
    "an integer in JSON counts, and stays JSON",
    Effect.fnUntraced(function* ({ backend, key }) {
      const codec = Codec.schemaJson(Schema.Int)
      yield* backend.set(key("json"), codec, 41, { ttl: LONG })
      assert.strictEqual(yield* backend.increment(key("json"), { ttl: LONG }), 42)
      assert.strictEqual((yield* backend.get(key("json"), codec))?.value, 42)
      assert.strictEqual((yield* backend.get(key("json"), Codec.json))?.value, 42)
      // as a sum it would be in range, but what is stored is not
      yield* backend.set(key("json"), Codec.json, 2 ** 53, { ttl: LONG })
      assert.strictEqual(yield* reasonOf(backend.increment(key("json"), { by: -1, ttl: LONG })), "WrongType")
    }),
    "increment"
  )

  test(
    "bytes that are no decimal integer do not count",
    Effect.fnUntraced(function* ({ backend, key }) {
      for (const bytes of ["007", "-0", "+1", "1e3", "1.0", " 1", "1 ", "1\n", "", "-", "0x1", "١"]) {
        yield* backend.set(key("raw"), utf8, bytes, { ttl: LONG })
        assert.strictEqual(yield* reasonOf(backend.increment(key("raw"), { ttl: LONG })), "WrongType", bytes)
        assert.strictEqual((yield* backend.get(key("raw"), utf8))?.value, bytes)
      }
    }),
    "increment"
  )

  test(
    "increment beyond the safe integers fails and changes nothing",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("large")
      for (const [limit, by] of [
        [Number.MAX_SAFE_INTEGER, 1],
        [Number.MIN_SAFE_INTEGER, -1]
      ] as const) {
        yield* store(subject, key, limit - by)
        assert.strictEqual(yield* subject.backend.increment(key, { by, ttl: LONG }), limit)
        assert.strictEqual(yield* reasonOf(subject.backend.increment(key, { by, ttl: LONG })), "WrongType")
        assert.strictEqual(yield* reasonOf(subject.backend.increment(key, { by: limit, ttl: LONG })), "WrongType")
        assert.strictEqual(yield* valueOf(subject, key), limit)
        assert.strictEqual(yield* subject.backend.increment(key, { by: -limit, ttl: LONG }), 0)
      }
    }),
    "increment"
  )

  test(
    "increment by what is no integer is refused",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("counter")
      for (const by of [0.5, NaN, Infinity, 2 ** 53]) {
        assert.strictEqual(yield* reasonOf(subject.backend.increment(key, { by, ttl: LONG })), "InvalidOption")
      }
      assert.isFalse(yield* subject.backend.has(key))
    }),
    "increment"
  )

  test(
    "concurrent increments all count",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("contended")
      const replies = yield* Effect.forEach(
        Array.from({ length: 100 }),
        () => subject.backend.increment(key, { ttl: LONG }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        [...replies].toSorted((a, b) => a - b),
        Array.from({ length: 100 }, (_, index) => index + 1)
      )
      assert.strictEqual(yield* valueOf(subject, key), 100)
    }),
    "increment"
  )
}
