import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Histogram from "../src/Histogram.ts"

/** The smallest value that is not below the share `q` of all values. */
const exactQuantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(1, Math.ceil(q * values.length)) - 1] ?? Number.NaN
}

const of = (values: ReadonlyArray<number>) => {
  const histogram = Histogram.make()
  values.forEach(histogram.record)
  return histogram
}

const TOLERANCE = 2 ** (1 / 64) - 1 + 1e-9

/** From a nanosecond to a quarter of an hour in microseconds, each order of magnitude as likely as the others. */
const micros = fc.double({ min: Math.log(0.001), max: Math.log(1e9), noNaN: true }).map(Math.exp)
const quantile = fc.double({ min: 0, max: 1, noNaN: true })

describe("Histogram", () => {
  it("is within 1.1 % of the exact percentile", () => {
    fc.assert(
      fc.property(fc.array(micros, { minLength: 1, maxLength: 300 }), quantile, (values, q) => {
        const exact = exactQuantile(values, q)
        assert.isAtMost(Math.abs(of(values).quantile(q) - exact) / exact, TOLERANCE)
      })
    )
  })

  it("never leaves the range of what was recorded, and grows with the rank", () => {
    fc.assert(
      fc.property(fc.array(micros, { minLength: 1 }), quantile, quantile, (values, a, b) => {
        const histogram = of(values)
        const [low, high] = [histogram.quantile(Math.min(a, b)), histogram.quantile(Math.max(a, b))]
        assert.isAtLeast(low, Math.min(...values))
        assert.isAtMost(low, high)
        assert.isAtMost(high, Math.max(...values))
      })
    )
  })

  it("knows the greatest value exactly", () => {
    fc.assert(
      fc.property(fc.array(micros, { minLength: 1 }), (values) => {
        assert.strictEqual(of(values).summary()?.max, Math.max(...values))
        assert.strictEqual(of(values).count(), values.length)
      })
    )
  })

  it("takes zero, and more than its last bucket", () => {
    assert.deepStrictEqual(of([0, 0, 0]).summary(), { p50: 0, p99: 0, max: 0 })
    assert.deepStrictEqual(of([1e12]).summary(), { p50: 1e12, p99: 1e12, max: 1e12 })
  })

  it("says nothing before the first value", () => {
    assert.isUndefined(Histogram.make().summary())
    assert.isNaN(Histogram.make().quantile(0.5))
  })
})
