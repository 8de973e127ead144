/**
 * What properties are tried on.
 */
import * as fc from "fast-check"

/** How often a property is tried: so often, or ten times as often in a full run. */
export const runs = (count: number): { readonly numRuns: number } => ({
  numRuns: process.env["TIERCACHE_TEST_FULL"] === undefined ? count : count * 10
})

/** Well-formed text: empty, long, of all planes, with control characters, with a byte order mark. */
export const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string() },
  { weight: 4, arbitrary: fc.string({ unit: "binary" }) },
  fc
    .tuple(fc.string({ unit: "binary", minLength: 1, maxLength: 4 }), fc.nat(200))
    .map(([part, times]) => part.repeat(times)),
  fc.string({ unit: "binary" }).map((rest) => `\uFEFF${rest}`),
  fc.string({ unit: "binary" }).map((rest) => `\uFEFF${rest}`.repeat(40)),
  // the lengths at which MessagePack changes its header, in characters of one, two, three and four bytes
  fc
    .tuple(fc.constantFrom(15, 16, 31, 32, 63, 64, 65, 255, 256), fc.constantFrom("a", "é", "€", "😀"))
    .map(([length, char]) => char.repeat(length))
)

/** Texts that look like encodings, or that an encoding could confuse. */
export const hostileText: fc.Arbitrary<string> = fc
  .array(
    fc.constantFrom(
      ..."ab:*?[]{}\\%@~.-_ \n\0\x7f/'()!".split(""),
      "%2A",
      "%3a",
      "%25",
      "%40",
      "%sha256-",
      "é",
      "😀",
      "\u2028",
      "__proto__",
      "0".repeat(64),
      "a".repeat(199)
    ),
    { minLength: 1, maxLength: 6 }
  )
  .map((pieces) => pieces.join(""))

export const number: fc.Arbitrary<number> = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc
    .tuple(fc.constantFrom(5, 6, 7, 8, 15, 16, 31, 32, 53), fc.constantFrom(-1, 0, 1), fc.constantFrom(1, -1))
    .map(([power, offset, sign]) => sign * (2 ** power + offset)),
  fc.constantFrom(0, -0, NaN, Infinity, -Infinity, Number.MAX_VALUE, Number.MIN_VALUE, Number.EPSILON)
)

export const bigint: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt(),
  fc
    .tuple(
      fc.constantFrom(31n, 63n, 64n, 65n, 127n, 128n, 200n, 65_536n, 65_537n, 70_001n),
      fc.constantFrom(-1n, 0n, 1n),
      fc.constantFrom(1n, -1n)
    )
    .map(([power, offset, sign]) => sign * (2n ** power + offset))
)

const bytes = fc.uint8Array({ maxLength: 40 })

/** Dates, and all that is made of bytes; views that begin in the middle of their buffer among them. */
const binary: fc.Arbitrary<object> = fc.oneof(
  fc.date({ noInvalidDate: false }),
  fc.int8Array(),
  bytes,
  fc.uint8ClampedArray(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
  fc.uint8Array({ minLength: 250, maxLength: 300 }),
  fc.uint8Array({ minLength: 3 }).map((array) => array.subarray(1, -1)),
  bytes.map((array) => Buffer.from(array)),
  bytes.map((array) => Uint8Array.from(array).buffer),
  bytes.map((array) => new DataView(Uint8Array.from(array).buffer))
)

/** Names of fields that have a meaning elsewhere. */
const fieldName = fc
  .oneof(
    { weight: 3, arbitrary: text },
    fc.constantFrom(
      "",
      "0",
      "1",
      "-1",
      "constructor",
      "toString",
      "valueOf",
      "hasOwnProperty",
      "toJSON",
      "length",
      "then",
      "prototype",
      "_tag",
      "__proto_"
    )
  )
  .filter((name) => !name.startsWith("\uFEFF") && name !== "__proto__" && name !== "__keys__")

const record = (value: fc.Arbitrary<unknown>): fc.Arbitrary<object> =>
  fc.array(fc.tuple(fieldName, value), { maxLength: 6 }).map((fields) => Object.fromEntries(fields))

/** All that `Codec.msgpack` stores, undefined included, which it stores in a field only. */
export const storable: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(fc.constantFrom(null, undefined, true, false), number, bigint, text, binary),
    fc.array(tie("value"), { maxLength: 6 }),
    record(tie("value")),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 5 }).map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 5 }).map((elements) => new Set(elements))
  )
})).value

/** All that `Codec.json` stores. */
export const json: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(fc.constantFrom(null, true, false), number.filter(Number.isFinite), text),
    fc.array(tie("value"), { maxLength: 6 }),
    record(tie("value"))
  )
})).value
