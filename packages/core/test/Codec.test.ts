import { deepStrictEqual } from "node:assert"
import { execFileSync } from "node:child_process"
import { types } from "node:util"
import { CacheError, Codec } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { json, runs, storable, text } from "./arbitraries.ts"
import { cacheErrorOf } from "./thrown.ts"

const KEY = "tradecore:some:key"
const SECRET = "hunter2"

const roundTrip = (codec: Codec.Codec<unknown>, value: unknown): unknown => codec.decode(codec.encode(value, KEY), KEY)

const assertExact = (codec: Codec.Codec<unknown>, value: unknown) => deepStrictEqual(roundTrip(codec, value), value)

/** `Codec.json` takes JSON values by its type; these tests give it others too. */
const jsonOfAnything = Codec.make<unknown>(
  (value, key) => Reflect.apply(Codec.json.encode, undefined, [value, key]),
  Codec.json.decode
)

const nested = (depth: number, wrap: (inner: unknown) => unknown): unknown => {
  let value: unknown = SECRET
  for (let level = 0; level < depth; level++) value = wrap(value)
  return value
}

const tree = () => {
  const parent: { name: string; children: Array<object> } = { name: SECRET, children: [] }
  for (let child = 0; child < 3; child++) parent.children.push({ parent, sibling: parent.children })
  return parent
}

const ring = () => {
  const map = new Map<string, unknown>()
  return map.set("next", new Set([map]))
}

class Account {
  readonly password = SECRET
}
class Ids extends Array<string> {}
class Index extends Map<string, string> {}
class Bytes extends Uint8Array {}

/** Each with what the message says about it. */
const unstorable: ReadonlyArray<readonly [name: string, value: unknown, message: RegExp]> = [
  ["undefined", undefined, /undefined/],
  ["a function", () => SECRET, /a function/],
  ["a method", { [SECRET]: () => SECRET }, /a function/],
  ["a symbol", Symbol(SECRET), /a symbol/],
  ["a symbol as a key", { [Symbol(SECRET)]: 1 }, /symbol as a key/],
  ["a symbol as a hidden key", Object.defineProperty({}, Symbol(SECRET), { value: 1 }), /symbol as a key/],
  ["a tree that knows its parents", tree(), /contains itself/],
  ["a ring of collections", ring(), /contains itself/],
  ["arrays nested too deeply", nested(129, (inner) => [inner]), /128 levels/],
  ["objects nested too deeply", nested(129, (inner) => ({ inner })), /128 levels/],
  ["an instance of a class", new Account(), /Account/],
  ["a nested instance of a class", { accounts: [new Account()] }, /Account/],
  ["an instance of a nameless class", Object.create({ [SECRET]: SECRET }), /an instance of/],
  ["an array of a subclass", Ids.from([SECRET]), /Ids/],
  ["a Map of a subclass", new Index([[SECRET, SECRET]]), /Index/],
  ["bytes of a subclass", new Bytes(3), /Bytes/],
  ["an Error", new Error(SECRET), /Error/],
  ["a RegExp", new RegExp(SECRET), /RegExp/],
  ["a URL", new URL(`https://${SECRET}/`), /URL/],
  ["a WeakMap", new WeakMap(), /WeakMap/],
  ["a Promise", Promise.resolve(SECRET), /Promise/],
  ["a boxed number", new Number(1), /Number/],
  ["a boxed string", new String(SECRET), /String/],
  ["shared memory", new SharedArrayBuffer(8), /SharedArrayBuffer/],
  ["an array with holes", Object.assign([], { 2: 3 }), /holes/],
  ["an array of holes", Object.assign([], { length: 3 }), /holes/],
  ["half of a surrogate pair", `${SECRET}\ud800`, /surrogate/],
  ["the other half, nested", [{ [SECRET]: `\udfff${SECRET}` }], /surrogate/],
  ["half of a surrogate pair in a field's name", { [`\ud800${SECRET}`]: 1 }, /surrogate/],
  ["a field named __proto__", JSON.parse(`{"__proto__":"${SECRET}"}`), /__proto__/]
]

