import { deepStrictEqual } from "node:assert"
import { CacheError, Codec } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Equal, Option, Redacted, Result, Schema } from "effect"
import * as fc from "fast-check"
import { bigint, json, number, runs, storable, text } from "./arbitraries.ts"
import { cacheErrorOf } from "./thrown.ts"

const KEY = "tradecore:some:key"
const SECRET = "hunter2"

class Money extends Schema.Class<Money>("Money")({
  amount: Schema.BigDecimal,
  at: Schema.DateTimeUtc,
  note: Schema.optional(Schema.String)
}) {
  get isDebt(): boolean {
    return BigDecimal.isNegative(this.amount)
  }
}

const UserId = Schema.String.pipe(Schema.brand("UserId"))

class Filled extends Schema.TaggedClass<Filled>()("Filled", { quantity: Schema.Number }) {}

interface Folder {
  readonly name: string
  readonly folders: ReadonlyArray<Folder>
  readonly trash?: Folder | undefined
}
const Folder: Schema.Codec<Folder> = Schema.Struct({
  name: Schema.String,
  folders: Schema.Array(Schema.suspend(() => Folder)),
  trash: Schema.optional(Schema.suspend(() => Folder))
})

const Order = Schema.Union([
  Schema.TaggedStruct("Open", { at: Schema.DateTimeUtc, limit: Schema.NullOr(Schema.BigInt) }),
  Schema.TaggedStruct("Closed", { at: Schema.DateTimeUtc, reason: Schema.Literals(["filled", "cancelled"]) })
])

const noon = DateTime.makeUnsafe("2024-02-29T12:00:00.123Z")
const epoch = DateTime.makeUnsafe(0)

const codecsOf = <A>(schema: Codec.ValueSchema<A>): ReadonlyArray<Codec.Codec<A>> => [
  Codec.schema(schema),
  Codec.schemaJson(schema)
]

const roundTrip = <A>(codec: Codec.Codec<A>, value: A): A => codec.decode(codec.encode(value, KEY), KEY)

const reasonOf = (f: () => unknown) => cacheErrorOf(f).reason

const itStores = <A>(name: string, schema: Codec.ValueSchema<A>, ...values: ReadonlyArray<A>) => {
  it(`store ${name}`, () => {
    for (const codec of codecsOf(schema)) {
      for (const value of values) deepStrictEqual(roundTrip(codec, value), value)
    }
  })
}

/** For types of Effect that keep a derived form in a field, in which equal values differ. */
const itStoresEqual = <A>(name: string, schema: Codec.ValueSchema<A>, ...values: ReadonlyArray<A>) => {
  it(`store ${name}`, () => {
    for (const codec of codecsOf(schema)) {
      for (const value of values) assert.isTrue(Equal.equals(roundTrip(codec, value), value))
    }
  })
}

/** What only MessagePack's form can hold; JSON's refuses it. */
const itStoresBinary = <A>(name: string, schema: Codec.ValueSchema<A>, ...values: ReadonlyArray<A>) => {
  it(`store ${name} (not as JSON)`, () => {
    for (const value of values) {
      deepStrictEqual(roundTrip(Codec.schema(schema), value), value)
      assert.strictEqual(
        reasonOf(() => Codec.schemaJson(schema).encode(value, KEY)),
        "Encode"
      )
    }
  })
}

