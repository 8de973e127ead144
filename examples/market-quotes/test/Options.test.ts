import { assert, describe, it } from "vitest"
import * as Options from "../src/Options.ts"

const known = ["MSFT", "GOOG", "AAPL"]
const parse = (...args: ReadonlyArray<string>) => Options.parse(args, known)

describe("Options.parse", () => {
  it("has defaults", () => {
    assert.deepStrictEqual(parse(), { symbols: known, seconds: 8, readers: 2, rate: 500, json: false })
  })

  it("reads every option, whatever its form", () => {
    const expected = { symbols: ["AAPL", "MSFT"], seconds: 1.5, readers: 3, rate: 20, json: true }
    assert.deepStrictEqual(
      parse("--symbols", "aapl, MSFT,AAPL", "--seconds", "1.5", "--readers=3", "--rate=20", "--json"),
      expected
    )
  })

  it("does not mind what pnpm adds", () => {
    assert.deepInclude(parse("--", "--seconds", "2"), { seconds: 2 })
  })

  it("shows help even among other options", () => {
    assert.strictEqual(parse("--json", "--help"), "help")
    assert.strictEqual(parse("-h"), "help")
  })

  it.each([
    [["--colour"], "Unknown option '--colour'"],
    [["now"], "Unexpected argument 'now'"],
    [["--seconds"], "Option '--seconds <value>' argument missing"],
    [["--json=yes"], "Option '--json' does not take an argument"],
    [["--seconds", "soon"], `--seconds takes a number from 0.1 to 3600, and not "soon"`],
    [["--seconds="], `--seconds takes a number from 0.1 to 3600, and not ""`],
    [["--seconds", "0"], `--seconds takes a number from 0.1 to 3600, and not "0"`],
    [["--seconds=-1"], `--seconds takes a number from 0.1 to 3600, and not "-1"`],
    [["--seconds", "Infinity"], `--seconds takes a number from 0.1 to 3600, and not "Infinity"`],
    [["--readers", "9"], `--readers takes a number from 1 to 8, and not "9"`],
    [["--readers", "1.5"], `--readers takes a whole number, and not "1.5"`],
    [["--rate", "0"], `--rate takes a number from 1 to 100000, and not "0"`],
    [["--symbols", "AAPL,TSLA"], `--symbols takes some of MSFT,GOOG,AAPL, and not "TSLA"`],
    [["--symbols", ""], `--symbols takes some of MSFT,GOOG,AAPL, and not ""`]
  ])("refuses %j in one line", (args, message) => {
    try {
      parse(...args)
    } catch (error) {
      assert.instanceOf(error, Options.OptionError)
      assert.strictEqual(error.message, message)
      return
    }
    assert.fail("it was accepted")
  })
})

describe("Options.help", () => {
  it("names every option and variable, and fits a terminal", () => {
    const help = Options.help(known)
    for (const name of ["--symbols", "--seconds", "--readers", "--rate", "--json", "--help", "REDIS_URL", "NO_COLOR"]) {
      assert.include(help, name)
    }
    for (const line of help.split("\n")) assert.isAtMost(line.length, 80)
  })
})
