import { cachedMethod, type CacheManager, Ids, type Position, type PromiseCache, Tag, User } from "tiercache"
import { describe, expectTypeOf, it } from "vitest"

declare const tradecore: CacheManager.PromiseCacheManager
declare const cache: PromiseCache
declare const start: typeof CacheManager.start
declare const readProfile: (user: Ids.UserId) => Promise<User.Profile>
/** Takes a promise that nobody awaits. */
declare const ignore: (promise: unknown) => void

const user = Ids.UserId.make("user-123")
const connection = Ids.ConnectionId.make("conn-456")

describe("a manager by promise", () => {
  it("knows ids, values and TTLs", () => {
    expectTypeOf(tradecore.position.list.get("acct-1")).toEqualTypeOf<
      Promise<ReadonlyArray<Position.Position> | undefined>
    >()
    // @ts-expect-error another kind of id
    ignore(tradecore.user.profile.get(connection))
    // @ts-expect-error positions are a list
    ignore(tradecore.position.list.set("acct-1", {}))
    // @ts-expect-error a typing error
    tradecore.ttl("market:quot")
  })

  it("clears by ids of their kinds", () => {
    expectTypeOf(tradecore.clear.user(user)).toEqualTypeOf<Promise<number>>()
    expectTypeOf(tradecore.clear.all()).toEqualTypeOf<Promise<number>>()
    // @ts-expect-error another kind of id
    ignore(tradecore.clear.user(connection))
    // @ts-expect-error no domain
    ignore(tradecore.clear.domain("*"))
    // @ts-expect-error the account is missing
    ignore(tradecore.events.vbDeleted({ broker: "alpaca", user, connection }))
  })

  it("is started with what it knows", () => {
    ignore(start({ backend: "tiered", redis: { url: "redis://localhost" }, vb: { clearOnReset: false } }))
    // @ts-expect-error seconds or hours?
    ignore(start({ cleanup: { interval: 6 } }))
    // @ts-expect-error redis is missing
    ignore(start({ backend: "redis" }))
  })
})

describe("functions with a cache, by promise", () => {
  it("have the types of both", () => {
    const getProfile = cache.cached(User.Profiles, (user) => readProfile(user))
    expectTypeOf(getProfile(user)).toEqualTypeOf<Promise<User.Profile>>()
    // @ts-expect-error another kind of id
    ignore(getProfile(connection))
    const save = cache.invalidates(
      async (user: Ids.UserId, email: string) => `${user} ${email}`,
      (user) => [User.Profiles.key(user), Tag.user(user)]
    )
    expectTypeOf(save(user, "ada@example.org")).toEqualTypeOf<Promise<string>>()
    // @ts-expect-error an argument is missing
    ignore(save(user))
    ignore(
      cache.invalidates(
        async () => "changed",
        // @ts-expect-error text is neither a key nor a tag
        () => ["user:profile:ada"]
      )
    )
    expectTypeOf(cachedMethod(cache, User.Profiles, (user: Ids.UserId) => user)).toBeFunction()
  })
})
