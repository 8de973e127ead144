/**
 * Accounts at brokers, and what is in them.
 */
import { Entity } from "@tiercache/core"
import { Schema } from "effect"
import { Decimal } from "./Decimal.ts"
import * as Ids from "./Ids.ts"
import * as Owner from "./Owner.ts"

/** An account, without its money. */
export const Account = Schema.Struct({
  id: Ids.AccountId,
  broker: Ids.BrokerId,
  connection: Ids.ConnectionId,
  /** What its owner calls it, or its number at the broker. */
  name: Schema.String,
  type: Schema.Literals(["cash", "margin", "retirement", "crypto", "paper"]),
  status: Schema.Literals(["active", "restricted", "pending", "closed"]),
  currency: Ids.Currency,
  createdAt: Schema.optionalKey(Schema.DateTimeUtc)
})

export type Account = typeof Account.Type

/** The money of an account at one moment, in one currency. */
export const Balance = Schema.Struct({
  account: Ids.AccountId,
  currency: Ids.Currency,
  cash: Decimal,
  /** Cash and the value of all positions. */
  equity: Decimal,
  buyingPower: Decimal,
  withdrawable: Schema.optionalKey(Decimal),
  longMarketValue: Schema.optionalKey(Decimal),
  shortMarketValue: Schema.optionalKey(Decimal),
  initialMargin: Schema.optionalKey(Decimal),
  maintenanceMargin: Schema.optionalKey(Decimal),
  asOf: Schema.DateTimeUtc
})

export type Balance = typeof Balance.Type

/** `account:balance:{accountId}`. Its user and connection are for `Owner.tags`. */
export const Balances = Entity.make("account", "balance", {
  key: { account: Ids.AccountId },
  value: Balance,
  ttl: "60 seconds",
  tags: (account) => Owner.tags({ account })
})
