/**
 * The operations on every kind of data of a trading system.
 */
import type { Cache, Entity } from "@tiercache/core"
import * as Account from "../Account.ts"
import * as Api from "../Api.ts"
import * as ApiResponses from "../ApiResponses.ts"
import * as Auth from "../Auth.ts"
import * as Broker from "../Broker.ts"
import * as Market from "../Market.ts"
import * as Order from "../Order.ts"
import * as Position from "../Position.ts"
import * as Trading from "../Trading.ts"
import * as User from "../User.ts"
import * as VirtualBroker from "../VirtualBroker.ts"
import type * as ManagedTtls from "./managedTtls.ts"

export type ManagedCaches = ReturnType<typeof make>

export const make = (cache: Cache.Cache["Service"], ttls: ManagedTtls.ManagedTtls) => {
  const open = <Id, A>(entity: Entity.Entity<Id, A>) => cache.entity(ttls.entity(entity))
  return {
    user: { profile: open(User.Profiles), settings: open(User.Settings) },
    auth: {
      session: open(Auth.Sessions),
      token: open(Auth.Tokens),
      oauthState: open(Auth.OAuthStates),
      oauthToken: cache.entity(ttls.oauthTokens)
    },
    broker: {
      health: open(Broker.Health),
      connection: open(Broker.Connections),
      credentials: open(Broker.Credentials)
    },
    vb: {
      adapterAccounts: open(VirtualBroker.AdapterAccounts),
      accountList: open(VirtualBroker.AccountLists),
      balance: open(VirtualBroker.Balances),
      position: open(VirtualBroker.Positions)
    },
    account: { balance: open(Account.Balances) },
    order: { status: open(Order.Statuses) },
    position: { list: open(Position.Lists) },
    trading: { portfolio: open(Trading.Portfolios) },
    market: { quote: open(Market.Quotes), bar: open(Market.Bars) },
    api: { response: ApiResponses.make(open(Api.Responses)) }
  }
}
