import { assert, describe, it } from "@effect/vitest"
import { CacheError } from "@tiercache/core"
import { CanonicalParams } from "@tiercache/domains"
import { BigDecimal, DateTime, Redacted } from "effect"
import * as fc from "fast-check"

const runs = { numRuns: process.env.TIERCACHE_TEST_FULL === "1" ? 20_000 : 300 }

const { text } = CanonicalParams

/** As a caller without types calls it. */
const refusalOf = (param: unknown): CacheError.CacheError => {
  try {
    Reflect.apply(text, undefined, [param])
  } catch (error) {
    if (CacheError.isCacheError(error)) return error
    throw error
  }
  return assert.fail("it was taken")
}

/** Any UTF-16, lone surrogates too. */
const utf16 = fc
  .array(fc.integer({ max: 0xffff, min: 0 }), { maxLength: 4 })
  .map((units) => String.fromCharCode(...units))

/** Names that mean something elsewhere, and texts that look like something else. */
const name = fc.oneof(
  utf16,
  fc.constantFrom("__proto__", "constructor", "toJSON", "1", "01", '":', "}", "page", "\ud800")
)

const leaf: fc.Arbitrary<CanonicalParams.Param> = fc.oneof(
  fc.constantFrom(null, true, false, "", "null", "true", "1", "1n", "[]", "{}", "\ud800", "\udfff"),
  utf16,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -3, max: 3 }),
  fc.bigInt({ min: -3n, max: 3n })
)

const { param } = fc.letrec<{ readonly param: CanonicalParams.Param }>((tie) => ({
  param: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(tie("param"), { maxLength: 4 }),
    fc.array(fc.tuple(name, tie("param")), { maxLength: 4 }).map((fields) => Object.fromEntries(fields))
  )
}))

const isRecord = (value: CanonicalParams.Param): value is CanonicalParams.Params =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** The same with the names of all objects in reverse, and undefined fields between them. */
const reordered = (value: CanonicalParams.Param): CanonicalParams.Param => {
  if (Array.isArray(value)) return value.map(reordered)
  if (!isRecord(value)) return value
  const fields = Object.entries(value).map(([name, field = null]) => [name, reordered(field)] as const)
  const absent = fields
    .map(([name]) => [`${name}?`, undefined] as const)
    .filter(([name]) => !Object.hasOwn(value, name))
  return Object.fromEntries([...absent, ...fields.toReversed()])
}

/** Structural equality that knows nothing of texts; -0 is 0. */
const isSame = (self: CanonicalParams.Param, that: CanonicalParams.Param): boolean => {
  if (Array.isArray(self) || Array.isArray(that)) {
    return (
      Array.isArray(self) &&
      Array.isArray(that) &&
      self.length === that.length &&
      self.every((element, index) => isSame(element, that[index]))
    )
  }
  if (!isRecord(self) || !isRecord(that)) return self === that
  const names = Object.keys(self)
  return (
    names.length === Object.keys(that).length &&
    names.every((name) => Object.hasOwn(that, name) && isSame(self[name] ?? null, that[name] ?? null))
  )
}

describe("CanonicalParams.text", () => {
  it("does not depend on the order of names, nor on fields that are undefined, at any depth", () => {
    fc.assert(
      fc.property(param, (param) => assert.strictEqual(text(reordered(param)), text(param))),
      runs
    )
  })

  it("is another for other parameters", () => {
    const pair = fc.oneof(
      fc.tuple(param, param),
      // close to each other: one leaf apart
      fc
        .tuple(name, leaf, leaf)
        .map(([name, self, that]) => [{ a: [{ [name]: self }] }, { a: [{ [name]: that }] }] as const),
      fc.tuple(name, name, leaf).map(([self, that, leaf]) => [{ [self]: leaf }, { [that]: leaf }] as const)
    )
    fc.assert(
      fc.property(pair, ([self, that]) => assert.strictEqual(text(self) === text(that), isSame(self, that))),
      { numRuns: runs.numRuns * 4 }
    )
  })

  it.each([
    [{ b: 1, a: [2, 1] }, '{"a":[2,1],"b":1}'],
    [{ n: 1, s: "1", i: 1n }, '{"i":1n,"n":1,"s":"1"}'],
    [{ zero: -0, none: null, gone: undefined }, '{"none":null,"zero":0}'],
    [Object.fromEntries([["__proto__", 1]]), '{"__proto__":1}'],
    [{ 'a":1,"b': 1 }, '{"a\\":1,\\"b":1}'],
    [Object.create(null), "{}"]
  ])("of %o is what it always was: keys of a running system depend on it", (params, expected) => {
    assert.strictEqual(text(params), expected)
  })

  it("takes dates and decimals for what is sent of them", () => {
    const iso = "2026-01-02T15:04:05.678Z"
    const zoned = DateTime.makeZonedUnsafe(iso, { timeZone: "Europe/London" })
    for (const date of [new Date(iso), DateTime.makeUnsafe(iso), zoned])
      assert.strictEqual(text({ date }), text({ date: iso }))
    for (const amount of ["1.5", "1.50"]) {
      assert.strictEqual(text({ amount: BigDecimal.fromStringUnsafe(amount) }), text({ amount: "1.5" }))
    }
  })

  it("refuses what is no parameter, and does not quote it", () => {
    const cycle: Record<string, unknown> = {}
    cycle["self"] = { cycle }
    const cyclicArray: Array<unknown> = []
    cyclicArray.push(cyclicArray)
    const params = [
      NaN,
      Infinity,
      -Infinity,
      () => "hunter2",
      Symbol("hunter2"),
      new Date(NaN),
      new Map([["hunter2", 1]]),
      new Set(["hunter2"]),
      new URL("https://hunter2.example"),
      /hunter2/,
      new Uint8Array(3),
      Redacted.make("hunter2"),
      Promise.resolve("hunter2"),
      { [Symbol("hunter2")]: 1 },
      [1, undefined],
      // oxlint-disable-next-line no-sparse-arrays -- a hole is what is refused
      [1, , 2],
      cycle,
      cyclicArray
    ]
    for (const param of params) {
      for (const nested of [param, { hunter2: [{ param }] }, [[param]]]) {
        const error = refusalOf(nested)
        assert.strictEqual(error.reason, "InvalidKey")
        assert.notInclude(String(error), "hunter2")
      }
    }
    assert.strictEqual(refusalOf(undefined).reason, "InvalidKey")
  })

  it("refuses what is nested too deeply instead of overflowing the stack", () => {
    const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)])
    assert.strictEqual(text([[[1]]]), "[[[1]]]")
    assert.strictEqual(refusalOf(nested(65)).reason, "InvalidKey")
    assert.strictEqual(refusalOf(nested(2000)).reason, "InvalidKey")
  })
})
