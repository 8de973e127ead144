import { Ttl } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import * as fc from "fast-check"
import { runs } from "./arbitraries.ts"
import { cacheErrorOf } from "./thrown.ts"

/** As a caller without types calls it. */
const toMillis = (ttl: unknown): unknown => Reflect.apply(Ttl.toMillisUnsafe, undefined, ["set", ttl])

const cyclic: Record<string, unknown> = {}
cyclic["itself"] = cyclic

describe("Ttl.toMillisUnsafe", () => {
  it.each([
    ["5 seconds", 5000],
    ["1 minute", 60_000],
    ["0.5 hours", 1_800_000],
    [{ minutes: 5 }, 300_000],
    [{ minutes: 1, seconds: undefined }, 60_000],
    [Duration.days(30), 2_592_000_000],
    [Duration.days(36_525), 3_155_760_000_000]
  ] as const)("reads %o", (ttl, millis) => assert.strictEqual(Ttl.toMillisUnsafe("set", ttl), millis))

  it.each([
    ["1 nano", 1],
    ["1 micros", 1],
    ["0.001 millis", 1],
    ["1.5 millis", 2],
    ["1000.001 millis", 1001],
    [Duration.nanos(1_000_001n), 2],
    [{ milliseconds: 0.2 }, 1]
  ] as const)("rounds %o up", (ttl, millis) => assert.strictEqual(Ttl.toMillisUnsafe("set", ttl), millis))

  it("never shortens a duration, and by less than a millisecond lengthens it", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), (millis) => {
        const ttl = Ttl.toMillisUnsafe("set", Duration.millis(millis))
        assert.isTrue(Number.isInteger(ttl) && ttl >= millis && ttl - millis < 1)
      }),
      runs(100)
    )
  })

  it.each([
    [0],
    [5],
    [-5],
    [Number.NaN],
    [Infinity],
    [5n],
    ["0 seconds"],
    ["-5 seconds"],
    ["NaN seconds"],
    ["Infinity seconds"],
    ["1e3 seconds"],
    ["5"],
    ["5seconds"],
    ["5 seconds "],
    ["5 fortnights"],
    [""],
    ["Infinity"],
    ["-Infinity"],
    ["101 years"],
    ["36526 days"],
    [`${"9".repeat(400)} seconds`],
    ["0.0000001 nanos"],
    [Duration.zero],
    [Duration.millis(-1)],
    [Duration.infinity],
    [Duration.negativeInfinity],
    [Duration.days(36_526)],
    [{}],
    [{ seconds: 0 }],
    [{ seconds: -5 }],
    [{ seconds: Number.NaN }],
    [{ seconds: "5" }],
    [{ seconds: 5n }],
    [{ seconds: null }],
    [{ ttl: 5 }],
    [[]],
    [[5, 0]],
    [null],
    [undefined],
    [true],
    [() => 5],
    [Symbol("5 seconds")],
    [new Date(5)],
    [new Map([["seconds", 5]])],
    [Object(5)],
    [cyclic]
  ])("refuses %o", (ttl) => {
    const error = cacheErrorOf(() => toMillis(ttl))
    assert.deepInclude(error, { reason: "InvalidOption", operation: "set" })
    assert.isBelow(error.message.length, 200)
  })

  it("reads any number of texts, again and again", () => {
    const millis = Array.from({ length: 300 }, (_, index) => index + 1)
    for (const _ of ["first", "again"]) {
      assert.deepStrictEqual(
        millis.map((millis) => toMillis(`${millis} millis`)),
        millis
      )
      assert.strictEqual(cacheErrorOf(() => toMillis("0 millis")).reason, "InvalidOption")
    }
  })

  it("says what it got", () => {
    const messageOf = (ttl: unknown) => cacheErrorOf(() => toMillis(ttl)).message.split("got ")[1]
    assert.strictEqual(messageOf(5), "5")
    assert.strictEqual(messageOf(5n), "5n")
    assert.strictEqual(messageOf("0 seconds"), '"0 seconds"')
    assert.strictEqual(messageOf(Duration.millis(-1)), "-1ms")
    assert.strictEqual(messageOf({ seconds: "5" }), '{"seconds":"5"}')
    assert.strictEqual(messageOf(undefined), "undefined")
  })
})
