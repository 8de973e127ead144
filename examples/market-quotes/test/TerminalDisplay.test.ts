import { PassThrough } from "node:stream"
import { stripVTControlCharacters, styleText } from "node:util"
import { assert, describe, it } from "vitest"
import * as Paint from "../src/Paint.ts"
import * as TerminalDisplay from "../src/TerminalDisplay.ts"
import { frame, headline } from "./samples.ts"

const live = (width: number, paint: Paint.Paint = Paint.none) => TerminalDisplay.live(headline, frame, width, paint)

const open = (columns: number, rows = 40) => {
  const terminal = Object.assign(new PassThrough(), { columns, rows })
  const read = (): string => String(terminal.read() ?? "")
  const display = TerminalDisplay.make(terminal)
  display.begin(headline)
  return { display, read, terminal }
}

const linesOf = (output: string) => stripVTControlCharacters(output).trimEnd().split("\n")

describe("TerminalDisplay.live", () => {
  it("shows how far it is", () => {
    assert.deepStrictEqual(live(60).slice(0, 5), [
      "560 monthly prices of MSFT AMZN IBM GOOG AAPL as a feed",
      "tiered backend, 3 processes, Redis at 127.0.0.1:6379",
      "",
      "██████████████░░░░░░░░░░░░░  4.0 of 8 s  AAPL Mar 2004      ",
      ""
    ])
  })

  it.each([31, 40, 60, 80, 100])("fits %d columns, colours or not", (width) => {
    const coloured = live(width, (style, text) => styleText(style, text, { validateStream: false }))
    assert.deepStrictEqual(coloured.map(stripVTControlCharacters), live(width))
    for (const line of live(width)) assert.isAtMost(line.length, width)
  })

  it("shortens what it cannot wrap", () => {
    assert.strictEqual(live(40)[1], "tiered backend, 3 processes, Redis at 1…")
  })
})

describe("TerminalDisplay", () => {
  it("draws over what it drew before", () => {
    const { display, read } = open(80)
    assert.include(read(), "starting ...")
    display.show(frame)
    const height = linesOf(read()).length
    display.show(frame)
    assert.isTrue(read().startsWith(`\u001B[?25l\u001B[${height}A\r`))
  })

  it("begins again when the width changes", () => {
    const { display, read, terminal } = open(80)
    display.show(frame)
    read()
    terminal.columns = 60
    display.show(frame)
    assert.include(read(), "\u001B[2J")
    display.show(frame)
    assert.notInclude(read(), "\u001B[2J")
  })

  it("stays within the height", () => {
    const { display, read } = open(80, 10)
    read()
    display.show(frame)
    assert.strictEqual(linesOf(read()).length, 9)
  })

  it("gives way to the summary, and the cursor back", () => {
    const { display, read } = open(80)
    display.show(frame)
    read()
    display.end({ ...frame, convergence: { processes: 3, symbols: 5, differences: [], elapsed: 11.2 } })
    const summary = read()
    assert.include(summary, "L1 hit rate")
    assert.include(summary, "✓ all 3 L1s equal Redis for 5 of 5 symbols, after 12 ms")
    assert.notInclude(summary, "░")
    display[Symbol.dispose]()
    assert.strictEqual(read(), "\u001B[?25h")
  })
})
