/**
 * What an account is worth.
 */
import { Entity } from "@tiercache/core"
import { Schema } from "effect"
import { Decimal } from "./Decimal.ts"
import * as Ids from "./Ids.ts"
import * as Owner from "./Owner.ts"
import * as Position from "./Position.ts"

/** An account summed up: its positions, its cash, and what they gained. */
export const Portfolio = Schema.Struct({
  account: Ids.AccountId,
  currency: Ids.Currency,
  cash: Decimal,
  marketValue: Decimal,
  equity: Decimal,
  unrealizedPnl: Decimal,
  realizedPnl: Schema.optionalKey(Decimal),
  /** Since the last close. */
  dayPnl: Schema.optionalKey(Decimal),
  positions: Schema.Array(Position.Position),
  asOf: Schema.DateTimeUtc
})

export type Portfolio = typeof Portfolio.Type

/** `trading:portfolio:{accountId}` */
export const Portfolios = Entity.make("trading", "portfolio", {
  key: { account: Ids.AccountId },
  value: Portfolio,
  ttl: "60 seconds",
  tags: (account) => Owner.tags({ account })
})