describe("Codec.schema and Codec.schemaJson", () => {
  const { BigInt, DateTimeUtc, NullOr, NullishOr, Number, String, Struct, UndefinedOr, Union, optional, optionalKey } =
    Schema

  itStores("strings", String, "", "x", "\uFEFF".repeat(100), "é€😀\u2028\0")
  itStores("numbers", Number, 0, -0, 5, 1.5, 2 ** 53, NaN, Infinity, -Infinity)
  itStores("numbers in structs", Struct({ a: Number, b: Schema.Finite }), { a: -0, b: -0 }, { a: NaN, b: 1 })
  itStores("bigints", BigInt, 0n, -(2n ** 200n))
  itStores("booleans and null", Union([Schema.Boolean, Schema.Null]), true, false, null)
  itStores("literals", Schema.Literals(["a", 1, 2n, true]), "a", 1, 2n, true)
  itStores("template literals", Schema.TemplateLiteral(["acct-", Number]), "acct-5")
  itStores("enums", Schema.Enum({ Buy: "buy", Sell: 1 }), "buy", 1)
  itStores("brands", UserId, UserId.make("user-123"))
  itStores("an empty struct", Struct({}), {})
  itStores("optional keys", Struct({ a: optionalKey(Number), b: optionalKey(DateTimeUtc) }), {}, { a: 1 }, { b: noon })
  itStores("optional fields", Struct({ a: optional(Number) }), {}, { a: 1 }, { a: undefined })
  itStores("null or a value", Struct({ a: NullOr(DateTimeUtc) }), { a: null }, { a: noon })
  itStores("undefined or a value", Struct({ a: UndefinedOr(DateTimeUtc) }), { a: undefined }, { a: noon })
  itStores("nothing but null of nullish", Struct({ a: NullishOr(DateTimeUtc) }), { a: null }, { a: noon })
  itStores("elements that are undefined", Schema.Array(UndefinedOr(Number)), [undefined, 1, undefined])
  itStores("tuples", Schema.Tuple([String, optionalKey(Number)]), ["a"], ["a", 1])
  itStores("records", Schema.Record(String, Number), {}, { "": 1, constructor: 2, "7": 3 })
  itStores("structs with more fields", Schema.StructWithRest(Struct({ a: Number }), [Schema.Record(String, Number)]), {
    a: 1,
    z: -0
  })
  itStores("Dates", Schema.Date, new Date(0), new Date(-8.64e15), new Date(8.64e15))
  itStores("moments", DateTimeUtc, noon, epoch, DateTime.makeUnsafe(-1))
  itStoresEqual("moments of a zone", Schema.DateTimeZoned, DateTime.makeZonedUnsafe(0, { timeZone: "Europe/London" }))
  itStoresEqual("decimals", Schema.BigDecimal, BigDecimal.fromStringUnsafe("-1.50"), BigDecimal.make(15n, -30))
  itStores("durations", Schema.Duration, Duration.seconds(5), Duration.nanos(5n), Duration.infinity)
  itStores(
    "Maps",
    Schema.ReadonlyMap(NullOr(String), Number),
    new Map(),
    new Map([
      ["a", NaN],
      [null, -0]
    ])
  )
  itStores("Sets", Schema.ReadonlySet(DateTimeUtc), new Set(), new Set([noon, epoch]))
  itStores("bytes", Schema.Uint8Array, new Uint8Array(0), new Uint8Array(300).fill(255))
  itStores("options", Schema.Option(UndefinedOr(Number)), Option.none(), Option.some(NaN), Option.some(undefined))
  itStores("results", Schema.Result(Number, String), Result.succeed(-0), Result.fail("x"))
  itStores(
    "secrets",
    Schema.Redacted(String).pipe((schema) => Struct({ a: schema })),
    { a: Redacted.make("x") }
  )
  itStores("tagged classes", Filled, new Filled({ quantity: -0 }))
  itStores("arrays of classes", Schema.Array(Filled), [], [new Filled({ quantity: 1 }), new Filled({ quantity: NaN })])
  itStores("optional classes", Struct({ a: optionalKey(Filled) }), {}, { a: new Filled({ quantity: 1 }) })
  itStoresEqual(
    "classes",
    Money,
    new Money({ amount: BigDecimal.make(-105n, 1), at: noon }),
    new Money({ amount: BigDecimal.make(1n, 0), at: epoch, note: undefined })
  )
  itStores("unions of classes and structs", Union([Filled, Struct({ a: Number })]), new Filled({ quantity: 1 }), {
    a: 1
  })
  itStores(
    "tagged unions",
    Order,
    { _tag: "Open", at: noon, limit: 5n },
    { _tag: "Open", at: noon, limit: null },
    { _tag: "Closed", at: epoch, reason: "filled" }
  )
  itStores("recursive values", Folder, {
    name: "a",
    folders: [{ name: "b", folders: [], trash: undefined }],
    trash: { name: "c", folders: [] }
  })
  itStores("JSON", Struct({ a: Schema.Json }), { a: null }, { a: { b: [-0, "x"] } })
  itStores("unknown values of JSON", Schema.Unknown, 1, "a", { b: [-0] })
  itStores("encodings of one's own", Struct({ a: Schema.FiniteFromString, b: Schema.DateFromString }), {
    a: 1.5,
    b: new Date(5)
  })

  itStoresBinary("undefined of nullish", Struct({ a: NullishOr(Number) }), { a: undefined })
  itStoresBinary("undefined of optional and null", Struct({ a: optional(NullOr(DateTimeUtc)) }), { a: undefined })
  itStoresBinary("nullish elements", Schema.Array(NullishOr(Number)), [undefined, null, 1])
  itStoresBinary("nullish fields of classes", Schema.Array(Struct({ a: NullishOr(Filled) })), [{ a: undefined }])
  itStoresBinary("NaN beside its name", Union([Number, String]), "NaN")
  itStoresBinary("bigints beside their digits", Union([BigInt, String]), "5")
  itStoresBinary("unknown values", Struct({ a: Schema.Unknown }), { a: new Date(0) }, { a: new Map([[1n, NaN]]) })
  itStoresBinary("objects of any kind", Schema.ObjectKeyword, new Date(0), new Set([1]))

  it("take a schema of which a part is declared later", () => {
    const codec = Codec.schema(Schema.Struct({ later: Schema.suspend(() => Later) }))
    const Later = Schema.UndefinedOr(Schema.Number)
    deepStrictEqual(roundTrip(codec, { later: undefined }), { later: undefined })
  })
})

