/**
 * What is stored comes back equal, and nobody can change it.
 */
import { assert, expect } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, Equal, Schema } from "effect"
import * as CacheKey from "../../CacheKey.ts"
import * as Codec from "../../Codec.ts"
import * as MonotonicClock from "../../MonotonicClock.ts"
import { LONG, reasonOf, store, type Test, valueOf } from "./Subject.ts"

const VALUES: ReadonlyArray<readonly [kind: string, value: unknown]> = [
  ["null", null],
  ["false", false],
  ["true", true],
  ["0", 0],
  ["-0", -0],
  ["an integer", 2 ** 53 - 1],
  ["a negative integer", -42],
  ["a fraction", 0.1],
  ["NaN", NaN],
  ["Infinity", -Infinity],
  ["an empty string", ""],
  ["text", "grüße, 世界 🚀 \u0000"],
  ["text of digits", "42"],
  ["a bigint", 2n ** 80n],
  ["a Date", new Date("2024-02-29T12:00:00.123Z")],
  [
    "a Map",
    new Map<unknown, unknown>([
      ["a", 1],
      [2, { b: [3] }]
    ])
  ],
  ["a Set", new Set(["a", 1, null])],
  ["a Uint8Array", new Uint8Array([0, 1, 255])],
  ["a Float64Array", new Float64Array([0.5, NaN, -0])],
  ["an empty array", []],
  ["an empty object", {}],
  ["an undefined field", { a: undefined, b: null }],
  [
    "nested data",
    { list: [1, [2, [-0, { deep: new Map([["at", new Date(0)]]) }]]], big: [1n, { set: new Set([NaN]) }] }
  ],
  ["a large value", "x".repeat(300_000)]
]

const hostileIds = [
  "*",
  "?",
  "[a-z]",
  "{tag}",
  "{}",
  "a:b",
  ":",
  "\\",
  "'\"",
  "\n\r\t",
  "\u0000",
  "%",
  "%2A",
  "..",
  "/",
  " ",
  "é",
  "🚀",
  "x".repeat(10_000)
]

const Trade = Schema.Struct({ id: Schema.String, at: Schema.DateTimeUtc, price: Schema.BigDecimal })
const trade: typeof Trade.Type = {
  id: "t-1",
  at: DateTime.makeUnsafe("2024-02-29T12:00:00Z"),
  price: BigDecimal.fromStringUnsafe("189.4500")
}
const tradeCodec = Codec.schema(Trade)

