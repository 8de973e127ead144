import * as DateTime from "effect/DateTime"
import type { Market } from "tiercache"

/** A quote of the usual size. */
export const quoteOf = (symbol: string): Market.Quote => ({
  symbol,
  bid: 189.97,
  ask: 190.03,
  last: 190,
  timestamp: DateTime.makeUnsafe(1_764_000_000_000)
})
