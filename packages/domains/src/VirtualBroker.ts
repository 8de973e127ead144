/**
 * The virtual broker: accounts, balances and positions of simulated trading.
 */
import { Entity } from "@tiercache/core"
import { Schema } from "effect"
import * as Account from "./Account.ts"
import * as Ids from "./Ids.ts"
import * as Owner from "./Owner.ts"
import * as Position from "./Position.ts"

/** `vb:adapter:u:{userId}:c:{connectionId}`: the accounts that a connection gives a user. */
export const AdapterAccounts = Entity.make("vb", "adapter", {
  key: { user: Ids.UserId, connection: Ids.ConnectionId },
  labels: { user: "u", connection: "c" },
  value: Schema.Array(Account.Account),
  ttl: "60 seconds",
  tags: Owner.tags
})

/** `vb:account_list:{userId}`: all virtual accounts of a user. */
export const AccountLists = Entity.make("vb", "account_list", {
  key: { user: Ids.UserId },
  value: Schema.Array(Account.Account),
  ttl: "60 seconds",
  tags: (user) => Owner.tags({ user })
})

/** `vb:balance:{accountId}`. Simulated fills change it often, so it lives half as long as that of a real account. */
export const Balances = Entity.make("vb", "balance", {
  key: { account: Ids.AccountId },
  value: Account.Balance,
  ttl: "30 seconds",
  tags: (account) => Owner.tags({ account })
})

/** `vb:position:{accountId}`: all positions of a virtual account. */
export const Positions = Entity.make("vb", "position", {
  key: { account: Ids.AccountId },
  value: Schema.Array(Position.Position),
  ttl: "60 seconds",
  tags: (account) => Owner.tags({ account })
})