describe("Codec.schema and Codec.schemaJson, of any value,", () => {
  const Everything = Schema.Struct({
    number: Schema.Number,
    text: Schema.String,
    bigint: Schema.BigInt,
    nullish: Schema.NullishOr(Schema.Number),
    optional: Schema.optional(Schema.NullOr(Schema.String)),
    record: Schema.Record(Schema.String, Schema.NullishOr(Schema.BigInt)),
    list: Schema.Array(Schema.Union([Schema.Number, Schema.String, Schema.BigInt, Schema.Null, Schema.Undefined])),
    date: Schema.Union([Schema.Date, Schema.String]),
    anything: Schema.Unknown
  })
  const isoText = fc.date({ noInvalidDate: true }).map((date) => date.toISOString())
  const values = (anything: fc.Arbitrary<unknown>): fc.Arbitrary<typeof Everything.Type> => {
    const nullish = fc.constantFrom(null, undefined)
    const name = text.filter((name) => !/^\uFEFF|^__(keys|proto)__$/.test(name))
    return fc.record(
      {
        number,
        text,
        bigint,
        nullish: fc.oneof(number, nullish),
        optional: fc.oneof(text, nullish),
        record: fc.dictionary(name, fc.oneof(bigint, nullish), { noNullPrototype: true }),
        list: fc.array(fc.oneof(number, text, bigint, nullish, number.map(String), bigint.map(String))),
        date: fc.oneof(fc.date({ noInvalidDate: true }), isoText, text),
        anything
      },
      {
        noNullPrototype: true,
        requiredKeys: ["number", "text", "bigint", "nullish", "record", "list", "date", "anything"]
      }
    )
  }

  /** Whether what was stored came back, exactly; false if it was refused. */
  const isStored = (codec: Codec.Codec<typeof Everything.Type>, value: typeof Everything.Type): boolean => {
    let back: unknown
    try {
      back = roundTrip(codec, value)
    } catch (error) {
      assert.isTrue(CacheError.isCacheError(error) && error.reason === "Encode")
      return false
    }
    deepStrictEqual(back, value)
    return true
  }

  it("return exactly what was stored, and refuse only text that reads as a date", () => {
    const codec = Codec.schema(Everything)
    fc.assert(
      fc.property(values(storable), (value) => {
        const isAmbiguous = typeof value.date === "string" && !Number.isNaN(Date.parse(value.date))
        assert.isTrue(isStored(codec, value) || isAmbiguous)
      }),
      runs(50)
    )
  })

  it("return exactly what was stored, or refuse what JSON would take for something else", () => {
    const codec = Codec.schemaJson(Everything)
    fc.assert(
      fc.property(values(json), (value) => {
        const { list, nullish, optional, record } = value
        const isAmbiguous =
          (Object.hasOwn(value, "optional") && optional === undefined) ||
          [nullish, ...Object.values(record), ...list].includes(undefined) ||
          [...list, value.date].some((text) => typeof text === "string" && /^-?(\d|Inf)|NaN/.test(text)) ||
          !Number.isNaN(Date.parse(String(value.date)))
        assert.isTrue(isStored(codec, value) || isAmbiguous)
      }),
      runs(50)
    )
  })

  it.each([
    ["another type", { password: 5 }, "Expected string at password"],
    ["a missing field", {}, "Missing key at password"],
    ["what a check refuses", { password: SECRET }, "Expected a value with a length of at least 10 at password"],
    ["an ill-formed string", { password: `${SECRET}${SECRET}\ud800` }, "a string with a lone surrogate"],
    ["what a check of the user's refuses", { password: "a".repeat(20) }, "Expected <filter> at password"],
    ["a key of a record", { password: "b".repeat(10), others: { [SECRET]: "x" } }, "Expected number at others.…"]
  ])("refuse %s, and say where, but not what it is", (_, value, message) => {
    const Login = Schema.Struct({
      password: Schema.String.check(
        Schema.isMinLength(10),
        Schema.makeFilter((password) => (password.startsWith("a") ? `${password} is too simple` : undefined))
      ),
      others: Schema.optionalKey(Schema.Record(Schema.String, Schema.Number))
    })
    for (const codec of codecsOf<unknown>(Schema.make<Schema.Codec<unknown>>(Login.ast))) {
      const error = cacheErrorOf(() => codec.encode(value, KEY))
      assert.strictEqual(error.reason, "Encode")
      assert.strictEqual(error.message, `this value cannot be stored: ${message}`)
    }
  })

  it("refuse undefined, which stands for absence", () => {
    for (const codec of codecsOf(Schema.UndefinedOr(Schema.String))) {
      assert.strictEqual(
        reasonOf(() => codec.encode(undefined, KEY)),
        "Encode"
      )
    }
  })

  it("drop fields that the schema does not have", () => {
    const value = { a: 1, b: 2 }
    for (const codec of codecsOf(Schema.Struct({ a: Schema.Number })))
      deepStrictEqual(roundTrip(codec, value), { a: 1 })
  })
})

