/**
 * Market data.
 */
import { Entity } from "@tiercache/core"
import { Schema } from "effect"

/** The best bid and ask and the last price of an instrument, in its currency, at one moment. */
export const Quote = Schema.Struct({
  symbol: Schema.NonEmptyString,
  bid: Schema.Finite,
  ask: Schema.Finite,
  last: Schema.Finite,
  timestamp: Schema.DateTimeUtc
})

export type Quote = typeof Quote.Type

/** `market:quote:{symbol}`: read thousands of times a second, worth nothing after 5 seconds. */
export const Quotes = Entity.make("market", "quote", {
  key: { symbol: Schema.NonEmptyString },
  value: Quote,
  ttl: "5 seconds",
  onWrite: "update"
})
