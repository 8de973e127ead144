import { createCache, Market } from "tiercache"
import { assert, describe, it } from "vitest"
import * as Feed from "../src/Feed.ts"
import * as Histogram from "../src/Histogram.ts"
import * as Reader from "../src/Reader.ts"

const price = { symbol: "AAPL", month: "Jan 2000", price: 25.94 }

const setup = async () => {
  const cache = await createCache()
  const stopping = new AbortController()
  return {
    cache,
    stopping,
    quotes: cache.entity(Market.Quotes),
    signal: stopping.signal,
    readMicros: Histogram.make(),
    ageMillis: Histogram.make(),
    [Symbol.asyncDispose]: cache.close
  }
}

describe("Reader.run", () => {
  it("lets others write while it reads, and sees it", async () => {
    await using stage = await setup()
    const seen: Array<number> = []
    const reading = Reader.run({
      ...stage,
      symbols: ["AAPL"],
      onSeen: ({ last }) => {
        if (last !== seen.at(-1)) seen.push(last)
        if (seen.length === 3) stage.stopping.abort()
      }
    })
    for (const last of [1, 2, 3]) {
      await stage.quotes.set("AAPL", Feed.quoteOf({ ...price, price: last }))
      while (seen.at(-1) !== last) await new Promise(setImmediate)
    }
    await reading
    assert.deepStrictEqual(seen, [1, 2, 3])
    const { l1Hits, misses } = stage.cache.metrics()
    assert.isAbove(l1Hits, stage.ageMillis.count())
    assert.isAtMost(stage.readMicros.count(), l1Hits + misses)
  })

  it("measures misses too, which have no age", async () => {
    await using stage = await setup()
    const reading = Reader.run({ ...stage, symbols: ["AAPL", "IBM"], onSeen: () => {} })
    while (stage.readMicros.count() < 20) await new Promise(setImmediate)
    stage.stopping.abort()
    await reading
    assert.strictEqual(stage.cache.metrics().l1Hits, 0)
    assert.strictEqual(stage.ageMillis.count(), 0)
  })
})
