import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Paint from "../src/Paint.ts"
import * as Table from "../src/Table.ts"
import { feeder, frame, reader, row } from "./samples.ts"

const render = (width: number, rows = frame.rows) => Table.render({ ...frame, rows }, width, Paint.none)

describe("Table.render", () => {
  it("has a column for each process", () => {
    assert.deepStrictEqual(render(60), [
      "                         feeder     reader 1     reader 2",
      "quotes written/s            500            –            –",
      "reads/s                       –       1.23 M       1.23 M",
      "  L1 hits                     –      998,000      998,000",
      "  L2 hits                     –        1,990        1,990",
      "  misses                      –           10           10",
      "L1 hit rate                   –      99.80 %      99.80 %",
      "read, p50                     –      0.21 µs      0.21 µs",
      "      p99                     –      1.50 µs      1.50 µs",
      "quote age, p50                –         5 ms         5 ms",
      "           p99                –        11 ms        11 ms",
      "           max                –        31 ms        31 ms",
      "last price AAPL           25.94        25.94        25.94"
    ])
  })

  it("speaks of errors only if there are any", () => {
    assert.isFalse(render(60).some((line) => line.startsWith("errors")))
    assert.include(render(60, [row({ errors: 3 })]), "errors                        3")
  })

  it("never exceeds the width, and shows every process", () => {
    fc.assert(
      fc.property(fc.integer({ min: 31, max: 200 }), fc.integer({ min: 1, max: 8 }), (width, readers) => {
        const lines = render(width, [feeder, ...Array.from({ length: readers }, (_, index) => reader(index + 1))])
        for (const line of lines) assert.isAtMost(line.length, width)
        for (let number = 1; number <= readers; number++) assert.include(lines.join("\n"), `reader ${number}`)
      })
    )
  })
})
