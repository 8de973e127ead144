/**
 * Market data.
 *
 * **Details**
 *
 * Prices here are numbers, unlike amounts (see `Decimal`): a market price is a measurement that charts and indicators calculate with,
 * thousands of times a second, and nobody owns it. Feeds and charting libraries speak numbers too.
 */
import { Entity } from "@tiercache/core"
import { Schema } from "effect"
import * as Ids from "./Ids.ts"

/** The best bid and ask and the last price of an instrument, in its currency, at one moment. */
export const Quote = Schema.Struct({
  symbol: Ids.Symbol,
  bid: Schema.Finite,
  ask: Schema.Finite,
  last: Schema.Finite,
  timestamp: Schema.DateTimeUtc
})

export type Quote = typeof Quote.Type

/** What an instrument was traded at over one interval, which begins at `timestamp`. */
export const Bar = Schema.Struct({
  symbol: Ids.Symbol,
  interval: Ids.Interval,
  timestamp: Schema.DateTimeUtc,
  open: Schema.Finite,
  high: Schema.Finite,
  low: Schema.Finite,
  close: Schema.Finite,
  volume: Schema.Finite,
  /** The mean price, weighted by volume. */
  vwap: Schema.optionalKey(Schema.Finite),
  tradeCount: Schema.optionalKey(Schema.Int)
})

export type Bar = typeof Bar.Type

/** `market:quote:{symbol}`: read thousands of times a second, worth nothing after 5 seconds. */
export const Quotes = Entity.make("market", "quote", {
  key: { symbol: Ids.Symbol },
  value: Quote,
  ttl: "5 seconds",
  onWrite: "update"
})

/** `market:bar:{symbol}:{interval}`: the latest bar. */
export const Bars = Entity.make("market", "bar", {
  key: { symbol: Ids.Symbol, interval: Ids.Interval },
  value: Bar,
  ttl: "60 seconds"
})