const itRefuses = (codec: Codec.Codec<unknown>, cases: ReadonlyArray<readonly [string, unknown, RegExp]>) => {
  it.each(cases)("refuses %s", (_, value, message) => {
    const error = cacheErrorOf(() => codec.encode(value, KEY))
    assert.strictEqual(error.reason, "Encode")
    assert.match(error.message, message)
    assert.notInclude(error.message, SECRET)
    assert.notInclude(JSON.stringify(error), SECRET)
  })
}

describe("Codec.msgpack", () => {
  it("returns exactly what was stored", () => {
    const value = storable.filter((value) => value !== undefined)
    fc.assert(
      fc.property(value, (value) => assertExact(Codec.msgpack, value)),
      runs(300)
    )
  })

  it("keeps the order of fields, entries and elements", () => {
    fc.assert(
      fc.property(fc.uniqueArray(text), (names) => {
        const map = roundTrip(Codec.msgpack, new Map(names.map((name, index) => [name, index])))
        assert.instanceOf(map, Map)
        deepStrictEqual([...map.keys()], names)
        const set = roundTrip(Codec.msgpack, new Set(names))
        assert.instanceOf(set, Set)
        deepStrictEqual([...set], names)
        const fields = Object.fromEntries(names.map((name, index) => [`_${name}`, index]))
        deepStrictEqual(Object.keys(Object(roundTrip(Codec.msgpack, fields))), Object.keys(fields))
      }),
      runs(50)
    )
  })

  it("tells apart more kinds of objects in one value than MessagePack numbers them", () => {
    const record = fc
      .subarray(["a", "b", "c", "d", "e", "f", "g", "h"])
      .map((names) => Object.fromEntries(names.map((name): [string, unknown] => [name, { [name]: { nested: name } }])))
    fc.assert(
      fc.property(fc.array(record, { minLength: 100, maxLength: 300 }), (records) =>
        assertExact(Codec.msgpack, records)
      ),
      runs(10)
    )
  })

  it.each([
    ["a long string", "é".repeat(70_000)],
    ["a long ASCII string", "x".repeat(1_000_000)],
    ["a long string with a byte order mark", "\uFEFF" + "é".repeat(70_000)],
    ["many bytes", new Uint8Array(70_000).fill(7)],
    ["many numbers", new Float64Array(20_000).fill(-0)],
    ["a long array", Array.from({ length: 70_000 }, (_, index) => index)],
    ["many fields", Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`field${index}`, index]))],
    ["many entries", new Map(Array.from({ length: 70_000 }, (_, index) => [index, `${index}`]))],
    ["a deep array", nested(128, (inner) => [inner])],
    ["deep objects", nested(128, (inner) => ({ inner }))],
    ["deep Maps", nested(128, (inner) => new Map([[inner, 1]]))]
  ])("stores %s", (_, value) => assertExact(Codec.msgpack, value))

  it("stores an object that occurs twice, as two", () => {
    const leg = { symbol: "AAPL" }
    assertExact(Codec.msgpack, { long: leg, short: leg, all: [leg, leg] })
  })

  it("turns an object without a prototype into a plain one", () => {
    const bare = Object.assign(Object.create(null), { constructor: "a", toJSON: "b", hasOwnProperty: "c" })
    deepStrictEqual(roundTrip(Codec.msgpack, bare), { ...bare })
  })

  it("keeps nothing of the bytes that it decodes, and adds nothing to them", () => {
    const value = { buffer: Buffer.from("abc"), array: new Uint8Array([1, 2]), numbers: new Float64Array([1]) }
    const bytes = Uint8Array.from(Codec.msgpack.encode(value, KEY))
    const back = Codec.msgpack.decode(bytes, KEY)
    assert.deepStrictEqual(Object.keys(bytes).length, bytes.length)
    bytes.fill(0)
    deepStrictEqual(back, value)
  })

  it("leaves a payload as it is when the next one is encoded", () => {
    const first = Codec.msgpack.encode({ a: 1 }, KEY)
    const copy = Uint8Array.from(first)
    for (let count = 0; count < 10_000; count++) Codec.msgpack.encode({ b: count }, KEY)
    deepStrictEqual(Uint8Array.from(first), copy)
  })

  it("writes a whole number so that a script can add to it", () => {
    const textOf = (value: number) => Buffer.from(Codec.msgpack.encode(value, KEY)).toString("latin1")
    assert.strictEqual(textOf(-42), "\xc1-42\xc1")
    assert.strictEqual(textOf(Number.MAX_SAFE_INTEGER), "\xc19007199254740991\xc1")
    assert.strictEqual(Codec.msgpack.decode(Buffer.from("\xc142\xc1", "latin1"), KEY), 42)
  })

  it("notices that digits were cut off", () => {
    const bytes = Codec.msgpack.encode(123, KEY)
    for (let length = 0; length < bytes.length; length++) {
      assert.strictEqual(cacheErrorOf(() => Codec.msgpack.decode(bytes.subarray(0, length), KEY)).reason, "Decode")
    }
  })

  it.each(["", "007", "-0", "+1", " 1", "1.5", "1e3", "0x10", "9007199254740992", "1\n", "NaN"])(
    "takes no other text for a number: %j",
    (digits) => {
      const bytes = Buffer.from(`\xc1${digits}\xc1`, "latin1")
      assert.strictEqual(cacheErrorOf(() => Codec.msgpack.decode(bytes, KEY)).reason, "Decode")
    }
  )

  itRefuses(Codec.msgpack, [
    ...unstorable,
    ["a field named __keys__", { a: [{ __keys__: SECRET }] }, /__keys__/],
    ["a byte order mark in a field's name", { [`\uFEFF${SECRET}`]: 1 }, /byte order mark/]
  ])

  it("goes on after it has refused", () => {
    for (const [, value] of unstorable.slice(1)) cacheErrorOf(() => Codec.msgpack.encode({ a: 1, b: [value] }, KEY))
    assertExact(Codec.msgpack, [{}, { a: 1 }, { a: 1, b: [2] }])
  })

  it("refuses a value that throws when it is read, without quoting it", () => {
    const value = {
      get secret(): string {
        throw new RangeError(SECRET)
      }
    }
    const error = cacheErrorOf(() => Codec.msgpack.encode(value, KEY))
    assert.strictEqual(error.reason, "Encode")
    assert.match(error.message, /RangeError/)
    assert.notInclude(error.message, SECRET)
  })

  it("works without the native part of msgpackr", () => {
    const script = `
      import { deepStrictEqual } from "node:assert"
      import { isNativeAccelerationEnabled } from "msgpackr"
      import { Codec } from "@tiercache/core"
      const value = { bom: "\uFEFF" + "a".repeat(100), text: "é€😀".repeat(50), map: new Map([["\uFEFF".repeat(70), 1]]) }
      deepStrictEqual(isNativeAccelerationEnabled, false)
      deepStrictEqual(Codec.msgpack.decode(Codec.msgpack.encode(value, "key"), "key"), value)
    `
    execFileSync(process.execPath, ["--input-type=module", "--eval", script], {
      cwd: import.meta.dirname,
      env: { ...process.env, MSGPACKR_NATIVE_ACCELERATION_DISABLED: "true" }
    })
  })
})

