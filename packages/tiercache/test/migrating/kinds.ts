/**
 * How each kind of data is cached, read and invalidated, as docs/migrating-from-python.md says it: the same line for promises and Effect.
 */
import type { CacheError, CacheManager } from "tiercache"
import type { Effect } from "effect"
import {
  account,
  balance,
  bar,
  connection,
  credentials,
  healthCheck,
  oauthState,
  oauthToken,
  order,
  portfolio,
  position,
  profile,
  quote,
  session,
  settings,
  token
} from "./Samples.ts"

type Tradecore = CacheManager.PromiseCacheManager | CacheManager.CacheManager["Service"]
type Answer<A> = Promise<A> | Effect.Effect<A, CacheError.CacheError>

export interface Kind {
  readonly there: string
  readonly store: (tradecore: Tradecore) => Answer<boolean>
  readonly read: (tradecore: Tradecore) => Answer<unknown>
  readonly invalidate: (tradecore: Tradecore) => Answer<boolean>
  readonly value: unknown
  readonly key: string
  /** In seconds. */
  readonly ttl: number
  /** Likewise: how much longer Redis keeps it, to serve it stale. */
  readonly grace?: number
}

export const kinds: ReadonlyArray<Kind> = [
  {
    there: "user profile",
    store: (tradecore) => tradecore.user.profile.set("user-123", profile),
    read: (tradecore) => tradecore.user.profile.get("user-123"),
    invalidate: (tradecore) => tradecore.user.profile.delete("user-123"),
    value: profile,
    key: "tradecore:user:profile:user-123",
    ttl: 3600,
    grace: 600
  },
  {
    there: "user settings",
    store: (tradecore) => tradecore.user.settings.set("user-123", settings),
    read: (tradecore) => tradecore.user.settings.get("user-123"),
    invalidate: (tradecore) => tradecore.user.settings.delete("user-123"),
    value: settings,
    key: "tradecore:user:settings:user-123",
    ttl: 1800,
    grace: 600
  },
  {
    there: "session",
    store: (tradecore) => tradecore.auth.session.set("sess-456", session),
    read: (tradecore) => tradecore.auth.session.get("sess-456"),
    invalidate: (tradecore) => tradecore.auth.session.delete("sess-456"),
    value: session,
    key: "tradecore:auth:session:sess-456",
    ttl: 7200
  },
  {
    there: "token",
    store: (tradecore) => tradecore.auth.token.set("tok-1", token),
    read: (tradecore) => tradecore.auth.token.get("tok-1"),
    invalidate: (tradecore) => tradecore.auth.token.delete("tok-1"),
    value: token,
    key: "tradecore:auth:token:tok-1",
    ttl: 3600
  },
  {
    there: "OAuth state",
    store: (tradecore) => tradecore.auth.oauthState.set("state-1", oauthState),
    read: (tradecore) => tradecore.auth.oauthState.get("state-1"),
    invalidate: (tradecore) => tradecore.auth.oauthState.delete("state-1"),
    value: oauthState,
    key: "tradecore:auth:oauth_state:state-1",
    ttl: 600
  },
  {
    there: "OAuth token",
    store: (tradecore) =>
      tradecore.auth.oauthToken.set({ broker: "alpaca", kind: "access_token", connection: "conn-456" }, oauthToken),
    read: (tradecore) =>
      tradecore.auth.oauthToken.get({ broker: "alpaca", kind: "access_token", connection: "conn-456" }),
    invalidate: (tradecore) =>
      tradecore.auth.oauthToken.delete({ broker: "alpaca", kind: "access_token", connection: "conn-456" }),
    value: oauthToken,
    key: "tradecore:auth:oauth:alpaca:access_token:conn-456",
    ttl: 3600
  },
  {
    there: "broker health",
    store: (tradecore) => tradecore.broker.health.set({ broker: "alpaca", connection: "conn-456" }, healthCheck),
    read: (tradecore) => tradecore.broker.health.get({ broker: "alpaca", connection: "conn-456" }),
    invalidate: (tradecore) => tradecore.broker.health.delete({ broker: "alpaca", connection: "conn-456" }),
    value: healthCheck,
    key: "tradecore:broker:health:alpaca:conn-456",
    ttl: 60
  },
  {
    there: "broker connection",
    store: (tradecore) => tradecore.broker.connection.set({ broker: "alpaca", connection: "conn-456" }, connection),
    read: (tradecore) => tradecore.broker.connection.get({ broker: "alpaca", connection: "conn-456" }),
    invalidate: (tradecore) => tradecore.broker.connection.delete({ broker: "alpaca", connection: "conn-456" }),
    value: connection,
    key: "tradecore:broker:connection:alpaca:conn-456",
    ttl: 300
  },
  {
    there: "broker credentials",
    store: (tradecore) => tradecore.broker.credentials.set({ broker: "alpaca", connection: "conn-456" }, credentials),
    read: (tradecore) => tradecore.broker.credentials.get({ broker: "alpaca", connection: "conn-456" }),
    invalidate: (tradecore) => tradecore.broker.credentials.delete({ broker: "alpaca", connection: "conn-456" }),
    value: credentials,
    key: "tradecore:broker:credentials:alpaca:conn-456",
    ttl: 3600
  },
  {
    there: "VB adapter accounts",
    store: (tradecore) => tradecore.vb.adapterAccounts.set({ user: "user-123", connection: "conn-456" }, [account]),
    read: (tradecore) => tradecore.vb.adapterAccounts.get({ user: "user-123", connection: "conn-456" }),
    invalidate: (tradecore) => tradecore.vb.adapterAccounts.delete({ user: "user-123", connection: "conn-456" }),
    value: [account],
    key: "tradecore:vb:adapter:u:user-123:c:conn-456",
    ttl: 60
  },
  {
    there: "VB account list",
    store: (tradecore) => tradecore.vb.accountList.set("user-123", [account]),
    read: (tradecore) => tradecore.vb.accountList.get("user-123"),
    invalidate: (tradecore) => tradecore.vb.accountList.delete("user-123"),
    value: [account],
    key: "tradecore:vb:account_list:user-123",
    ttl: 60
  },
  {
    there: "VB balance",
    store: (tradecore) => tradecore.vb.balance.set("acct-1", balance),
    read: (tradecore) => tradecore.vb.balance.get("acct-1"),
    invalidate: (tradecore) => tradecore.vb.balance.delete("acct-1"),
    value: balance,
    key: "tradecore:vb:balance:acct-1",
    ttl: 30
  },
  {
    there: "VB position",
    store: (tradecore) => tradecore.vb.position.set("acct-1", [position]),
    read: (tradecore) => tradecore.vb.position.get("acct-1"),
    invalidate: (tradecore) => tradecore.vb.position.delete("acct-1"),
    value: [position],
    key: "tradecore:vb:position:acct-1",
    ttl: 60
  },
  {
    there: "account balance",
    store: (tradecore) => tradecore.account.balance.set("acct-1", balance),
    read: (tradecore) => tradecore.account.balance.get("acct-1"),
    invalidate: (tradecore) => tradecore.account.balance.delete("acct-1"),
    value: balance,
    key: "tradecore:account:balance:acct-1",
    ttl: 60
  },
  {
    there: "order status",
    store: (tradecore) => tradecore.order.status.set("order-1", order),
    read: (tradecore) => tradecore.order.status.get("order-1"),
    invalidate: (tradecore) => tradecore.order.status.delete("order-1"),
    value: order,
    key: "tradecore:order:status:order-1",
    ttl: 300
  },
  {
    there: "position list",
    store: (tradecore) => tradecore.position.list.set("acct-1", [position]),
    read: (tradecore) => tradecore.position.list.get("acct-1"),
    invalidate: (tradecore) => tradecore.position.list.delete("acct-1"),
    value: [position],
    key: "tradecore:position:list:acct-1",
    ttl: 60
  },
  {
    there: "portfolio",
    store: (tradecore) => tradecore.trading.portfolio.set("acct-1", portfolio),
    read: (tradecore) => tradecore.trading.portfolio.get("acct-1"),
    invalidate: (tradecore) => tradecore.trading.portfolio.delete("acct-1"),
    value: portfolio,
    key: "tradecore:trading:portfolio:acct-1",
    ttl: 60
  },
  {
    there: "bar",
    store: (tradecore) => tradecore.market.bar.set({ symbol: "AAPL", interval: "1m" }, bar),
    read: (tradecore) => tradecore.market.bar.get({ symbol: "AAPL", interval: "1m" }),
    invalidate: (tradecore) => tradecore.market.bar.delete({ symbol: "AAPL", interval: "1m" }),
    value: bar,
    key: "tradecore:market:bar:AAPL:1m",
    ttl: 60
  },
  {
    there: "quote",
    store: (tradecore) => tradecore.market.quote.set("AAPL", quote),
    read: (tradecore) => tradecore.market.quote.get("AAPL"),
    invalidate: (tradecore) => tradecore.market.quote.delete("AAPL"),
    value: quote,
    key: "tradecore:market:quote:AAPL",
    ttl: 5
  }
]
