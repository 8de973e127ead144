import { assert, describe, it } from "vitest"
import * as Frame from "../src/Frame.ts"
import { row } from "./samples.ts"

const at = (elapsed: number, quotesWritten: number, l1Hits: number) => row({ elapsed, quotesWritten, l1Hits })

const speeds = ({ quotesPerSecond, readsPerSecond }: Frame.Row) => [quotesPerSecond, readsPerSecond]

describe("Frame.average", () => {
  it("is over all the time", () => {
    assert.deepStrictEqual(speeds(Frame.average(at(4000, 2000, 8000))), [500, 2000])
  })

  it("is zero before any time has passed", () => {
    assert.deepStrictEqual(speeds(Frame.average(at(0, 10, 10))), [0, 0])
  })
})

describe("Frame.makeLive", () => {
  it("is over the last second, as soon as there was one", () => {
    const live = Frame.makeLive()
    const frames = [
      at(500, 50, 500),
      at(1000, 100, 1000),
      at(1500, 200, 2000),
      at(2000, 300, 2000),
      at(2500, 300, 2000)
    ]
    assert.deepStrictEqual(
      frames.map((report) => live([report]).map(speeds)),
      [[[100, 1000]], [[100, 1000]], [[150, 1500]], [[200, 1000]], [[100, 0]]]
    )
  })

  it("keeps processes apart, and takes the same report twice", () => {
    const live = Frame.makeLive()
    const slow = row({ process: "slow", elapsed: 1000, quotesWritten: 1 })
    const fast = row({ process: "fast", elapsed: 1000, quotesWritten: 1000 })
    const rows = () => live([slow, fast]).map(speeds)
    assert.deepStrictEqual(rows(), [
      [1, 0],
      [1000, 0]
    ])
    assert.deepStrictEqual(rows(), rows())
  })
})

describe("Frame.l1HitRateOf", () => {
  it("is of all reads", () => {
    assert.strictEqual(Frame.l1HitRateOf(row({ l1Hits: 6, l2Hits: 3, misses: 1 })), 0.6)
    assert.isUndefined(Frame.l1HitRateOf(row({})))
  })
})
