import { deepStrictEqual } from "node:assert"
import { CacheError, Codec } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as fc from "fast-check"
import { json, runs, storable } from "./arbitraries.ts"
import { cacheErrorOf } from "./thrown.ts"

const KEY = "tradecore:some:key"

const Quote = Schema.Struct({
  symbol: Schema.String,
  bid: Schema.Number,
  note: Schema.optional(Schema.Unknown),
  tags: Schema.Array(Schema.String)
})
const quote = { symbol: "AAPL", bid: 1.5, note: { deep: [1, { a: -0 }] }, tags: ["é".repeat(100), "x"] }

interface Subject {
  readonly name: string
  readonly decode: (bytes: Uint8Array) => unknown
  /** Payloads of all kinds of values. */
  readonly payload: fc.Arbitrary<Uint8Array>
  /** What must come back from the same codec at any time. */
  readonly assertWorks: () => void
}

const subject = <A>(name: string, codec: Codec.Codec<A>, value: A, values: fc.Arbitrary<A>): Subject => ({
  name,
  decode: (bytes) => codec.decode(bytes, KEY),
  payload: values.map((value) => codec.encode(value, KEY)),
  assertWorks: () => deepStrictEqual(codec.decode(codec.encode(value, KEY), KEY), value)
})

const quotes = storable.map((note) => ({ ...quote, note }))
const subjects = [
  subject(
    "msgpack",
    Codec.msgpack,
    { a: [1, { b: new Date(5) }], c: "x".repeat(100) },
    storable.filter((value) => value !== undefined)
  ),
  subject("schema", Codec.schema(Quote), quote, quotes),
  subject("schema of an array", Codec.schema(Schema.Array(Quote)), [quote, quote], fc.array(quotes, { maxLength: 3 })),
  subject(
    "schema without fields",
    Codec.schema(Schema.Unknown),
    new Map([[1, "x"]]),
    storable.filter((value) => value !== undefined)
  ),
  subject(
    "schemaJson",
    Codec.schemaJson(Quote),
    quote,
    json.map((note) => ({ ...quote, note }))
  ),
  subject(
    "json",
    Codec.json,
    { a: [1, "x"] },
    json.map((value) => Schema.decodeUnknownSync(Schema.Json)(value))
  )
]

/** Whatever the bytes are, there is a value or a `CacheError`, and the codec reads the next payload as before. */
const survives = ({ assertWorks, decode }: Subject, bytes: Uint8Array) => {
  try {
    assert.notStrictEqual(decode(bytes), undefined)
  } catch (error) {
    if (!CacheError.isCacheError(error)) throw error
    assert.strictEqual(error.reason, "Decode")
  }
  assertWorks()
  for (const builtIn of [Object, Array, Map, Function]) assert.isEmpty(Object.keys(builtIn.prototype))
}

const bytesOf = (...parts: ReadonlyArray<number | string | Uint8Array>): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.of(part) : Buffer.from(part))))

const repeated = (bytes: Uint8Array, times: number) => Buffer.alloc(bytes.length * times, bytes)

/** A string long enough for the native part of msgpackr to read ahead. */
const longText = bytesOf(0xd9, 200, "é".repeat(100))

/** Defines record 0x40, which is the number of a schema's own fields, as one with a single field. */
const redefinition = bytesOf(0xd4, 0x72, 0x40, 0x91, 0xa1, "x", 0x01)

const malicious: ReadonlyArray<readonly [name: string, bytes: Uint8Array]> = [
  ["nothing", bytesOf()],
  ["undefined", bytesOf(0xd4, 0, 0)],
  ["the redefinition of a record", redefinition],
  ["a redefinition, then that record", bytesOf(0x92, redefinition, 0x40, 1, 2, 3, 4)],
  ["a redefinition that is cut off", redefinition.subarray(0, 4)],
  ["the definition of a record of high number", bytesOf(0xd5, 0x72, 0x40, 0x01, 0x91, 0xa1, "x", 0x01)],
  ["the definition of a record of negative number", bytesOf(0xd5, 0x72, 0x01, 0x01, 0x91, 0xa1, "x", 0x01)],
  ["a record of which no definition exists", bytesOf(0x7f)],
  ["a field named __proto__", bytesOf(0xd4, 0x72, 0x41, 0x91, 0xa9, "__proto__", 0x81, 0xa1, "x", 1)],
  ["a field that is code", bytesOf(0xd4, 0x72, 0x41, 0x91, 0xb0, "x:0}),polluted=1", 1)],
  ["a Map with a key named __proto__", bytesOf(0x81, 0xa9, "__proto__", 0x81, 0xa1, "x", 1)],
  ["a reference to itself", bytesOf(0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1)],
  ["a regular expression", bytesOf(0xd4, 0x78, 0, 0x92, 0xa1, "(", 0xa1, "g")],
  ["an error", bytesOf(0xd4, 0x65, 0, 0x93, 0xa5, "Error", 0xa1, "x", 0xc0)],
  ["an array of 2^32 - 1 elements", bytesOf(0xdd, 0xff, 0xff, 0xff, 0xff, 1)],
  ["a Map of 2^32 - 1 entries", bytesOf(0xdf, 0xff, 0xff, 0xff, 0xff, 1)],
  ["a string of 2^32 - 1 bytes", bytesOf(0xdb, 0xff, 0xff, 0xff, 0xff, "x")],
  ["2^32 - 1 bytes", bytesOf(0xc6, 0xff, 0xff, 0xff, 0xff, 1)],
  ["an extension of 2^32 - 1 bytes", bytesOf(0xc9, 0xff, 0xff, 0xff, 0xff, 0x74, 1)],
  ["a typed array of no known type", bytesOf(0xc7, 2, 0x74, 99, 1)],
  ["a typed array of half an element", bytesOf(0xc7, 2, 0x74, 8, 1)],
  ["an extension of no known type", bytesOf(0xd4, 0x11, 1)],
  ["strings in a bundle before the beginning", bytesOf(0xd6, 0x62, 0x80, 0, 0, 0, 0xc1, 5)],
  ["strings in a bundle that is itself", bytesOf(0xd6, 0x62, 0, 0, 0, 0, 0xc1, 5)],
  ["arrays in arrays", repeated(bytesOf(0x91), 100_000)],
  ["arrays in arrays, closed", bytesOf(repeated(bytesOf(0x91), 3000), 0xc0)],
  ["arrays in arrays after a string", bytesOf(0x92, longText, repeated(bytesOf(0x91), 100_000))],
  ["wide arrays in arrays", repeated(bytesOf(0xdc, 0xff, 0xff), 30_000)],
  ["Maps in Maps after a string", bytesOf(0x92, longText, repeated(bytesOf(0x81, 0xa1, "a"), 100_000))],
  ["Sets in Sets", repeated(bytesOf(0xd4, 0x73, 0, 0x91), 200_000)],
  ["records in records", repeated(bytesOf(0xd4, 0x72, 0x41, 0x91, 0xa1, "a"), 200_000)],
  ["records as their own definitions", repeated(bytesOf(0xd4, 0x72, 0x41), 200_000)],
  ["arrays in arrays of JSON", bytesOf("[".repeat(100_000), "]".repeat(100_000))],
  ["objects in objects of JSON", bytesOf('{"a":'.repeat(100_000), "1", "}".repeat(100_000))],
  ["a field of JSON named __proto__", bytesOf('{"symbol":"x","bid":1,"tags":[],"note":{"__proto__":{"x":1}}}')],
  ["bytes that are no UTF-8", bytesOf('{"a":"', 0xff, 0xc0, '"}')]
]

