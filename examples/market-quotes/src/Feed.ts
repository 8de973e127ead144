/**
 * Turns recorded prices into a live feed of quotes.
 */
import { setTimeout } from "node:timers/promises"
import { DateTime } from "effect"
import { CacheError, type Market, type PromiseEntityCache } from "tiercache"
import type { Price, StockPrices } from "./StockPrices.ts"

/**
 * The symbols in turn, each with its own prices over and over.
 *
 * **Details**
 *
 * GOOG has prices since 2004 only. It is not silent until then: its own series is shorter and starts over earlier, so that
 * every symbol is quoted equally often, and the age of a quote says something about the cache.
 */
export function* ticks(prices: StockPrices): Generator<Price, never> {
  const series = [...prices.values()]
  if (!series.some(({ length }) => length > 0)) throw new Error("a feed needs prices")
  for (let round = 0; ; round++) {
    for (const one of series) {
      const price = one[round % one.length]
      if (price !== undefined) yield price
    }
  }
}

/** Half of the spread, in dollars. The data has one price a month and no bid or ask: these are made up. */
const HALF_SPREAD = 0.01

/** A quote around a real price, as of now. */
export const quoteOf = ({ price, symbol }: Price): Market.Quote => ({
  symbol,
  bid: toCents(price - HALF_SPREAD),
  ask: toCents(price + HALF_SPREAD),
  last: price,
  timestamp: DateTime.nowUnsafe()
})

const toCents = (price: number): number => Math.round(price * 100) / 100

export interface Options {
  readonly quotes: Pick<PromiseEntityCache<string, Market.Quote>, "set">
  readonly prices: StockPrices
  /** Quotes per second. */
  readonly rate: number
  readonly signal: AbortSignal
  readonly onWritten: (price: Price) => void
}

/** Time between two looks at how many quotes are due, in milliseconds: the smallest that a timer keeps. */
const PAUSE = 1
/** How many quotes are written at most between two pauses; otherwise a feed that cannot keep up would starve the readers. */
const BURST = 200
/** Time until the next attempt after a write that failed, in milliseconds. */
const RETRY = 50

/** Writes quotes at a steady rate until the signal. A quote that cannot be written is counted by the cache, and skipped. */
export const run = async ({ onWritten, prices, quotes, rate, signal }: Options): Promise<void> => {
  const feed = ticks(prices)
  const startedAt = performance.now()
  let fed = 0
  while (!signal.aborted) {
    const due = Math.floor(((performance.now() - startedAt) * rate) / 1000)
    for (const end = Math.min(due, fed + BURST); fed < end && !signal.aborted; fed++) {
      const price = feed.next().value
      try {
        await quotes.set(price.symbol, quoteOf(price))
        onWritten(price)
      } catch (error) {
        if (!CacheError.isCacheError(error)) throw error
        await setTimeout(RETRY)
      }
    }
    await setTimeout(PAUSE)
  }
}
