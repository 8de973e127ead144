import { deepStrictEqual } from "node:assert"
import { execFileSync } from "node:child_process"
import { Codec } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as fc from "fast-check"
import { json, runs, storable, text } from "./arbitraries.ts"
import { cacheErrorOf } from "./thrown.ts"

const KEY = "tradecore:some:key"

const roundTrip = <A>(codec: Codec.Codec<A>, value: A): A => codec.decode(codec.encode(value, KEY), KEY)

const isDefined = (value: unknown) => value !== undefined

describe("Codec.msgpack", () => {
  it("returns what was stored, exactly", () => {
    fc.assert(
      fc.property(storable.filter(isDefined), (value) => deepStrictEqual(roundTrip(Codec.msgpack, value), value)),
      runs(1000)
    )
  })
})
describe("Codec.json", () => {
  it("returns what was stored, exactly", () => {
    fc.assert(
      fc.property(json, (value) => deepStrictEqual(Codec.json.decode(Codec.json.encode(value, KEY), KEY), value)),
      runs(1000)
    )
  })
})
