/**
 * One value of each kind of data, and where a trading system has them from.
 */
import { BigDecimal, DateTime, Effect, Redacted } from "effect"
import { RateLimit } from "tiercache"
import type { Account, Auth, Broker, Market, Order, Position, Trading, User } from "tiercache"

const at = DateTime.makeUnsafe("2026-01-02T03:04:05Z")
const dollars = (cents: bigint) => BigDecimal.make(cents, 2)

export const profile: User.Profile = {
  id: "user-123",
  email: "ada@example.org",
  displayName: "Ada",
  status: "active",
  roles: ["trader"],
  createdAt: at
}

export const settings: User.Preferences = {
  locale: "en-GB",
  timeZone: "Europe/London",
  currency: "GBP",
  theme: "dark",
  notifications: { email: true, push: false, sms: false },
  confirmOrders: true
}

export const session: Auth.Session = { user: "user-123", roles: ["trader"], createdAt: at }

export const token: Auth.Token = { user: "user-123", scopes: ["orders"], issuedAt: at }

export const oauthState: Auth.OAuthState = {
  user: "user-123",
  broker: "alpaca",
  redirectUri: "https://example.org/back",
  scopes: ["trading"],
  createdAt: at
}

export const oauthToken: Auth.OAuthToken = {
  broker: "alpaca",
  kind: "access_token",
  value: Redacted.make("AT-1")
}

export const healthCheck: Broker.HealthCheck = { status: "healthy", checkedAt: at }

export const connection: Broker.Connection = {
  id: "conn-456",
  broker: "alpaca",
  user: "user-123",
  status: "connected",
  environment: "paper",
  authentication: "oauth",
  accounts: ["acct-1"]
}

export const credentials: Broker.ApiCredentials = { apiKey: Redacted.make("PK-1"), environment: "paper" }

export const account: Account.Account = {
  id: "acct-1",
  broker: "alpaca",
  connection: "conn-456",
  name: "Paper",
  type: "paper",
  status: "active",
  currency: "USD"
}

export const balance: Account.Balance = {
  account: "acct-1",
  currency: "USD",
  cash: dollars(100_025n),
  equity: dollars(250_075n),
  buyingPower: dollars(200_051n),
  asOf: at
}

export const position: Position.Position = {
  symbol: "AAPL",
  side: "long",
  quantity: BigDecimal.make(7n, 0),
  averageEntryPrice: dollars(21_401n),
  marketValue: dollars(150_003n),
  costBasis: dollars(149_807n),
  unrealizedPnl: dollars(196n),
  currency: "USD",
  asOf: at
}

export const portfolio: Trading.Portfolio = {
  account: "acct-1",
  currency: "USD",
  cash: dollars(100_025n),
  marketValue: dollars(150_003n),
  equity: dollars(250_075n),
  unrealizedPnl: dollars(196n),
  positions: [position],
  asOf: at
}

export const order: Order.Order = {
  id: "order-1",
  account: "acct-1",
  symbol: "AAPL",
  side: "buy",
  type: "market",
  timeInForce: "day",
  status: "filled",
  quantity: BigDecimal.make(7n, 0),
  filledQuantity: BigDecimal.make(7n, 0),
  fills: [],
  submittedAt: at,
  updatedAt: at
}

export const quote: Market.Quote = { symbol: "AAPL", bid: 149.99, ask: 150.01, last: 150, timestamp: at }

export const bar: Market.Bar = {
  symbol: "AAPL",
  interval: "1m",
  timestamp: at,
  open: 149,
  high: 151,
  low: 148.5,
  close: 150,
  volume: 1_000_000
}

/** The machine may be busy: the deadline is far off. */
export const orders = RateLimit.fixedWindow("api_orders", { limit: 100, window: "1 minute", deadline: "5 seconds" })

export const request = { method: "GET", endpoint: "/api/orders", params: { page: 1 }, user: "user-123" }

/** For those who `await`. */
export const db = {
  profile: async (user: string): Promise<User.Profile> => ({ ...profile, id: user }),
  rename: async (user: string, displayName: string): Promise<string> => `${user}: ${displayName}`
}
export const fetchOrders = async () => [] as const
export const rebalance = async () => "rebalanced"

/** For Effect. */
export const findProfile = (user: string) => Effect.succeed<User.Profile>({ ...profile, id: user })
export const renameUser = (user: string, displayName: string) => Effect.succeed(`${user}: ${displayName}`)
export const ordersCall = Effect.succeed([] as const)
export const rebalancing = Effect.succeed("rebalanced")