describe.each(subjects)("Codec of hostile bytes: $name", (subject) => {
  /** What stands before the payload, so that the bytes get past the check of the fields. */
  const prefixes = [Buffer.of(), ...fc.sample(subject.payload, 1).map((payload) => payload.subarray(0, 4))]

  it("survives any bytes", () => {
    fc.assert(
      fc.property(fc.constantFrom(...prefixes), fc.uint8Array({ maxLength: 100 }), (prefix, bytes) =>
        survives(subject, bytesOf(prefix, bytes))
      ),
      runs(60)
    )
  })

  it("survives payloads that are cut off", () => {
    fc.assert(
      fc.property(subject.payload, fc.nat(), (payload, length) =>
        survives(subject, payload.subarray(0, length % payload.length))
      ),
      runs(40)
    )
  })

  it("survives payloads with flipped bits", () => {
    fc.assert(
      fc.property(subject.payload, fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), (payload, bits) => {
        const bytes = Buffer.from(payload)
        for (const bit of bits)
          bytes.writeUInt8(bytes.readUInt8((bit >> 3) % bytes.length) ^ (1 << (bit & 7)), (bit >> 3) % bytes.length)
        survives(subject, bytes)
      }),
      runs(60)
    )
  })

  it("survives payloads with something malicious in them", () => {
    const small = malicious.map(([, bytes]) => bytes).filter((bytes) => bytes.length < 100)
    fc.assert(
      fc.property(subject.payload, fc.nat(), fc.constantFrom(...small), (payload, at, bytes) => {
        const offset = at % (payload.length + 1)
        survives(subject, bytesOf(payload.subarray(0, offset), bytes, payload.subarray(offset)))
        survives(subject, bytesOf(payload.subarray(0, offset), bytes))
      }),
      runs(40)
    )
  })

  it.each(malicious)("survives %s", (_, bytes) => {
    for (const prefix of prefixes) survives(subject, bytesOf(prefix, bytes))
  })
})

describe("Codec.msgpack", () => {
  it.each([
    ["a cycle", bytesOf(0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1)],
    ["what follows a value", bytesOf(0xc0, 0xc0)],
    ["half a value", bytesOf(0x92, 0x01)],
    ["an array longer than all bytes", bytesOf(0xdd, 0xff, 0xff, 0xff, 0xff, 1)]
  ])("does not read %s", (_, bytes) => {
    const error = cacheErrorOf(() => Codec.msgpack.decode(bytes, KEY))
    assert.strictEqual(error.reason, "Decode")
  })

  it("sets no prototype", () => {
    const value = Codec.msgpack.decode(bytesOf(0xd4, 0x72, 0x41, 0x91, 0xa9, "__proto__", 0x81, 0xa1, "x", 1), KEY)
    assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
    assert.isFalse(Object.hasOwn(Object(value), "__proto__"))
  })

  it("does not quote what it cannot read", () => {
    const error = cacheErrorOf(() => Codec.msgpack.decode(bytesOf(0xa7, "hunter2", 0xc0), KEY))
    assert.notInclude(error.message, "hunter2")
  })
})

describe("Codec.schema", () => {
  it("reads its own fields after bytes that redefine them", () => {
    const codec = Codec.schema(Quote)
    const payload = codec.encode(quote, KEY)
    const [fingerprint, body] = [payload.subarray(0, 4), payload.subarray(4)]
    for (let round = 0; round < 10; round++) {
      assert.throws(() => codec.decode(bytesOf(fingerprint, 0x92, redefinition, body), KEY))
      assert.throws(() => codec.decode(bytesOf(fingerprint, redefinition), KEY))
      deepStrictEqual(codec.decode(payload, KEY), quote)
      deepStrictEqual(codec.encode(quote, KEY), payload)
    }
  })
})
