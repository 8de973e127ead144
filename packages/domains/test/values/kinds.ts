/**
 * An example of each kind of data, and what every store of such data has to do.
 */
import { inspect } from "node:util"
import { assert } from "@effect/vitest"
import type { Cache, CacheError, Entity } from "@tiercache/core"
import { Account, Api, Auth, Broker, Market, Order, Position, Trading, User, VirtualBroker } from "@tiercache/domains"
import { Arbitrary, BigDecimal, DateTime, Effect, Equal, Redacted, Schema } from "effect"

/** What must never be printed. */
export const SECRET = "hunter2-hunter2"

const decimal = BigDecimal.fromStringUnsafe
const at = DateTime.makeUnsafe("2026-01-02T15:04:05.678Z")
/** Long after every run. */
const later = DateTime.makeUnsafe("2999-01-01T00:00:00.000Z")
const secret = Redacted.make(SECRET)

const profile: User.Profile = {
  id: "user-123",
  email: "ada@example.org",
  displayName: "Ada",
  status: "active",
  roles: ["trader"],
  country: "GB",
  createdAt: at
}

const preferences: User.Preferences = {
  locale: "en-GB",
  timeZone: "Europe/London",
  currency: "GBP",
  theme: "dark",
  notifications: { email: true, push: false, sms: false },
  confirmOrders: true,
  defaultOrderType: "limit"
}

const session: Auth.Session = { user: "user-123", roles: ["trader"], csrfToken: secret, createdAt: at }

const token: Auth.Token = { user: "user-123", value: secret, scopes: ["read"], issuedAt: at, expiresAt: later }

const state: Auth.OAuthState = {
  user: "user-123",
  broker: "alpaca",
  codeVerifier: secret,
  redirectUri: "https://example.org/back",
  scopes: ["trade"],
  createdAt: at
}

const oauthToken: Auth.OAuthToken = { broker: "alpaca", kind: "refresh_token", value: secret, expiresAt: later }

const health: Broker.HealthCheck = { status: "degraded", latencyMillis: 812.5, consecutiveFailures: 2, checkedAt: at }

const connection: Broker.Connection = {
  id: "conn-456",
  broker: "alpaca",
  user: "user-123",
  status: "connected",
  environment: "paper",
  authentication: "oauth",
  accounts: ["acct-1"],
  connectedAt: at
}

const credentials: Broker.ApiCredentials = {
  apiKey: secret,
  apiSecret: secret,
  passphrase: secret,
  environment: "live"
}

const account: Account.Account = {
  id: "acct-1",
  broker: "alpaca",
  connection: "conn-456",
  name: "Savings",
  type: "margin",
  status: "active",
  currency: "USD"
}

export const balance: Account.Balance = {
  account: "acct-1",
  currency: "USD",
  cash: BigDecimal.sum(decimal("0.1"), decimal("0.2")),
  equity: decimal("12345678901234567890.123456789012345678"),
  buyingPower: decimal("-0.50"),
  initialMargin: decimal("0"),
  asOf: at
}

const position: Position.Position = {
  symbol: "BRK.B",
  side: "short",
  quantity: decimal("0.000000001"),
  averageEntryPrice: decimal("486.10"),
  marketValue: decimal("-4.861e-7"),
  costBasis: decimal("-4.861e-7"),
  unrealizedPnl: decimal("0"),
  currency: "USD",
  asOf: at
}

export const order: Order.Order = {
  id: "order-1",
  account: "acct-1",
  symbol: "BTC/USD",
  side: "buy",
  type: "stop_limit",
  timeInForce: "gtc",
  status: "partially_filled",
  quantity: decimal("3"),
  filledQuantity: decimal("1.5"),
  limitPrice: decimal("100000.01"),
  fills: [{ quantity: decimal("1.5"), price: decimal("99999.99"), timestamp: at }],
  submittedAt: at,
  updatedAt: at
}

const portfolio: Trading.Portfolio = {
  account: "acct-1",
  currency: "USD",
  cash: decimal("1"),
  marketValue: decimal("2"),
  equity: decimal("3"),
  unrealizedPnl: decimal("-0.01"),
  positions: [position],
  asOf: at
}

const quote: Market.Quote = { symbol: "AAPL", bid: 1.1, ask: 1.2, last: 1.15, timestamp: at }

const bar: Market.Bar = {
  symbol: "AAPL",
  interval: "1m",
  timestamp: at,
  open: 1,
  high: 2,
  low: 0.5,
  close: 1.5,
  volume: 12_345,
  tradeCount: 7
}

const response: Api.Response = {
  endpoint: "/api/orders",
  params: "{}",
  cachedAt: at,
  status: 200,
  body: { orders: [{ id: 1n, at: new Date(0), tags: new Set(["a"]) }], next: undefined }
}

