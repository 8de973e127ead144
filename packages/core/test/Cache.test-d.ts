import { Cache, Entity, type EntityCache } from "@tiercache/core"
import { Schema } from "effect"
import type { Effect } from "effect"
import { describe, expectTypeOf, it } from "vitest"

const UserId = Schema.NonEmptyString.pipe(Schema.brand("UserId"))
const ConnectionId = Schema.NonEmptyString.pipe(Schema.brand("ConnectionId"))
const Profile = Schema.Struct({ name: Schema.String, age: Schema.optionalKey(Schema.Int) })

const Profiles = Entity.make("user", "profile", { key: { userId: UserId }, value: Profile, ttl: "1 hour" })
const Adapters = Entity.make("vb", "adapter", {
  key: { u: UserId, c: ConnectionId },
  labels: true,
  value: Schema.Array(Schema.String)
})

const user = UserId.make("user-1")
const connection = ConnectionId.make("conn-1")

declare const cache: Cache.Cache["Service"]
/** Takes an Effect that is not run. */
declare const ignore: (effect: unknown) => void

const profiles = cache.entity(Profiles)
const adapters = cache.entity(Adapters)

describe("ids", () => {
  it("are bare for one part and an object for more", () => {
    expectTypeOf<EntityCache.EntityCache<typeof user, typeof Profile.Type>>().toEqualTypeOf(profiles)
    ignore(profiles.get(user))
    ignore(adapters.get({ u: user, c: connection }))
  })

  it("of another kind do not compile", () => {
    // @ts-expect-error a plain string is not a UserId
    ignore(profiles.get("user-1"))
    // @ts-expect-error a ConnectionId is not a UserId
    ignore(profiles.get(connection))
    // @ts-expect-error both parts are needed
    ignore(adapters.get({ u: user }))
    // @ts-expect-error the parts are swapped
    ignore(adapters.get({ u: connection, c: user }))
    // @ts-expect-error a part is not the whole
    ignore(adapters.get(user))
    // @ts-expect-error the second of many is of another kind
    ignore(profiles.getMany([user, connection]))
  })
})

describe("values", () => {
  it("come back as the schema says, or undefined", () => {
    expectTypeOf(profiles.peek(user)).toEqualTypeOf<typeof Profile.Type | undefined>()
    expectTypeOf(profiles.get(user)).toExtend<Effect.Effect<{ readonly name: string } | undefined, unknown>>()
    expectTypeOf(cache.peek("any:key")).toEqualTypeOf<unknown>()
  })

  it("of another type do not compile", () => {
    // @ts-expect-error a field is missing
    ignore(profiles.set(user, {}))
    // @ts-expect-error a field has another type
    ignore(profiles.set(user, { name: "Ada", age: "36" }))
    const wrong = [user, 5] as const
    // @ts-expect-error the second entry is wrong
    ignore(profiles.setMany([[user, { name: "Ada" }], wrong]))
  })

  it("are readonly", () => {
    const profile = profiles.peek(user)
    // @ts-expect-error a hit is shared by all readers
    if (profile !== undefined) profile.name = "Eve"
  })
})

describe("TTLs", () => {
  it("are durations with a unit", () => {
    ignore(profiles.set(user, { name: "Ada" }, { ttl: "5 minutes" }))
    ignore(profiles.set(user, { name: "Ada" }, { ttl: { minutes: 5 } }))
    // @ts-expect-error seconds or milliseconds?
    ignore(profiles.set(user, { name: "Ada" }, { ttl: 300 }))
    // @ts-expect-error there is no such unit
    ignore(profiles.set(user, { name: "Ada" }, { ttl: "5 fortnights" }))
    // @ts-expect-error an entry that never expires is not a cache entry
    ignore(profiles.expire(user, "Infinity"))
    // @ts-expect-error in the entity too
    Entity.make("user", "profile", { key: { userId: UserId }, value: Profile, ttl: 3600 })
  })
})

describe("options", () => {
  it("that do not exist do not compile", () => {
    // @ts-expect-error it is "absent" or "present"
    ignore(profiles.set(user, { name: "Ada" }, { only: "missing" }))
    // @ts-expect-error the parts of a key are schemas
    Entity.make("user", "profile", { key: { userId: "string" }, value: Profile })
    // @ts-expect-error a key part is text or a number
    Entity.make("user", "profile", { key: { userId: Schema.Boolean }, value: Profile })
  })
})
