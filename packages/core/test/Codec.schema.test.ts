import { deepStrictEqual } from "node:assert"
import { Codec } from "@tiercache/core"
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

const Side = { buy: "buy", sell: "sell" } as const

const noon = DateTime.makeUnsafe("2024-02-29T12:00:00.123Z")
const five = BigDecimal.make(5n, 0)
const debt = new Money({ amount: BigDecimal.make(-105n, 1), at: noon })

interface Case {
  readonly name: string
  readonly holds: (codec: Codec.Codec<unknown>) => void
}

/** A schema with values that both of its codecs store. */
const given = <A>(name: string, schema: Codec.ValueSchema<A>, ...values: ReadonlyArray<A>) => {
  describe(name, () => {
    it.each([
      ["schema", Codec.schema(schema)],
      ["schemaJson", Codec.schemaJson(schema)]
    ] as const)("%s", (_, codec) => {
      for (const value of values) assertSame(codec.decode(codec.encode(value, KEY), KEY), value)
    })
  })
}

/** Exactly equal, except that Effect's own types are compared as they want it: they keep derived forms in fields. */
const assertSame = (actual: unknown, expected: unknown): void => {
  if (Equal.equals(actual, expected) && !isZero(expected)) return
  deepStrictEqual(actual, expected)
}
const isZero = (value: unknown) => value === 0