type Service = Cache.Cache["Service"]

export interface Kind {
  readonly name: string
  readonly isSecret: boolean
  /** What somebody may print. */
  readonly example: unknown
  /** Stores the example and what the schema generates, and reads it in the same cache and in another one of the same store. */
  readonly checkRoundTrips: (
    writer: Service,
    reader: Service,
    runs: number
  ) => Effect.Effect<void, CacheError.CacheError>
  /** Stores the example, and reads it twice. */
  readonly hold: (cache: Service) => Effect.Effect<readonly [unknown, unknown], CacheError.CacheError>
}

/** Schemas generate lone surrogates, and bodies with fields named `__proto__`: no store holds them. */
const isRefused = ({ message, reason }: CacheError.CacheError) =>
  reason === "Encode" && /lone surrogate|__proto__|__keys__/.test(message)

const kindOf = <Id, A>(
  entity: Entity.Entity<Id, A>,
  schema: Schema.Schema<A>,
  id: Id,
  example: A,
  repair: (generated: A) => A = (generated) => generated
): Kind => {
  const name = `${entity.domain}:${entity.type}`
  const same = (self: A | undefined, that: A, where: string) =>
    assert.isTrue(Equal.equals(self, that), `${name}, ${where}: ${inspect(that)} came back as ${inspect(self)}`)
  const checkRoundTrip = Effect.fnUntraced(function* (writer: Service, reader: Service, value: A) {
    assert.isTrue(yield* writer.entity(entity).set(id, value), name)
    same(yield* writer.entity(entity).get(id), value, "where it was written")
    same(yield* reader.entity(entity).get(id, { fresh: true }), value, "in the store")
    same(yield* reader.entity(entity).get(id), value, "elsewhere")
  })
  return {
    name,
    isSecret: entity.codec.secret === true,
    example,
    checkRoundTrips: (writer, reader, runs) =>
      Effect.gen(function* () {
        yield* checkRoundTrip(writer, reader, example)
        const property = (generated: A) =>
          checkRoundTrip(writer, reader, repair(generated)).pipe(
            Effect.catchIf(isRefused, () => Effect.void),
            Effect.as(true)
          )
        const failure = Arbitrary.formatCheckFailure(
          // most decimals that are generated have too many places
          yield* Arbitrary.checkEffect(Arbitrary.schema(schema), property, { runs, maxDiscards: runs * 1000 })
        )
        assert.isUndefined(failure, failure)
      }),
    hold: Effect.fnUntraced(function* (cache: Service) {
      const entries = cache.entity(entity)
      yield* entries.set(id, example)
      return [yield* entries.get(id), yield* entries.get(id)] as const
    })
  }
}

const ofConnection = { broker: "alpaca", connection: "conn-456" }

export const kinds: ReadonlyArray<Kind> = [
  kindOf(User.Profiles, User.Profile, "user-123", profile),
  kindOf(User.Settings, User.Preferences, "user-123", preferences),
  kindOf(Auth.Sessions, Auth.Session, "sess-1", session),
  kindOf(Auth.Tokens, Auth.Token, "token-1", token),
  kindOf(Auth.OAuthStates, Auth.OAuthState, "state-1", state),
  kindOf(Auth.OAuthTokens, Auth.OAuthToken, { ...ofConnection, kind: "refresh_token" }, oauthToken, (generated) => ({
    ...generated,
    // one that has expired is not stored
    expiresAt: later
  })),
  kindOf(Broker.Health, Broker.HealthCheck, ofConnection, health),
  kindOf(Broker.Connections, Broker.Connection, ofConnection, connection),
  kindOf(Broker.Credentials, Broker.ApiCredentials, ofConnection, credentials),
  kindOf(VirtualBroker.AdapterAccounts, Schema.Array(Account.Account), { user: "u", connection: "c" }, [account]),
  kindOf(VirtualBroker.AccountLists, Schema.Array(Account.Account), "user-123", [account]),
  kindOf(VirtualBroker.Balances, Account.Balance, "acct-1", balance),
  kindOf(VirtualBroker.Positions, Schema.Array(Position.Position), "acct-1", [position]),
  kindOf(Account.Balances, Account.Balance, "acct-1", balance),
  kindOf(Order.Statuses, Order.Order, "order-1", order),
  kindOf(Position.Lists, Schema.Array(Position.Position), "acct-1", [position]),
  kindOf(Trading.Portfolios, Trading.Portfolio, "acct-1", portfolio),
  kindOf(Market.Quotes, Market.Quote, "AAPL", quote),
  kindOf(Market.Bars, Market.Bar, { symbol: "AAPL", interval: "1m" }, bar),
  kindOf(Api.Responses, Api.Response, { operation: "get_orders", hash: "hash-1" }, response)
]
