import { assert, describe, it } from "@effect/vitest"
import { Histogram } from "@tiercache/core"
import * as fc from "fast-check"
import { runs } from "./arbitraries.ts"

const times = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: 50 })

const recorded = (millis: ReadonlyArray<number>) => {
  const histogram = Histogram.make()
  for (const time of millis) Histogram.record(histogram, time)
  return histogram
}

describe("Histogram", () => {
  it("counts a bound in the range that it ends", () => {
    Histogram.BOUNDS_MILLIS.forEach((bound, range) => {
      assert.strictEqual(recorded([bound]).ranges[range], 1)
      assert.strictEqual(recorded([bound * 1.001]).ranges[range + 1], 1)
    })
  })

  it("has each time in one range", () => {
    fc.assert(
      fc.property(times, (millis) => {
        const { count, maxMillis, minMillis, ranges, sumMillis } = recorded(millis)
        ranges.forEach((inRange, range) => {
          const [above, upTo] = [Histogram.BOUNDS_MILLIS[range - 1] ?? -1, Histogram.BOUNDS_MILLIS[range] ?? Infinity]
          assert.strictEqual(inRange, millis.filter((time) => time > above && time <= upTo).length)
        })
        assert.deepStrictEqual(
          [count, minMillis, maxMillis],
          [millis.length, Math.min(...millis), Math.max(0, ...millis)]
        )
        assert.closeTo(
          sumMillis,
          millis.reduce((sum, time) => sum + time, 0),
          1e-3
        )
      }),
      runs(100)
    )
  })

  it("combines two as if one had recorded both", () => {
    fc.assert(
      fc.property(times, times, (one, other) => {
        const together = Histogram.combine(recorded(one), recorded(other))
        const { sumMillis, ...rest } = recorded([...one, ...other])
        assert.deepInclude(together, rest)
        assert.closeTo(together.sumMillis, sumMillis, 1e-3)
      }),
      runs(100)
    )
  })

  it("is as new after a reset, and its snapshots stay as they were", () => {
    const histogram = recorded([1, 20])
    const before = Histogram.snapshot(histogram)
    Histogram.reset(histogram)
    assert.deepStrictEqual(histogram, Histogram.make())
    assert.deepStrictEqual(before, recorded([1, 20]))
    Histogram.record(histogram, 3)
    assert.deepStrictEqual(histogram, recorded([3]))
  })
})