describe("Codec.json", () => {
  it("returns exactly what was stored", () => {
    fc.assert(
      fc.property(json, (value) => assertExact(jsonOfAnything, value)),
      runs(300)
    )
  })

  it("writes JSON", () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = Buffer.from(jsonOfAnything.encode(value, KEY)).toString()
        deepStrictEqual(JSON.parse(text), value)
      }),
      runs(100)
    )
    assert.strictEqual(Buffer.from(Codec.json.encode({ a: [-0, "é"] }, KEY)).toString(), '{"a":[-0,"é"]}')
  })

  itRefuses(jsonOfAnything, [
    ...unstorable.filter(([, value]) => !types.isMap(value)),
    ["NaN", Number.NaN, /NaN/],
    ["an infinity", [-Infinity], /infinity/],
    ["a bigint", { amount: 5n }, /bigint/],
    ["an undefined field", { a: undefined }, /undefined/],
    ["an undefined element", [undefined], /undefined/],
    ["a Date", new Date(0), /Date/],
    ["a Map", new Map([[SECRET, 1]]), /Map/],
    ["a Set", new Set([SECRET]), /Set/],
    ["bytes", new Uint8Array(3), /Uint8Array/]
  ])

  it.each(['{"__proto__":{"polluted":1}}', String.raw`{"a":[{"__pr\u006fto__":{"polluted":1}}]}`])(
    "does not read %s",
    (text) => {
      assert.strictEqual(cacheErrorOf(() => Codec.json.decode(Buffer.from(text), KEY)).reason, "Decode")
    }
  )

  it("reads text that mentions such a name", () => {
    assertExact(jsonOfAnything, { note: "__proto__", other: "\u001f" })
  })

  it("does not quote what it cannot read", () => {
    const error = cacheErrorOf(() => Codec.json.decode(Buffer.from(SECRET), KEY))
    assert.strictEqual(error.reason, "Decode")
    assert.notInclude(error.message, SECRET)
  })
})

