/**
 * One process' part in the demo: it feeds, it reads, or both, on a cache of its own.
 */
import type { Market, PromiseCache, PromiseEntityCache } from "tiercache"
import * as Feed from "./Feed.ts"
import * as Histogram from "./Histogram.ts"
import * as Reader from "./Reader.ts"
import type { Report, View } from "./Report.ts"
import type { StockPrices } from "./StockPrices.ts"

export interface Options {
  readonly name: string
  readonly quotes: PromiseEntityCache<string, Market.Quote>
  /** Of the cache that holds the quotes. */
  readonly metrics: PromiseCache["metrics"]
  readonly prices: StockPrices
  /** Quotes per second; 0 for a process that only reads. */
  readonly rate: number
  /** Readers in this process; 0 for one that only writes. */
  readonly readers: number
}

export interface Participant {
  /** Feeds and reads until it is stopped. Rejects for bugs only: what a cache can fail with is counted. */
  readonly run: () => Promise<void>
  readonly report: () => Report
  /** Resolves when the last operation is done. */
  readonly stop: () => Promise<void>
  /** What the L1 of this process serves once each symbol was read. */
  readonly view: () => Promise<View>
}

export const make = ({ metrics, name, prices, quotes, rate, readers }: Options): Participant => {
  const symbols = [...prices.keys()]
  const watched = symbols[0]
  const readMicros = Histogram.make()
  const ageMillis = Histogram.make()
  const stopping = new AbortController()
  const { signal } = stopping
  let running: Promise<unknown> = Promise.resolve()
  let startedAt = 0
  let lastPrice: number | null = null
  let month: string | null = null

  const feed = () =>
    Feed.run({
      quotes,
      prices,
      rate,
      signal,
      onWritten: (price) => {
        if (price.symbol !== watched) return
        lastPrice = price.price
        month = price.month
      }
    })

  const read = () =>
    Reader.run({
      quotes,
      symbols,
      signal,
      readMicros,
      ageMillis,
      onSeen: ({ last, symbol }) => {
        if (symbol === watched) lastPrice = last
      }
    })

  return {
    run: async () => {
      startedAt = performance.now()
      running = Promise.all([...(rate > 0 ? [feed()] : []), ...Array.from({ length: readers }, read)])
      await running
    },
    report: () => {
      const { errors, l1Hits, l2Hits, misses, sets } = metrics()
      return {
        process: name,
        elapsed: performance.now() - startedAt,
        feeds: rate > 0,
        reads: readers > 0,
        quotesWritten: sets,
        l1Hits,
        l2Hits,
        misses,
        errors,
        readMicros: readMicros.summary() ?? null,
        ageMillis: ageMillis.summary() ?? null,
        lastPrice,
        month
      }
    },
    stop: async () => {
      stopping.abort()
      await running
    },
    view: async () => {
      const view: Record<string, string | null> = {}
      for (const symbol of symbols) {
        await quotes.get(symbol)
        const held = quotes.peek(symbol)
        view[symbol] = held === undefined ? null : JSON.stringify(held)
      }
      return view
    }
  }
}
