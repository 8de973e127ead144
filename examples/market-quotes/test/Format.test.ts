import { assert, describe, it } from "vitest"
import * as Format from "../src/Format.ts"

const check = <A>(format: (value: A) => string, cases: ReadonlyArray<readonly [A, string]>) =>
  assert.deepStrictEqual(
    cases.map(([value]) => format(value)),
    cases.map(([, text]) => text)
  )

describe("Format", () => {
  it("writes counts and speeds", () => {
    check(Format.count, [
      [0, "0"],
      [9_812_331, "9,812,331"]
    ])
    check(Format.speed, [
      [0.4, "0"],
      [499.6, "500"],
      [9999, "9,999"],
      [9999.6, "10 k"],
      [412_345, "412 k"],
      [999_700, "1.00 M"],
      [1_214_000, "1.21 M"],
      [12_140_000, "12.1 M"],
      [121_400_000, "121 M"]
    ])
  })

  it("does not round a rate up to 100 %", () => {
    check(Format.percent, [
      [0, "0.00 %"],
      [0.5, "50.00 %"],
      [0.999999, "99.99 %"],
      [1, "100.00 %"]
    ])
  })

  it("writes times with three digits", () => {
    check(Format.micros, [
      [0, "0.00 µs"],
      [0.187, "0.19 µs"],
      [9.996, "10.0 µs"],
      [13.11, "13.1 µs"],
      [999.4, "999 µs"],
      [999.6, "1.00 ms"],
      [1203, "1.20 ms"],
      [2_050_000, "2.05 s"]
    ])
    check(Format.age, [
      [0, "< 1 ms"],
      [11.2, "11 ms"],
      [1200, "1.20 s"]
    ])
  })

  it("writes prices", () => check(Format.price, [[192, "192.00"]]))
})
