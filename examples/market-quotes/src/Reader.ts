/**
 * Reads quotes in bursts, and measures some of the reads.
 */
import { setTimeout } from "node:timers/promises"
import { DateTime } from "effect"
import { CacheError, type Market, type PromiseEntityCache } from "tiercache"
import type * as Histogram from "./Histogram.ts"

export interface Options {
  readonly quotes: Pick<PromiseEntityCache<string, Market.Quote>, "get">
  readonly symbols: ReadonlyArray<string>
  readonly signal: AbortSignal
  /** How long a read took, hit or miss, in microseconds. */
  readonly readMicros: Histogram.Histogram
  /** How old a quote was when it was served, in milliseconds. */
  readonly ageMillis: Histogram.Histogram
  /** A measured read that found a quote. */
  readonly onSeen: (quote: Market.Quote) => void
}

/** Reads between two pauses. Hits never wait for the event loop, so without pauses no invalidation would arrive. */
const BURST = 1000
/**
 * In milliseconds, the smallest that a timer keeps. A reader that only let the event loop turn would take a whole core, and on
 * a small machine the ages of quotes would tell how the cores are shared.
 */
const PAUSE = 1
/** One of so many reads is measured: enough of them, without the clock costing more than a hit. Prime, so that every symbol gets its turn. */
const SAMPLE = 17
/** Time until the next attempt after a read that failed, in milliseconds. */
const RETRY = 50

/** Reads the symbols in turn until the signal. A read that fails is counted by the cache. */
export const run = async (options: Options): Promise<void> => {
  const { quotes, signal, symbols } = options
  let turn = 0
  while (!signal.aborted) {
    try {
      for (let left = BURST; left > 0; left--) {
        const symbol = symbols[turn % symbols.length] ?? ""
        if (turn++ % SAMPLE === 0) await measuredRead(options, symbol)
        else await quotes.get(symbol)
      }
      await setTimeout(PAUSE)
    } catch (error) {
      if (!CacheError.isCacheError(error)) throw error
      await setTimeout(RETRY)
    }
  }
}

const measuredRead = async ({ ageMillis, onSeen, quotes, readMicros }: Options, symbol: string): Promise<void> => {
  const startedAt = performance.now()
  const quote = await quotes.get(symbol)
  readMicros.record((performance.now() - startedAt) * 1000)
  if (quote === undefined) return
  ageMillis.record(Date.now() - DateTime.toEpochMillis(quote.timestamp))
  onSeen(quote)
}
