import { deepStrictEqual } from "node:assert"
import { Codec, Snapshot } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Chunk, DateTime, Duration, HashMap, Option, Schema } from "effect"
import * as fc from "fast-check"
import { json, runs, storable } from "./arbitraries.ts"
import { cacheErrorOf } from "./thrown.ts"

const KEY = "tradecore:some:key"

const defined = storable.filter((value) => value !== undefined)

const make = (value: unknown) => Snapshot.make(Codec.msgpack, value, KEY)
const read = (snapshot: Snapshot.Snapshot<unknown>) => Snapshot.read(snapshot, Codec.msgpack, KEY)

/** All objects in a value, without looking into those that cannot be frozen. */
const objectsIn = (value: unknown): ReadonlyArray<object> =>
  typeof value === "object" && value !== null ? [value, ...Object.values(value).flatMap(objectsIn)] : []

describe("Snapshot.make", () => {
  it("keeps what was stored", () => {
    fc.assert(
      fc.property(defined, (value) => {
        const snapshot = make(value)
        deepStrictEqual(read(snapshot), value)
        deepStrictEqual(Codec.msgpack.decode(snapshot.encode(KEY), KEY), value)
      }),
      runs(60)
    )
  })

  it("neither keeps nor freezes the caller's objects", () => {
    fc.assert(
      fc.property(fc.array(defined, { minLength: 1 }), (value) => {
        const theirs = new Set(objectsIn(value))
        const ours = objectsIn(read(make(value)))
        assert.isFalse(ours.some((object) => theirs.has(object)))
        assert.isFalse(Object.isFrozen(value))
      }),
      runs(60)
    )
    const value = { list: [{ a: 1 }] }
    const snapshot = make(value)
    value.list.push({ a: 2 })
    deepStrictEqual(read(snapshot), { list: [{ a: 1 }] })
  })

  it("shares one frozen value among all readers", () => {
    fc.assert(
      fc.property(json, (value) => {
        const snapshot = make(value)
        assert.isUndefined(snapshot.bytes)
        assert.isTrue(Object.is(read(snapshot), read(snapshot)))
        assert.isTrue(objectsIn(read(snapshot)).every((object) => Object.isFrozen(object)))
      }),
      runs(60)
    )
  })

  it("makes whoever changes a shared value throw", () => {
    const codec = Codec.schema(Schema.Struct({ list: Schema.mutable(Schema.Array(Schema.Number)) }))
    const { list } = Snapshot.read(Snapshot.make(codec, { list: [1] }, KEY), codec, KEY)
    assert.throws(() => list.push(2), TypeError)
    assert.throws(() => (list[0] = 2), TypeError)
  })

  it.each([
    ["a Date", new Date(5)],
    ["a Map", new Map([["a", 1]])],
    ["a Set", new Set([1])],
    ["bytes", new Uint8Array([1])],
    ["numbers", new Float64Array([1])],
    ["a Buffer", Buffer.from("a")],
    ["an ArrayBuffer", new ArrayBuffer(3)],
    ["a DataView", new DataView(new ArrayBuffer(3))]
  ])("gives each reader of %s a copy", (_, mutable) => {
    for (const value of [mutable, { first: {}, nested: [{ mutable }] }]) {
      const snapshot = make(value)
      const [one, other] = [read(snapshot), read(snapshot)]
      deepStrictEqual([one, other], [value, value])
      const [ours, others] = [objectsIn(one), new Set(objectsIn(other))]
      assert.isFalse(ours.some((object) => others.has(object)))
    }
  })

  it("lets readers change their copies", () => {
    const codec = Codec.schema(Schema.Struct({ at: Schema.Date, bytes: Schema.Uint8Array }))
    const snapshot = Snapshot.make(codec, { at: new Date(5), bytes: Uint8Array.of(1, 2) }, KEY)
    const copy = Snapshot.read(snapshot, codec, KEY)
    copy.at.setTime(0)
    copy.bytes.fill(0)
    deepStrictEqual(Snapshot.read(snapshot, codec, KEY), { at: new Date(5), bytes: Uint8Array.of(1, 2) })
  })

  it("shares a mutable value if its codec says so", () => {
    const sharing = { ...Codec.msgpack, share: true }
    const snapshot = Snapshot.make(sharing, { at: new Date(5) }, KEY)
    assert.strictEqual(Snapshot.read(snapshot, sharing, KEY), Snapshot.read(snapshot, sharing, KEY))
    assert.isAbove(snapshot.size, 0)
  })

  it.each([null, 0, -0, false, "", Number.NaN, 0n])("holds %o, which is a value", (value) => {
    const snapshot = make(value)
    assert.isTrue(Object.is(read(snapshot), value))
    assert.isTrue(Object.is(snapshot.value, value))
  })

  it("throws what the codec throws", () => {
    assert.strictEqual(cacheErrorOf(() => make({ a: () => 1 })).reason, "Encode")
  })
})

