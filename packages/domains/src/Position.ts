/**
 * What an account holds.
 */
import { Entity } from "@tiercache/core"
import { Schema } from "effect"
import { Decimal } from "./Decimal.ts"
import * as Ids from "./Ids.ts"
import * as Owner from "./Owner.ts"

export const Side = Schema.Literals(["long", "short"])
export type Side = typeof Side.Type

/** What an account holds of one instrument. */
export const Position = Schema.Struct({
  symbol: Ids.Symbol,
  side: Side,
  /** Never negative: `side` says which way. */
  quantity: Decimal,
  /** What of it no open order has spoken for. */
  quantityAvailable: Schema.optionalKey(Decimal),
  averageEntryPrice: Decimal,
  currentPrice: Schema.optionalKey(Decimal),
  /** Negative if short, as are the cost basis and what a loss is. */
  marketValue: Decimal,
  costBasis: Decimal,
  unrealizedPnl: Decimal,
  realizedPnl: Schema.optionalKey(Decimal),
  currency: Ids.Currency,
  asOf: Schema.DateTimeUtc
})

export type Position = typeof Position.Type

/** `position:list:{accountId}`: all positions of an account. */
export const Lists = Entity.make("position", "list", {
  key: { account: Ids.AccountId },
  value: Schema.Array(Position),
  ttl: "60 seconds",
  tags: (account) => Owner.tags({ account })
})