describe("Codec.schema", () => {
  const Quote = Schema.Struct({
    symbol: Schema.String,
    bid: Schema.Finite,
    ask: Schema.Finite,
    last: Schema.Finite,
    timestamp: Schema.Finite
  })
  const quote = { symbol: "AAPL", bid: 189.12, ask: 189.15, last: 189.13, timestamp: 1_700_000_000_123 }

  it("leaves out the names of the fields", () => {
    const bytes = Codec.schema(Quote).encode(quote, KEY)
    assert.isBelow(bytes.length, 50)
    assert.isBelow(bytes.length, Codec.schemaJson(Quote).encode(quote, KEY).length / 1.5)
    assert.isBelow(bytes.length, Codec.msgpack.encode(quote, KEY).length / 1.5)
  })

  it("leaves out the names of the fields of each element", () => {
    const quotes = Array.from({ length: 100 }, () => quote)
    const codec = Codec.schema(Schema.Array(Quote))
    deepStrictEqual(roundTrip(codec, quotes), quotes)
    assert.isBelow(codec.encode(quotes, KEY).length, 100 * 50)
  })

  it("finds no field where another version of the schema put another", () => {
    const { fields } = Quote
    const { last, ...shorter } = fields
    const versions = [
      shorter,
      { ...shorter, last },
      { ...fields, volume: Schema.optionalKey(Schema.Finite) },
      { ...fields, bid: Schema.String },
      {}
    ]
    const bytes = Codec.schema(Quote).encode(quote, KEY)
    const others = versions.map((fields) =>
      Codec.schema<unknown>(Schema.make<Schema.Codec<unknown>>(Schema.Struct(fields).ast))
    )
    for (const other of others)
      assert.strictEqual(
        reasonOf(() => other.decode(bytes, KEY)),
        "Decode"
      )
    deepStrictEqual(Codec.schema(Schema.Struct({ ...fields })).decode(bytes, KEY), quote)
  })

  it("does not take one kind of payload for another", () => {
    const codecs = [Codec.schema(Quote), Codec.schemaJson(Quote), Codec.msgpack]
    for (const writer of codecs) {
      for (const reader of codecs.filter((codec) => codec !== writer)) {
        assert.strictEqual(
          reasonOf(() => reader.decode(writer.encode(quote, KEY), KEY)),
          "Decode"
        )
      }
    }
  })

  it("writes whole numbers as Codec.msgpack does, so that counters have one form", () => {
    deepStrictEqual(Codec.schema(Schema.Int).encode(42, KEY), Codec.msgpack.encode(42, KEY))
  })
})
