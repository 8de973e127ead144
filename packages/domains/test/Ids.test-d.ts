import { type Cache, type Entity, Tag } from "@tiercache/core"
import {
  Api,
  Auth,
  Broker,
  Domains,
  Ids,
  Market,
  OAuthTtl,
  Order,
  Owner,
  Ttls,
  User,
  VirtualBroker
} from "@tiercache/domains"
import type { Duration, Effect } from "effect"
import { describe, expectTypeOf, it } from "vitest"

declare const cache: Cache.Cache["Service"]
declare const profile: User.Profile
declare const quote: Market.Quote
declare const account: Ids.AccountId
declare const order: Ids.OrderId
declare const session: Ids.SessionId
declare const token: Ids.TokenId
/** Takes an Effect that is not run. */
declare const ignore: (effect: unknown) => void

const user = Ids.UserId.make("user-123")
const broker = Ids.BrokerId.make("alpaca")
const connection = Ids.ConnectionId.make("conn-456")

describe("an id", () => {
  it("may be any text", () => {
    expectTypeOf(user).toEqualTypeOf<Ids.UserId>()
    const text: string = user
    User.Profiles.key(text)
    Broker.Health.key({ broker: "alpaca", connection: text })
    ignore(cache.entity(User.Profiles).set("user-123", profile))
  })

  it("of a kind is none of another", () => {
    User.Profiles.key(user)
    // @ts-expect-error a connection is no user
    User.Profiles.key(connection)
    // @ts-expect-error a user is no session
    Auth.Sessions.key(user)
    // @ts-expect-error a session is no token
    Auth.Tokens.key(session)
    // @ts-expect-error a token is no state
    Auth.OAuthStates.key(token)
    // @ts-expect-error an order is no account
    VirtualBroker.Balances.key(order)
    // @ts-expect-error an account is no order
    Order.Statuses.key(account)
    // @ts-expect-error a number is no text
    Order.Statuses.key(17)
  })

  it("of a kind is none of another among several either", () => {
    Broker.Health.key({ broker, connection })
    // @ts-expect-error the parts are swapped
    Broker.Health.key({ broker: connection, connection: broker })
    // @ts-expect-error a user is no connection
    VirtualBroker.AdapterAccounts.key({ user, connection: user })
    // @ts-expect-error one is missing
    VirtualBroker.AdapterAccounts.key({ user })
    // @ts-expect-error one too many
    Broker.Credentials.key({ broker, connection, user })
    // @ts-expect-error no kind of token
    Auth.OAuthTokens.key({ broker, kind: "id_token", connection })
    // @ts-expect-error an interval is no symbol
    Market.Bars.key({ symbol: Ids.Interval.make("1m"), interval: Ids.Symbol.make("AAPL") })
    // @ts-expect-error a user is no account
    ignore(cache.entity(VirtualBroker.Balances).get(user))
  })

  it("of a kind is none of another in tags and requests", () => {
    expectTypeOf(Owner.tags({ user, broker, connection })).toEqualTypeOf<ReadonlyArray<Tag.Tag>>()
    // @ts-expect-error the parts are swapped
    Owner.tags({ user: connection, connection: user })
    // @ts-expect-error no owner
    Owner.tags({ order })
    // @ts-expect-error an account is no user
    Api.id({ method: "GET", endpoint: "/api/orders", user: account })
    // @ts-expect-error an account is no user
    Api.tagOf(account)
  })

  it("of a kind is none of another in values", () => {
    expectTypeOf(profile.id).toEqualTypeOf<Ids.UserId>()
    expectTypeOf<Order.Order["account"]>().toEqualTypeOf<Ids.AccountId>()
    expectTypeOf<Order.Order["quantity"]>().not.toExtend<number>()
    // @ts-expect-error a connection is no user
    ignore(cache.entity(User.Profiles).set("user-123", { ...profile, id: connection }))
    // @ts-expect-error an amount is no floating-point number
    const fill: Order.Fill = { quantity: 0.1, price: 0.2, timestamp: profile.createdAt }
    ignore(fill)
    // @ts-expect-error what is secret is no text
    const credentials: Broker.ApiCredentials = { apiKey: "key", environment: "live" }
    ignore(credentials)
  })
})

describe("TTLs", () => {
  it("are found by what there is", () => {
    expectTypeOf(Ttls.of("market:quote")).toEqualTypeOf<Duration.Duration>()
    expectTypeOf(Ttls.of("vb", "account_list")).toEqualTypeOf<Duration.Duration>()
    // @ts-expect-error a typing error
    Ttls.of("market:quot")
    // @ts-expect-error another domain's
    Ttls.of("market", "profile")
    // @ts-expect-error a domain alone
    Ttls.of("market")
    // @ts-expect-error it depends on broker and kind
    Ttls.of("auth:oauth")
    // @ts-expect-error likewise
    Ttls.of("auth", "oauth")
    expectTypeOf<Domains.Type<"vb">>().toEqualTypeOf<"adapter" | "account_list" | "balance" | "position">()
  })

  it("of OAuth are told by broker and kind", () => {
    expectTypeOf(OAuthTtl.rule(broker, "access_token")).toEqualTypeOf<Duration.Duration>()
    // @ts-expect-error a connection is no broker
    OAuthTtl.rule(connection, "access_token")
    // @ts-expect-error no kind of token
    OAuthTtl.rule(broker, "id_token")
    // @ts-expect-error seconds or milliseconds?
    Auth.makeOAuthTokens({ alpaca: { access_token: 900 } })
  })

  it("of single calls are durations", () => {
    const quotes = cache.entity(Market.Quotes)
    expectTypeOf(quotes.ttl("AAPL")).toExtend<Effect.Effect<Duration.Duration | undefined, unknown>>()
    // @ts-expect-error seconds or milliseconds?
    ignore(quotes.set("AAPL", quote, { ttl: 5 }))
  })

  it("come with entities of their ids and values", () => {
    expectTypeOf(Domains.entities["user:profile"]).toExtend<Entity.Entity<Ids.UserId, User.Profile>>()
    expectTypeOf(Domains.entities["market:quote"]).toEqualTypeOf(Market.Quotes)
  })
})