describe("Snapshot of a schema's value", () => {
  class Money extends Schema.Class<Money>("Money")({ amount: Schema.BigDecimal, tags: Schema.Array(Schema.String) }) {
    double(): BigDecimal.BigDecimal {
      return BigDecimal.sum(this.amount, this.amount)
    }
  }

  const shared = <A>(schema: Codec.ValueSchema<A>, value: A): A => {
    const codec = Codec.schema(schema)
    const snapshot = Snapshot.make(codec, value, KEY)
    const first = Snapshot.read(snapshot, codec, KEY)
    assert.strictEqual(Snapshot.read(snapshot, codec, KEY), first)
    return first
  }

  it("can use moments as before", () => {
    const at = DateTime.makeUnsafe("2024-02-29T12:00:00.123Z")
    const value = shared(Schema.Struct({ at: Schema.DateTimeUtc }), { at })
    assert.strictEqual(DateTime.toPartsUtc(value.at).day, 29)
    assert.strictEqual(DateTime.toParts(value.at).hour, 12)
    assert.strictEqual(DateTime.formatIso(DateTime.add(value.at, { days: 1 })), "2024-03-01T12:00:00.123Z")
    assert.strictEqual(DateTime.toEpochMillis(value.at), DateTime.toEpochMillis(at))
    const zoned = shared(Schema.DateTimeZoned, DateTime.makeZonedUnsafe(at, { timeZone: "Europe/London" }))
    assert.strictEqual(DateTime.toParts(zoned).hour, 12)
    assert.include(DateTime.formatIsoZoned(zoned), "Europe/London")
  })

  it("can use decimals and durations as before", () => {
    const value = shared(Schema.Array(Schema.BigDecimal), [BigDecimal.make(1500n, 2), BigDecimal.make(0n, 5)])
    assert.deepStrictEqual(value.map(BigDecimal.format), ["15", "0"])
    assert.deepStrictEqual(value.map(BigDecimal.normalize).map(BigDecimal.format), ["15", "0"])
    assert.isTrue(value[0] !== undefined && BigDecimal.isPositive(value[0]))
    const duration = shared(Schema.Duration, Duration.minutes(5))
    assert.strictEqual(Duration.toSeconds(duration), 300)
  })

  it("can use classes as before, though frozen", () => {
    const value = shared(Schema.Array(Money), [new Money({ amount: BigDecimal.make(15n, 1), tags: ["a"] })])
    const [money] = value
    assert.instanceOf(money, Money)
    assert.strictEqual(BigDecimal.format(money.double()), "3")
    assert.isTrue(Object.isFrozen(money) && Object.isFrozen(money.tags))
  })

  it("can use options as before, though frozen", () => {
    const value = shared(Schema.Option(Schema.Struct({ a: Schema.Number })), Option.some({ a: 1 }))
    assert.isTrue(Option.isSome(value) && Object.isFrozen(value.value))
    assert.strictEqual(Option.getOrThrow(Option.map(value, ({ a }) => a + 1)), 2)
  })

  it("gives each reader a copy of an instance of any other class", () => {
    const copied = <A>(schema: Codec.ValueSchema<A>, value: A): A => {
      const codec = Codec.schema(schema)
      const snapshot = Snapshot.make(codec, value, KEY)
      assert.notStrictEqual(Snapshot.read(snapshot, codec, KEY), Snapshot.read(snapshot, codec, KEY))
      return Snapshot.read(snapshot, codec, KEY)
    }
    assert.strictEqual(copied(Schema.URL, new URL("https://a.b/c")).href, "https://a.b/c")
    const chunk = copied(Schema.Chunk(Schema.Number), Chunk.appendAll(Chunk.make(1), Chunk.make(2)))
    assert.deepStrictEqual(Chunk.toReadonlyArray(chunk), [1, 2])
    const map = copied(Schema.HashMap(Schema.String, Schema.Number), HashMap.make(["a", 1]))
    assert.strictEqual(HashMap.size(HashMap.set(map, "b", 2)), 2)
  })
})

