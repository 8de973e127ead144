import { assert, describe, it } from "vitest"
import * as StockPrices from "../src/StockPrices.ts"

describe("StockPrices.load", () => {
  it("reads all prices of the package's file", async () => {
    const prices = await StockPrices.load()
    assert.deepStrictEqual(
      [...prices].map(([symbol, { length }]) => [symbol, length]),
      [
        ["MSFT", 123],
        ["AMZN", 123],
        ["IBM", 123],
        ["GOOG", 68],
        ["AAPL", 123]
      ]
    )
    assert.deepStrictEqual(prices.get("AAPL")?.[0], { symbol: "AAPL", month: "Jan 2000", price: 25.94 })
    assert.deepStrictEqual(prices.get("AAPL")?.at(-1), { symbol: "AAPL", month: "Mar 2010", price: 223.02 })
    for (const series of prices.values()) for (const { price } of series) assert.isAbove(price, 0)
  })
})

describe("StockPrices.parse", () => {
  const header = "symbol,date,price"

  it("keeps the order of each symbol", () => {
    const prices = StockPrices.parse(`${header}\r\nB,Jan 1 2000,1\r\nA,Jan 1 2000,2.5\r\nB,Feb 1 2000,3\r\n`)
    assert.deepStrictEqual([...prices.keys()], ["B", "A"])
    assert.deepStrictEqual(
      prices.get("B")?.map(({ month, price }) => [month, price]),
      [
        ["Jan 2000", 1],
        ["Feb 2000", 3]
      ]
    )
  })

  it.each(["A,Jan 1 2000,", "A,Jan 1 2000,1e3", "A,2000-01-01,1", ",Jan 1 2000,1", "A,Jan 1 2000,1,2", ""])(
    "names the line that is no price: %j",
    (line) => {
      assert.throws(
        () => StockPrices.parse(`${header}\nA,Jan 1 2000,1\n${line}\nA,Jan 1 2000,1`),
        `line 3 of the stock prices`
      )
    }
  )

  it("refuses another file", () => {
    assert.throws(() => StockPrices.parse("<html>"), `begin with "<html>"`)
  })
})

describe("StockPrices.select", () => {
  it("takes some symbols in the order asked", async () => {
    const some = StockPrices.select(await StockPrices.load(), ["GOOG", "AMZN"])
    assert.deepStrictEqual([...some.keys()], ["GOOG", "AMZN"])
    assert.strictEqual(some.get("GOOG")?.length, 68)
  })
})
