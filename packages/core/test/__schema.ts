import { deepStrictEqual } from "node:assert"
import { Codec, CacheError, Snapshot } from "@tiercache/core"
import { BigDecimal, Brand, Chunk, DateTime, Duration, HashMap, HashSet, Option, Redacted, Result, Schema, Equal } from "effect"
class Money extends Schema.Class<Money>("Money")({ amount: Schema.BigDecimal, at: Schema.DateTimeUtc, note: Schema.optional(Schema.NullOr(Schema.String)) }) { get twice() { return 2 } }
class Tagged extends Schema.TaggedClass<Tagged>()("Tagged", { a: Schema.Number }) {}
interface Tree { readonly name: string; readonly children: ReadonlyArray<Tree>; readonly extra?: Tree | null | undefined }
const Tree: Schema.Codec<Tree> = Schema.Struct({ name: Schema.String, children: Schema.Array(Schema.suspend(() => Tree)), extra: Schema.optional(Schema.NullOr(Schema.suspend((): Schema.Codec<Tree> => Tree))) })
const Side = { Buy: "buy", Sell: "sell" } as const
const Num = { A: 0, B: 1 } as const
const S = Schema as any
const cases: Array<[string, any, any[]]> = [
  ["String", Schema.String, ["", "x", "\uFEFFx", "\uFEFF" + "a".repeat(100)]],
  ["Number", Schema.Number, [0, -0, NaN, Infinity, -Infinity, 1.5, 5, 2 ** 53, 1e300]],
  ["Finite", Schema.Finite, [0, -0, 1.5]],
  ["Int", Schema.Int, [0, -0, 5, Number.MAX_SAFE_INTEGER]],
  ["Boolean", Schema.Boolean, [true, false]],
  ["Null", Schema.Null, [null]],
  ["BigInt", Schema.BigInt, [0n, -5n, 2n ** 200n]],
  ["Literals", Schema.Literals(["a", 1, 2n, true]), ["a", 1, 2n, true]],
  ["Literal ambiguous", Schema.Literals(["1", 1n]), ["1", 1n]],
  ["Enum", Schema.Enum(Side), ["buy", "sell"]], ["EnumN", Schema.Enum(Num), [0, 1]],
  ["TemplateLiteral", Schema.TemplateLiteral(["a-", Schema.Number]), ["a-5"]],
  ["Struct", Schema.Struct({ a: Schema.Number, b: Schema.String }), [{ a: -0, b: "" }, { a: NaN, b: "x" }]],
  ["Empty struct", Schema.Struct({}), [{}]],
  ["optionalKey", Schema.Struct({ a: Schema.optionalKey(Schema.Number), b: Schema.optionalKey(Schema.DateTimeUtc) }), [{}, { a: 1 }, { b: DateTime.makeUnsafe(5) }]],
  ["optional", Schema.Struct({ a: Schema.optional(Schema.Number) }), [{}, { a: 1 }, { a: undefined }]],
  ["optional null", Schema.Struct({ a: Schema.optional(Schema.NullOr(Schema.Number)) }), [{}, { a: 1 }, { a: undefined }, { a: null }]],
  ["optional date null", Schema.Struct({ a: Schema.optional(Schema.NullOr(Schema.DateTimeUtc)) }), [{}, { a: DateTime.makeUnsafe(1) }, { a: undefined }, { a: null }]],
  ["NullOr", Schema.Struct({ a: Schema.NullOr(Schema.Number) }), [{ a: 1 }, { a: null }]],
  ["UndefinedOr", Schema.Struct({ a: Schema.UndefinedOr(Schema.Number) }), [{ a: 1 }, { a: undefined }]],
  ["NullishOr", Schema.Struct({ a: Schema.NullishOr(Schema.Number) }), [{ a: 1 }, { a: undefined }, { a: null }]],
  ["Array undefined", Schema.Array(Schema.UndefinedOr(Schema.Number)), [[undefined, 1, undefined]]],
  ["Array nullish", Schema.Array(Schema.NullishOr(Schema.Number)), [[undefined, 1, null]]],
  ["Date", Schema.Date, [new Date(0), new Date(NaN), new Date(8.64e15), new Date(-1), new Date(-8.64e15)]],
  ["DateTimeUtc", Schema.DateTimeUtc, [DateTime.makeUnsafe(0), DateTime.makeUnsafe(-1), DateTime.makeUnsafe(1700000000123), DateTime.makeUnsafe(-62198755200000 - 5)]],
  ["DateTimeZoned", Schema.DateTimeZoned, [DateTime.makeZonedUnsafe(0, { timeZone: "Europe/London" }), DateTime.makeZonedUnsafe(5, { timeZone: DateTime.zoneMakeOffset(3600000) })]],
  ["BigDecimal", Schema.BigDecimal, [BigDecimal.fromStringUnsafe("1.50"), BigDecimal.make(15n, -3), BigDecimal.make(0n, 0), BigDecimal.make(-12345678901234567890n, 30)]],
  ["Duration", Schema.Duration, [Duration.seconds(5), Duration.infinity, Duration.nanos(5n), Duration.millis(1.5), Duration.negativeInfinity]],
  ["ReadonlyMap", Schema.ReadonlyMap(Schema.String, Schema.Number), [new Map(), new Map([["a", NaN], ["b", -0]])]],
  ["ReadonlyMap nullish", Schema.ReadonlyMap(Schema.NullishOr(Schema.String), Schema.NullishOr(Schema.Number)), [new Map<any, any>([[null, undefined], [undefined, null]])]],
  ["ReadonlySet", Schema.ReadonlySet(Schema.DateTimeUtc), [new Set([DateTime.makeUnsafe(1)])]],
  ["Uint8Array", Schema.Uint8Array, [new Uint8Array([1, 2]), new Uint8Array(0), new Uint8Array(300), Buffer.from("abc")]],
  ["Option", Schema.Option(Schema.Number), [Option.none(), Option.some(NaN)]],
  ["Option nullish", Schema.Option(Schema.NullishOr(Schema.String)), [Option.none(), Option.some(null), Option.some(undefined), Option.some("a")]],
  ["Result", Schema.Result(Schema.Number, Schema.String), [Result.succeed(1), Result.fail("x")]],
  ["Class", Money, [new Money({ amount: BigDecimal.fromStringUnsafe("1.5"), at: DateTime.makeUnsafe(5) }), new Money({ amount: BigDecimal.fromStringUnsafe("1.5"), at: DateTime.makeUnsafe(5), note: undefined }), new Money({ amount: BigDecimal.fromStringUnsafe("1.5"), at: DateTime.makeUnsafe(5), note: null })]],
  ["TaggedClass", Tagged, [new Tagged({ a: -0 })]],
  ["Union of classes", Schema.Union([Money, Tagged]), [new Tagged({ a: NaN }), new Money({ amount: BigDecimal.fromStringUnsafe("1.5"), at: DateTime.makeUnsafe(5) })]],
  ["array of classes", Schema.Array(Tagged), [[new Tagged({ a: 1 }), new Tagged({ a: 2 })]]],
  ["optionalKey Class", Schema.Struct({ a: Schema.optionalKey(Tagged), b: Schema.optional(Tagged) }), [{}, { a: new Tagged({ a: 1 }) }, { b: undefined }, { b: new Tagged({ a: 1 }) }]],
  ["brand", Schema.String.pipe(Schema.brand("X")), ["x"]],
  ["Record", Schema.Record(Schema.String, Schema.Number), [{}, { a: 1, constructor: 2, "": 3, toString: 5 }, JSON.parse('{"__proto__": 1}'), { __keys__: 1 }]],
  ["Record template", Schema.Record(Schema.TemplateLiteral(["a", Schema.String]), Schema.Number), [{ ab: 1 }]],
  ["Record undefined", Schema.Record(Schema.String, Schema.NullishOr(Schema.Number)), [{ a: undefined, b: null }]],
  ["Record literals", Schema.Record(Schema.Literals(["a", "b"]), Schema.Number), [{ a: 1, b: 2 }]],
  ["StructWithRest", Schema.StructWithRest(Schema.Struct({ a: Schema.Number }), [Schema.Record(Schema.String, Schema.Number)]), [{ a: 1, z: 2 }]],
  ["Tuple", Schema.Tuple([Schema.String, Schema.optionalKey(Schema.Number)]), [["a"], ["a", 1]]],
  ["TupleWithRest", Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Schema.Number, Schema.DateTimeUtc]), [["a", 1, 2, DateTime.makeUnsafe(0)]]],
  ["Tree", Tree, [{ name: "a", children: [{ name: "b", children: [], extra: null }, { name: "c", children: [], extra: undefined }], extra: { name: "x", children: [] } }]],
  ["Union prim", Schema.Union([Schema.String, Schema.Number, Schema.Boolean, Schema.BigInt]), ["a", "NaN", NaN, "1", 1, 1n, true]],
  ["Union num str", Schema.Union([Schema.Number, Schema.String]), ["NaN", NaN, "Infinity", Infinity]],
  ["Union date str", Schema.Union([Schema.Date, Schema.String]), ["x", "2020-01-01T00:00:00.000Z", new Date(5)]],
  ["Union str date", Schema.Union([Schema.String, Schema.Date]), ["x", "2020-01-01T00:00:00.000Z", new Date(5)]],
  ["Union dt", Schema.Union([Schema.DateTimeUtc, Schema.Null]), [DateTime.makeUnsafe(1), null]],
  ["Tagged union", Schema.Union([Schema.TaggedStruct("A", { at: Schema.DateTimeUtc }), Schema.TaggedStruct("B", { n: Schema.BigInt })]), [{ _tag: "A", at: DateTime.makeUnsafe(1) }, { _tag: "B", n: 5n }]],
  ["Union structs", Schema.Union([Schema.Struct({ a: Schema.Number }), Schema.Struct({ a: Schema.Number, b: Schema.Number })]), [{ a: 1, b: 2 }]],
  ["Unknown", Schema.Struct({ a: Schema.Unknown }), [{ a: 1 }, { a: { b: [1] } }, { a: new Date(5) }, { a: new Map([[1, 2]]) }, { a: undefined }, { a: 5n }, { a: -0 }, { a: NaN }, { a: Symbol("x") }, { a: () => 1 }, { a: null }]],
  ["Unknown top", Schema.Unknown, [1, new Date(5), null, "x"]],
  ["Any", Schema.Any, [1, new Date(5), null, "x", NaN]],
  ["Json", Schema.Json, [1, { a: [-0] }, null]],
  ["ObjectKeyword", Schema.ObjectKeyword, [{ a: 1 }, [1], new Date(5)]],
  ["FiniteFromString", Schema.FiniteFromString, [1.5, 5]],
  ["DateFromString", Schema.DateFromString, [new Date(5)]],
  ["DateTimeUtcFromString", Schema.DateTimeUtcFromString, [DateTime.makeUnsafe(5)]],
  ["URL", Schema.URL, [new URL("https://a.b/c?d=1")]],
  ["RegExp", Schema.RegExp, [/a/g]],
  ["Redacted", Schema.Redacted(Schema.String), [Redacted.make("s")]],
  ["Chunk", Schema.Chunk(Schema.Number), [Chunk.make(1, 2)]],
  ["HashMap", Schema.HashMap(Schema.String, Schema.Number), [HashMap.make(["a", 1])]],
  ["HashSet", Schema.HashSet(Schema.Number), [HashSet.make(1)]],
  ["Symbol", Schema.Symbol, [Symbol.for("a"), Symbol("b")]],
  ["Error", S.Error?.() ?? Schema.Defect(), [new Error("x")]],
  ["File?", Schema.instanceOf(Map), [new Map()]],
  ["withDecodingDefault", Schema.Struct({ a: Schema.Number.pipe((s: any) => S.withDecodingDefault ? s.pipe(S.withDecodingDefault(() => 5)) : s) }), [{ a: 1 }]],
  ["symbol key struct", Schema.Struct({ [Symbol.for("k")]: Schema.Number } as any), [{ [Symbol.for("k")]: 1 }]],
  ["Void", Schema.Struct({ a: Schema.Void }), [{ a: undefined }]],
  ["mutable", Schema.mutable(Schema.Array(Schema.Number)), [[1, NaN]]],
  ["NonEmptyArray", Schema.NonEmptyArray(Schema.Number), [[1]]],
  ["checked struct", Schema.Struct({ a: Schema.Number }).check(Schema.makeFilter((s: any) => s.a > 0)), [{ a: 1 }]],
  ["fractional DateTime", Schema.DateTimeUtc, [DateTime.addDuration(DateTime.makeUnsafe(5), "500 micros")]],
]
for (const [name, schema, values] of cases) {
  for (const [kind, mk] of [["mp", Codec.schema], ["js", Codec.schemaJson]] as const) {
    let codec: any
    try { codec = mk(schema) } catch (e: any) { console.log(name, kind, "CONSTRUCT", e.message); continue }
    for (const v of values) {
      let out: any
      try { const bytes = codec.encode(v, "k"); const back = codec.decode(bytes, "k")
        try { deepStrictEqual(back, v); out = "ok" } catch { out = Equal.equals(back, v) ? "ok(equals)" : ["DIFF", back] }
        const sn: any = Snapshot.make(codec, v, "k"); out = [out, sn.value !== undefined ? "shared" : "bytes"]
      } catch (e: any) { out = CacheError.isCacheError(e) ? e.reason + " " + e.message : ["RAW", e] }
      if (out[0] !== "ok" || kind === "mp" ) console.log(name, kind, v, "=>", ...(Array.isArray(out) ? out : [out]))
    }
  }
}
