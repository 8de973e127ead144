import { DateTime } from "effect"
import * as fc from "fast-check"
import { createCache, Market } from "tiercache"
import { assert, describe, it } from "vitest"
import * as Feed from "../src/Feed.ts"
import * as StockPrices from "../src/StockPrices.ts"

const series = (symbol: string, prices: ReadonlyArray<number>) =>
  [symbol, prices.map((price, index) => ({ symbol, month: `Jan ${2000 + index}`, price }))] as const

const take = (prices: StockPrices.StockPrices, count: number) => {
  const feed = Feed.ticks(prices)
  return Array.from({ length: count }, () => feed.next().value)
}

describe("Feed.ticks", () => {
  it("goes round the symbols, and starts each series over by itself", () => {
    const prices = new Map([series("A", [1, 2, 3]), series("B", [10, 20])])
    assert.deepStrictEqual(
      take(prices, 8).map(({ price }) => price),
      [1, 10, 2, 20, 3, 10, 1, 20]
    )
  })

  it("quotes every symbol equally often", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 20 }), (lengths, rounds) => {
        const prices = new Map(
          lengths.map((length, index) =>
            series(
              `S${index}`,
              Array.from({ length }, (_, i) => i)
            )
          )
        )
        const counts = Object.values(Object.groupBy(take(prices, rounds * lengths.length), ({ symbol }) => symbol))
        assert.deepStrictEqual(
          counts.map((ticks) => ticks?.length),
          lengths.map(() => rounds)
        )
      })
    )
  })

  it("needs prices", () => {
    assert.throws(() => take(new Map(), 1), "a feed needs prices")
  })
})

describe("Feed.quoteOf", () => {
  it("puts a spread of two cents around the price", () => {
    const { ask, bid, last, symbol } = Feed.quoteOf({ symbol: "IBM", month: "Jan 2000", price: 100.52 })
    assert.deepStrictEqual({ ask, bid, last, symbol }, { ask: 100.53, bid: 100.51, last: 100.52, symbol: "IBM" })
  })
})

describe("Feed.run", () => {
  it("writes quotes until it is told to stop", async () => {
    const prices = StockPrices.select(await StockPrices.load(), ["AAPL", "GOOG"])
    await using cache = await createCache()
    const quotes = cache.entity(Market.Quotes)
    const stopping = new AbortController()
    const written: Array<StockPrices.Price> = []
    const startedAt = Date.now()
    await Feed.run({
      quotes,
      prices,
      rate: 10_000,
      signal: stopping.signal,
      onWritten: (price) => {
        if (written.push(price) === 7) stopping.abort()
      }
    })
    assert.deepStrictEqual(written, take(prices, 7))
    assert.strictEqual(cache.metrics().sets, 7)
    const quote = await quotes.get("AAPL")
    assert.strictEqual(quote?.last, written.at(-1)?.price)
    assert.isAtLeast(DateTime.toEpochMillis(quote?.timestamp ?? DateTime.makeUnsafe(0)), startedAt)
  })
})