describe("Codec.make", () => {
  const failing = (error: unknown) =>
    Codec.make<string>(
      () => {
        throw error
      },
      () => {
        throw error
      }
    )

  it("passes on its own kind of error", () => {
    const refused = CacheError.make("encode", "Encode", "too long")
    assert.strictEqual(
      cacheErrorOf(() => failing(refused).encode("", KEY)),
      refused
    )
    const unreadable = CacheError.make("decode", "Decode", "no such encryption key")
    assert.strictEqual(
      cacheErrorOf(() => failing(unreadable).decode(Buffer.of(), KEY)),
      unreadable
    )
  })

  it.each([new TypeError(SECRET), SECRET, CacheError.make("connect", "Unavailable", SECRET), undefined])(
    "turns anything else into Encode and Decode, without its text: %o",
    (thrown) => {
      const encoding = cacheErrorOf(() => failing(thrown).encode("", KEY))
      const decoding = cacheErrorOf(() => failing(thrown).decode(Buffer.of(), KEY))
      assert.deepStrictEqual([encoding.reason, decoding.reason], ["Encode", "Decode"])
      assert.notInclude(encoding.message + decoding.message, SECRET)
    }
  )

  it("gives both directions the key", () => {
    const keys: Array<string> = []
    const codec = Codec.make<string>(
      (value, key) => Buffer.from(value + keys.push(key)),
      (bytes, key) => Buffer.from(bytes).toString() + keys.push(key)
    )
    codec.decode(codec.encode("a", "first"), "second")
    assert.deepStrictEqual(keys, ["first", "second"])
  })

  it("has no value for undefined, which stands for absence", () => {
    const codec = Codec.make<unknown>(
      () => Buffer.of(),
      () => undefined
    )
    assert.strictEqual(cacheErrorOf(() => codec.encode(undefined, KEY)).reason, "Encode")
    assert.strictEqual(cacheErrorOf(() => codec.decode(Buffer.of(), KEY)).reason, "Decode")
    assert.strictEqual(cacheErrorOf(() => Codec.msgpack.decode(Buffer.of(0xd4, 0, 0), KEY)).reason, "Decode")
  })
})
