/**
 * Orders.
 */
import { Entity } from "@tiercache/core"
import { Schema } from "effect"
import { Decimal } from "./Decimal.ts"
import * as Ids from "./Ids.ts"

export const Side = Schema.Literals(["buy", "sell"])
export type Side = typeof Side.Type

export const Type = Schema.Literals(["market", "limit", "stop", "stop_limit", "trailing_stop"])
export type Type = typeof Type.Type

/** How long an order stays: for the day, until cancelled, at the opening or closing auction, at once or not at all. */
export const TimeInForce = Schema.Literals(["day", "gtc", "opg", "cls", "ioc", "fok"])
export type TimeInForce = typeof TimeInForce.Type

/** Where an order is on its way, from `pending_new` to one of `filled`, `canceled`, `expired`, `replaced` and `rejected`. */
export const Status = Schema.Literals([
  "pending_new",
  "accepted",
  "new",
  "partially_filled",
  "pending_cancel",
  "pending_replace",
  "done_for_day",
  "suspended",
  "filled",
  "canceled",
  "expired",
  "replaced",
  "rejected"
])
export type Status = typeof Status.Type

/** A part of an order that was executed. */
export const Fill = Schema.Struct({
  id: Schema.optionalKey(Schema.NonEmptyString),
  quantity: Decimal,
  price: Decimal,
  commission: Schema.optionalKey(Decimal),
  timestamp: Schema.DateTimeUtc
})

export type Fill = typeof Fill.Type

/** An order as its broker last reported it. Prices are in the currency of the instrument. */
export const Order = Schema.Struct({
  id: Ids.OrderId,
  clientOrderId: Schema.optionalKey(Schema.NonEmptyString),
  account: Ids.AccountId,
  symbol: Ids.Symbol,
  side: Side,
  type: Type,
  timeInForce: TimeInForce,
  status: Status,
  quantity: Decimal,
  filledQuantity: Decimal,
  averageFillPrice: Schema.optionalKey(Decimal),
  limitPrice: Schema.optionalKey(Decimal),
  stopPrice: Schema.optionalKey(Decimal),
  /** How far a trailing stop stays behind the market: a price, or a percentage. */
  trailPrice: Schema.optionalKey(Decimal),
  trailPercent: Schema.optionalKey(Decimal),
  extendedHours: Schema.optionalKey(Schema.Boolean),
  fills: Schema.Array(Fill),
  /** Why it was rejected or cancelled, in the broker's words. */
  reason: Schema.optionalKey(Schema.String),
  submittedAt: Schema.DateTimeUtc,
  updatedAt: Schema.DateTimeUtc,
  /** When it reached its last status. */
  closedAt: Schema.optionalKey(Schema.DateTimeUtc)
})

export type Order = typeof Order.Type

/** `order:status:{orderId}`. Its account and user are for `Owner.tags`. */
export const Statuses = Entity.make("order", "status", {
  key: { order: Ids.OrderId },
  value: Order,
  ttl: "300 seconds"
})
