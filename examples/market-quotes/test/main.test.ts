import { assert, describe, it } from "vitest"
import { parse, run } from "./mainProcess.ts"

describe("main", () => {
  it("plays in memory, and sums up as JSON", async () => {
    const { code, stderr, stdout } = await run(["--seconds", "1", "--json"])
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    const { convergence, errors, processes, quotesWritten, reads, symbols } = parse(stdout)
    assert.deepStrictEqual(symbols, ["MSFT", "AMZN", "IBM", "GOOG", "AAPL"])
    assert.deepStrictEqual({ convergence, errors }, { convergence: null, errors: 0 })
    assert.isAbove(quotesWritten, 0)
    assert.isAbove(reads, 0)
    assert.strictEqual(processes.length, 1)
    assert.isAbove(processes[0]?.l1Hits ?? 0, 0)
    assert.isAbove(processes[0]?.readMicros?.max ?? 0, 0)
    assert.isNotNull(processes[0]?.quoteAgeMillis)
  })

  it("prints plain lines and a table where the output is no terminal", async () => {
    const { code, stdout } = await run(["--seconds", "1", "--symbols", "aapl", "--readers", "1"])
    assert.strictEqual(code, 0)
    assert.include(stdout, "123 monthly prices of AAPL as a feed\nmemory backend, one process; REDIS_URL is not set\n")
    assert.match(stdout, /^ {2}1\.0 s +\d/m)
    assert.match(stdout, /^L1 hit rate +\d/m)
    assert.notInclude(stdout, "\u001B")
  })

  it("explains itself", async () => {
    const { code, stderr, stdout } = await run(["--help"])
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    assert.include(stdout, "--symbols")
  })

  it("refuses wrong options in one line", async () => {
    const { code, stderr, stdout } = await run(["--symbols", "TSLA"])
    assert.deepStrictEqual(
      { code, stderr, stdout },
      {
        code: 2,
        stderr: `market-quotes: --symbols takes some of MSFT,AMZN,IBM,GOOG,AAPL, and not "TSLA"\n`,
        stdout: ""
      }
    )
  })

  it("says in one line that it cannot use a Redis, and never the password", async () => {
    const { code, stderr, stdout } = await run(["--seconds", "1"], "redis://user:secret@127.0.0.1:1")
    assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
    assert.match(stderr, /^market-quotes: [^\n]*ECONNREFUSED[^\n]*\n$/)
    assert.notInclude(stderr, "secret")
  })
})