describe("Snapshot.own", () => {
  const passing = <A>(decode: () => A): Codec.Codec<A> =>
    Codec.make((value, key) => Codec.msgpack.encode(value, key), decode)

  it("takes the value as it is", () => {
    const value = { a: [1] }
    const snapshot = Snapshot.own(Codec.msgpack, value, KEY)
    assert.strictEqual(snapshot.value, value)
    assert.isTrue(Object.isFrozen(value.a))
  })

  it("refuses a value that its codec could not have stored", () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
    const ring: Array<unknown> = []
    ring.push(ring)
    for (const value of [nested(5000), ring, { pattern: /a/g }, { error: new Error("x") }]) {
      const codec = passing(() => value)
      assert.strictEqual(cacheErrorOf(() => Snapshot.own(codec, value, KEY)).reason, "Decode")
    }
  })
})

describe("Snapshot.read", () => {
  it("goes through the bytes for a reader with another codec", () => {
    const Wide = Schema.Struct({ a: Schema.Number, b: Schema.Number })
    const [wide, same, text] = [Codec.schema(Wide), Codec.schema(Wide), Codec.json]
    const snapshot = Snapshot.make(wide, { a: 1, b: 2 }, KEY)
    assert.isTrue(Snapshot.wasMadeWith(snapshot, wide))
    assert.isFalse(Snapshot.wasMadeWith(snapshot, same))
    deepStrictEqual(Snapshot.read(snapshot, same, KEY), { a: 1, b: 2 })
    assert.strictEqual(cacheErrorOf(() => Snapshot.read(snapshot, text, KEY)).reason, "Decode")
    assert.strictEqual(cacheErrorOf(() => read(snapshot)).reason, "Decode")
  })

  it("does so for a value that stayed encoded, too", () => {
    const dates = Codec.schema(Schema.Array(Schema.Unknown))
    const snapshot = Snapshot.make(dates, [new Date(5)], KEY)
    deepStrictEqual(read(snapshot), [new Date(5)])
    assert.strictEqual(cacheErrorOf(() => Snapshot.read(snapshot, Codec.json, KEY)).reason, "Decode")
  })
})

describe("Snapshot.decode", () => {
  it("makes another snapshot of the same codec", () => {
    const snapshot = make({ a: 1 })
    const next = snapshot.decode(Codec.msgpack.encode({ b: [2] }, KEY), KEY)
    assert.isTrue(next !== undefined && Snapshot.wasMadeWith(next, Codec.msgpack))
    deepStrictEqual(next?.value, { b: [2] })
  })

  it("makes none of bytes that cannot be read", () => {
    assert.isUndefined(make({ a: 1 }).decode(Buffer.of(0xc1), KEY))
  })
})

describe("Snapshot.size", () => {
  it("is above zero, and larger for what contains more", () => {
    fc.assert(
      fc.property(defined, (value) => {
        const { size } = make(value)
        assert.isAbove(size, 0)
        assert.isAbove(make([value]).size, size)
        assert.isAtLeast(make({ value, more: "x".repeat(1000) }).size, size + 1000)
      }),
      runs(60)
    )
  })

  it("is of the order of what the value takes", () => {
    assert.isAtLeast(make("x".repeat(10_000)).size, 10_000)
    assert.isAtLeast(make(new Uint8Array(10_000)).size, 10_000)
    assert.isAtLeast(make(Array.from({ length: 10_000 }, (_, index) => index)).size, 80_000)
    assert.isBelow(make("x".repeat(10_000)).size, 30_000)
    assert.isBelow(make({ a: 1 }).size, 200)
  })

  it("does not count the unused rest of an encoder's buffer", () => {
    const { bytes } = make(new Date(5))
    assert.strictEqual(bytes?.buffer.byteLength, bytes?.length)
  })
})

describe("Snapshot.promiseOf", () => {
  it("is the snapshot's own for its own shared value, and another for any other", async () => {
    const snapshot = make({ a: 1 })
    const value = read(snapshot)
    const promise = Snapshot.promiseOf(snapshot, Codec.msgpack, value)
    assert.strictEqual(Snapshot.promiseOf(snapshot, Codec.msgpack, value), promise)
    assert.strictEqual(await promise, value)
    assert.strictEqual(await Snapshot.promiseOf<unknown>(snapshot, Codec.msgpack, "other"), "other")
    assert.strictEqual(await Snapshot.promiseOf<unknown>(undefined, Codec.msgpack, "other"), "other")
    assert.strictEqual(await Snapshot.promiseOf<unknown>(Snapshot.gone, Codec.msgpack, "other"), "other")
  })
})
