/**
 * All kinds of data that a trading system caches, in one place.
 */
import * as Account from "./Account.ts"
import * as Api from "./Api.ts"
import * as Auth from "./Auth.ts"
import * as Broker from "./Broker.ts"
import * as Market from "./Market.ts"
import * as Order from "./Order.ts"
import * as Position from "./Position.ts"
import * as Trading from "./Trading.ts"
import * as User from "./User.ts"
import * as VirtualBroker from "./VirtualBroker.ts"

/** By `{domain}:{type}`, which is how their keys begin. */
export const entities = {
  "user:profile": User.Profiles,
  "user:settings": User.Settings,
  "auth:session": Auth.Sessions,
  "auth:token": Auth.Tokens,
  "auth:oauth_state": Auth.OAuthStates,
  "auth:oauth": Auth.OAuthTokens,
  "broker:health": Broker.Health,
  "broker:connection": Broker.Connections,
  "broker:credentials": Broker.Credentials,
  "vb:adapter": VirtualBroker.AdapterAccounts,
  "vb:account_list": VirtualBroker.AccountLists,
  "vb:balance": VirtualBroker.Balances,
  "vb:position": VirtualBroker.Positions,
  "account:balance": Account.Balances,
  "order:status": Order.Statuses,
  "position:list": Position.Lists,
  "trading:portfolio": Trading.Portfolios,
  "market:quote": Market.Quotes,
  "market:bar": Market.Bars,
  "api:response": Api.Responses
} as const

/** The name of a kind of data. */
export type Name = keyof typeof entities

/** What comes first in a key. */
export type Domain = Name extends `${infer D}:${string}` ? D : never

/** What comes second, in a domain. */
export type Type<D extends Domain> = Extract<Name, `${D}:${string}`> extends `${D}:${infer T}` ? T : never