export const register = (test: Test): void => {
  for (const [kind, value] of VALUES) {
    test(
      `stores ${kind}`,
      Effect.fnUntraced(function* (subject) {
        const key = subject.key("value")
        assert.isTrue(yield* store(subject, key, value))
        expect(yield* valueOf(subject, key)).toStrictEqual(value)
        const [many] = yield* subject.backend.getMany([key], Codec.msgpack)
        expect(many?.value).toStrictEqual(value)
      })
    )
  }

  test(
    "stores values of a schema, DateTime and BigDecimal included",
    Effect.fnUntraced(function* ({ backend, key }) {
      yield* backend.set(key("trade"), tradeCodec, trade, { ttl: LONG })
      const entry = yield* backend.get(key("trade"), tradeCodec)
      assert.isTrue(Equal.equals(entry?.value, trade))
      assert.isTrue(Equal.equals((yield* backend.getMany([key("trade")], tradeCodec))[0]?.value, trade))
    })
  )

  test(
    "stores JSON text",
    Effect.fnUntraced(function* ({ backend, key }) {
      yield* backend.set(key("json"), Codec.json, { a: [1, "b", null] }, { ttl: LONG })
      assert.deepStrictEqual((yield* backend.get(key("json"), Codec.json))?.value, { a: [1, "b", null] })
    })
  )

  test(
    "a get where nothing is, is undefined",
    Effect.fnUntraced(function* (subject) {
      assert.isUndefined(yield* subject.backend.get(subject.key("nothing"), Codec.msgpack))
      assert.isUndefined(subject.backend.peek(subject.key("nothing"), Codec.msgpack))
    })
  )

  test(
    "an entry tells its deadlines on this process' clock",
    Effect.fnUntraced(function* (subject) {
      const now = yield* MonotonicClock.now
      yield* store(subject, subject.key("a"), 1)
      const entry = yield* subject.backend.get(subject.key("a"), Codec.msgpack)
      assert.isDefined(entry)
      assert.oneOf(entry.tier, ["l1", "l2"])
      assert.isAtMost(entry.freshUntil, entry.goneAfter)
      // a store elsewhere measures its clock's offset; minutes tell that the deadline is of this clock, and of this TTL
      const left = entry.goneAfter - now()
      assert.isAbove(left, Duration.toMillis("59 minutes"))
      assert.isBelow(left, Duration.toMillis("61 minutes"))
    })
  )

  test(
    "peek has the latest value, or nothing",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("peeked")
      yield* store(subject, key, "first")
      assert.oneOf(subject.backend.peek(key, Codec.msgpack), ["first", undefined])
      yield* valueOf(subject, key)
      yield* store(subject, key, "second")
      assert.oneOf(subject.backend.peek(key, Codec.msgpack), ["second", undefined])
      yield* subject.backend.delete(key)
      assert.isUndefined(subject.backend.peek(key, Codec.msgpack))
    })
  )

  test(
    "getMany answers in the order of the keys, repeated and missing ones included",
    Effect.fnUntraced(function* (subject) {
      const [a, b, missing] = [subject.key("a"), subject.key("b"), subject.key("missing")]
      yield* store(subject, a, "A")
      yield* store(subject, b, "B")
      const entries = yield* subject.backend.getMany([b, missing, a, b], Codec.msgpack)
      assert.deepStrictEqual(
        entries.map((entry) => entry?.value),
        ["B", undefined, "A", "B"]
      )
      assert.deepStrictEqual(yield* subject.backend.getMany([], Codec.msgpack), [])
    })
  )

  test(
    "the caller's object stays the caller's",
    Effect.fnUntraced(function* (subject) {
      const mine = { list: [1, 2], at: new Date(0) }
      yield* store(subject, subject.key("mine"), mine)
      const other = { list: [1] }
      yield* subject.backend.setMany([[subject.key("other"), other]], Codec.msgpack, { ttl: LONG })
      mine.list.push(3)
      mine.at.setTime(1)
      other.list.push(2)
      expect(yield* valueOf(subject, subject.key("mine"))).toStrictEqual({ list: [1, 2], at: new Date(0) })
      expect(yield* valueOf(subject, subject.key("other"))).toStrictEqual({ list: [1] })
    })
  )

  test(
    "a reader cannot change what the next one gets",
    Effect.fnUntraced(function* (subject) {
      const stored = () => ({
        plain: { list: [1] },
        frozenNot: { at: new Date(0), map: new Map([["a", 1]]), bytes: new Uint8Array(2) }
      })
      for (const [name, value] of Object.entries(stored())) yield* store(subject, subject.key(name), value)
      for (const [name, value] of Object.entries(stored())) {
        deface(yield* valueOf(subject, subject.key(name)))
        deface((yield* subject.backend.getMany([subject.key(name)], Codec.msgpack))[0]?.value)
        deface(subject.backend.peek(subject.key(name), Codec.msgpack))
        expect(yield* valueOf(subject, subject.key(name))).toStrictEqual(value)
      }
    })
  )

  test(
    "hostile ids do not reach each other",
    Effect.fnUntraced(function* (subject) {
      const keys = hostileIds.map((id) => subject.key("id", id))
      yield* Effect.forEach(keys, (key, index) => store(subject, key, index))
      const read = yield* subject.backend.getMany(keys, Codec.msgpack)
      assert.deepStrictEqual(
        read.map((entry) => entry?.value),
        hostileIds.map((_, index) => index)
      )
      for (const [index, key] of keys.entries()) {
        assert.isTrue(yield* subject.backend.delete(key))
        const left = yield* subject.backend.getMany(keys, Codec.msgpack)
        assert.strictEqual(left.filter((entry) => entry !== undefined).length, keys.length - index - 1)
      }
      // an id that looks like a key of two parts
      yield* store(subject, subject.key("a", "b"), 1)
      assert.isUndefined(yield* valueOf(subject, subject.key("a:b")))
      assert.strictEqual(yield* valueOf(subject, `${subject.prefix}:${CacheKey.parse("a:b").encoded}`), 1)
    })
  )

  test(
    "what another codec wrote is a miss, and counted",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("foreign")
      yield* store(subject, key, { not: "a trade" })
      const before = subject.backend.stats().unreadable
      assert.isUndefined(yield* subject.backend.get(key, tradeCodec))
      assert.isAbove(subject.backend.stats().unreadable, before)
      assert.deepStrictEqual(yield* subject.backend.getMany([key], tradeCodec), [undefined])
      assert.isUndefined(subject.backend.peek(key, tradeCodec))
      // it stays what it is for who understands it
      assert.isTrue(yield* subject.backend.has(key))
      assert.deepStrictEqual(yield* valueOf(subject, key), { not: "a trade" })
    })
  )

  class Account {
    id = "acc-1"
  }
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  const unstorable: ReadonlyArray<readonly [string, unknown]> = [
    ["undefined", undefined],
    ["a function", () => 1],
    ["a symbol", Symbol("s")],
    ["an instance of a class", new Account()],
    ["a cycle", cycle],
    ["a function inside", { list: [1, () => 1] }]
  ]
  for (const [kind, value] of unstorable) {
    test(
      `refuses ${kind} and writes nothing`,
      Effect.fnUntraced(function* (subject) {
        const [a, b] = [subject.key("a"), subject.key("b")]
        yield* store(subject, a, "old")
        assert.strictEqual(yield* reasonOf(store(subject, a, value)), "Encode")
        const batch = subject.backend.setMany(
          [
            [b, "new"],
            [a, value]
          ],
          Codec.msgpack,
          { ttl: LONG }
        )
        assert.strictEqual(yield* reasonOf(batch), "Encode")
        assert.strictEqual(yield* valueOf(subject, a), "old")
        assert.isUndefined(yield* valueOf(subject, b))
      })
    )
  }
}

/** Changes whatever can be changed in a value. */
const deface = (value: unknown): void => {
  if (typeof value !== "object" || value === null) return
  if (value instanceof Date) value.setTime(1)
  if (value instanceof Map || value instanceof Set) value.clear()
  if (value instanceof Uint8Array) value.fill(9)
  else if (!Object.isFrozen(value)) Reflect.set(value, "defaced", true)
  for (const key of Object.keys(value)) {
    deface(Reflect.get(value, key))
    if (!(value instanceof Uint8Array)) Reflect.set(value, key, "defaced")
  }
}
