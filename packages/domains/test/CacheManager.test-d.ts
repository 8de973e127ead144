import type { CacheError } from "@tiercache/core"
import {
  Cached,
  type CacheConfig,
  CacheManager,
  type Clear,
  Ids,
  Market,
  type Position,
  User,
  VirtualBroker
} from "@tiercache/domains"
import { Cache, Tag } from "@tiercache/core"
import { Data, Duration, Effect } from "effect"
import { describe, expectTypeOf, it } from "vitest"

declare const tradecore: CacheManager.CacheManager["Service"]
declare const clear: Clear.Clear
declare const quote: Market.Quote
/** Takes an Effect that is not run. */
declare const ignore: (effect: unknown) => void

const user = Ids.UserId.make("user-123")
const connection = Ids.ConnectionId.make("conn-456")
const account = Ids.AccountId.make("acct-1")
const broker = Ids.BrokerId.make("alpaca")

describe("a manager", () => {
  it("knows ids and values", () => {
    ignore(tradecore.market.quote.set("AAPL", quote))
    expectTypeOf(tradecore.position.list.peek("acct-1")).toEqualTypeOf<ReadonlyArray<Position.Position> | undefined>()
    ignore(tradecore.vb.adapterAccounts.set({ user, connection }, []))
    // @ts-expect-error the parts are swapped
    ignore(tradecore.vb.adapterAccounts.get({ user: connection, connection: user }))
    // @ts-expect-error a quote is no profile
    ignore(tradecore.user.profile.set(user, quote))
    // @ts-expect-error no kind of token
    ignore(tradecore.auth.oauthToken.get({ broker, connection, kind: "id_token" }))
    // @ts-expect-error there are no such data
    ignore(tradecore.market.trade)
  })

  it("knows what has a TTL", () => {
    expectTypeOf(tradecore.ttl("market:quote")).toEqualTypeOf<Duration.Duration>()
    tradecore.ttl("market", "quote")
    tradecore.oauthTtl("alpaca", "refresh_token")
    // @ts-expect-error a typing error
    tradecore.ttl("market:quot")
    // @ts-expect-error another domain's
    tradecore.ttl("market", "profile")
    // @ts-expect-error it depends on broker and kind
    tradecore.ttl("auth:oauth")
    // @ts-expect-error no kind of token
    tradecore.oauthTtl("alpaca", "token")
  })

  it("clears by ids of their kinds", () => {
    expectTypeOf(clear.all).toEqualTypeOf<Effect.Effect<number, CacheError.CacheError>>()
    ignore(clear.account({ account, user, broker, connection }))
    ignore(clear.domain("market"))
    // @ts-expect-error no domain
    ignore(clear.domain("lock"))
    // @ts-expect-error a pattern is none either
    ignore(clear.domain("*"))
    // @ts-expect-error the user is missing
    ignore(clear.brokerConnection({ broker, connection }))
    // @ts-expect-error the parts are swapped
    ignore(clear.brokerConnection({ broker, user: connection, connection: user }))
    // @ts-expect-error an account is no user
    ignore(clear.user(account))
    // @ts-expect-error a connection has no account
    ignore(tradecore.events.vbReset({ broker, user, connection }))
  })

  it("is told TTLs of what there is, as durations", () => {
    ignore(CacheManager.layer({ ttls: new Map([["market:quote", "2 seconds"]]) }))
    ignore(CacheManager.layer({ oauthTtls: { alpaca: { access_token: Duration.minutes(1) } } }))
    // @ts-expect-error a typing error
    ignore(CacheManager.layer({ ttls: new Map([["market:quot", "2 seconds"]]) }))
    // @ts-expect-error seconds or milliseconds?
    ignore(CacheManager.layer({ ttls: new Map([["market:quote", 2]]) }))
    // @ts-expect-error seconds or hours?
    ignore(CacheManager.layer({ cleanup: { interval: 6 } }))
    // @ts-expect-error no kind of token
    ignore(CacheManager.layer({ oauthTtls: { alpaca: { token: "1 minute" } } }))
    expectTypeOf<CacheConfig.CacheConfig>().toExtend<CacheManager.Options>()
  })
})

class Missing extends Data.TaggedError("Missing") {}

declare class Database {
  readonly get: (user: Ids.UserId) => Effect.Effect<User.Profile, Missing, "database">
  readonly save: (user: Ids.UserId, email: string) => Effect.Effect<Date, Missing, "database">
}
declare const database: Database

describe("functions with a cache", () => {
  it("have the ids, values, errors and requirements of both", () => {
    const getProfile = Cached.cached(User.Profiles, (user) => database.get(user))
    expectTypeOf(getProfile(user)).toEqualTypeOf<
      Effect.Effect<User.Profile, Missing | CacheError.CacheError, "database" | Cache.Cache>
    >()
    ignore(getProfile("user-123", { ttl: "1 minute" }))
    // @ts-expect-error another kind of id
    ignore(getProfile(connection))
    // @ts-expect-error seconds or milliseconds?
    ignore(getProfile(user, { ttl: 60 }))
    // @ts-expect-error a quote is no profile
    Cached.cached(User.Profiles, () => Effect.succeed(quote))
  })

  it("keep their arguments and results", () => {
    const save = Cached.invalidates(
      (user: Ids.UserId, email: string) => database.save(user, email),
      (user) => [User.Profiles.key(user), VirtualBroker.AccountLists.key(user), Tag.user(user)]
    )
    expectTypeOf(save(user, "ada@example.org")).toEqualTypeOf<
      Effect.Effect<Date, Missing | CacheError.CacheError, "database" | Cache.Cache>
    >()
    // @ts-expect-error an argument is missing
    ignore(save(user))
    // @ts-expect-error another kind of id
    ignore(save(connection, "ada@example.org"))
    Cached.invalidates(
      () => Effect.void,
      // @ts-expect-error text is neither a key nor a tag
      () => ["user:profile:ada"]
    )
  })
})
