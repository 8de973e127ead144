import { PassThrough } from "node:stream"
import { assert, describe, it } from "vitest"
import * as PlainDisplay from "../src/PlainDisplay.ts"
import { frame, headline, reader, row } from "./samples.ts"

const open = () => {
  const output = new PassThrough()
  const display = PlainDisplay.make(output)
  display.begin(headline)
  return { display, read: () => String(output.read() ?? "") }
}

describe("PlainDisplay", () => {
  it("prints a line a second below one header", () => {
    const { display, read } = open()
    display.show(frame)
    display.show({ ...frame, elapsed: 5 })
    assert.deepStrictEqual(read().split("\n"), [
      "560 monthly prices of MSFT AMZN IBM GOOG AAPL as a feed",
      "tiered backend, 3 processes, Redis at 127.0.0.1:6379",
      "",
      "   time   quotes/s   reads/s           L1 hits               age p99           AAPL",
      "  4.0 s        500    1.23 M  1.23 M     99.80 %   99.80 %     11 ms   11 ms    25.94  25.94  25.94",
      "  5.0 s        500    1.23 M  1.23 M     99.80 %   99.80 %     11 ms   11 ms    25.94  25.94  25.94",
      ""
    ])
  })

  it("prints neither colours nor cursor movements", () => {
    const { display, read } = open()
    display.show(frame)
    display.end({ ...frame, convergence: undefined })
    display[Symbol.dispose]()
    assert.notInclude(read(), "\u001B")
  })

  it("speaks of errors only if there are any", () => {
    assert.notInclude(PlainDisplay.line(frame), "error")
    assert.match(PlainDisplay.line({ ...frame, rows: [row({ errors: 2 }), row({ errors: 3 })] }), / {3}errors: 5$/)
  })

  it("says who disagrees", () => {
    const { display, read } = open()
    const differences = [
      { process: "reader 1", symbols: ["AAPL"] },
      { process: "reader 2", symbols: ["AAPL", "IBM"] }
    ]
    display.end({ ...frame, rows: [reader(1)], convergence: { processes: 3, symbols: 5, differences, elapsed: 2003 } })
    assert.include(read(), "✗ after 2003 ms these L1s differ from Redis: reader 1 (AAPL), reader 2 (AAPL IBM)")
  })
})
