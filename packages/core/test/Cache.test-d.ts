import { Cache, type CacheError, Entity, type EntityCache, Loader } from "@tiercache/core"
import { Context, Data, Effect, Schema } from "effect"
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
    const parts = { user: UserId, connection: ConnectionId }
    const labelled = Entity.make("vb", "adapter", {
      key: parts,
      labels: { user: "u", connection: "c" },
      value: Profile
    })
    ignore(cache.entity(labelled).get({ user, connection }))
    // @ts-expect-error ids have the names of the parts, whatever their labels
    ignore(cache.entity(labelled).get({ u: user, c: connection }))
    // @ts-expect-error the key has no such part
    Entity.make("vb", "adapter", { key: parts, labels: { u: "user" }, value: Profile })
    // @ts-expect-error a label is text
    Entity.make("vb", "adapter", { key: parts, labels: { user: true }, value: Profile })
    // @ts-expect-error the parts of a key are schemas
    Entity.make("user", "profile", { key: { userId: "string" }, value: Profile })
    // @ts-expect-error a key part is text or a number
    Entity.make("user", "profile", { key: { userId: Schema.Boolean }, value: Profile })
  })
})

describe("loaders", () => {
  class Down extends Data.TaggedError("Down")<{}> {}
  class Source extends Context.Service<Source, { readonly read: Effect.Effect<typeof Profile.Type, Down> }>()(
    "Source"
  ) {}
  const load = Source.use(({ read }) => read)

  it("give their value, their errors and their services to the call", () => {
    expectTypeOf(profiles.getOrLoad(user, load)).toEqualTypeOf<
      Effect.Effect<typeof Profile.Type, Down | CacheError.CacheError, Source>
    >()
    expectTypeOf(profiles.refresh(user, () => load)).toEqualTypeOf<
      Effect.Effect<typeof Profile.Type, Down | CacheError.CacheError, Source>
    >()
    expectTypeOf(profiles.lookup(user, load)).toEqualTypeOf<
      Effect.Effect<EntityCache.Lookup<typeof Profile.Type>, Down | CacheError.CacheError, Source>
    >()
    expectTypeOf(profiles.lookup(user)).toEqualTypeOf<
      Effect.Effect<EntityCache.Lookup<typeof Profile.Type | undefined> | undefined, CacheError.CacheError>
    >()
  })

  it("that may find nothing say so", () => {
    const find = Effect.map(load, (profile) => (profile.name === "" ? undefined : profile))
    expectTypeOf(profiles.getOrLoad(user, find)).toEqualTypeOf<
      Effect.Effect<typeof Profile.Type | undefined, Down | CacheError.CacheError, Source>
    >()
  })

  it("are told what there is, and may answer that it is right", () => {
    const conditional = profiles.getOrLoad(user, ({ previous }) => {
      expectTypeOf(previous).toEqualTypeOf<typeof Profile.Type | undefined>()
      return Effect.map(load, (profile) => (profile === previous ? Loader.notModified : profile))
    })
    expectTypeOf(conditional).toEqualTypeOf<Effect.Effect<typeof Profile.Type, Down | CacheError.CacheError, Source>>()
    const declaredApart = () => Effect.succeed(Loader.notModified)
    expectTypeOf(profiles.refresh(user, declaredApart)).toExtend<Effect.Effect<typeof Profile.Type, unknown>>()
    // @ts-expect-error another symbol is no answer
    ignore(profiles.refresh(user, () => Effect.succeed(Symbol("not modified"))))
  })

  it("of many fail for each id", () => {
    const many = adapters.getManyOrLoad([{ u: user, c: connection }], (missing) => {
      expectTypeOf(missing).toEqualTypeOf<ReadonlyArray<{ readonly u: typeof user; readonly c: typeof connection }>>()
      return Effect.succeed(missing.map((id) => [id, id.u === user ? ["x"] : Loader.failed(new Down())] as const))
    })
    expectTypeOf(many).toExtend<
      Effect.Effect<
        ReadonlyMap<{ readonly u: typeof user; readonly c: typeof connection }, ReadonlyArray<string> | undefined>,
        unknown
      >
    >()
  })

  it("of other values do not compile", () => {
    // @ts-expect-error a number is no profile
    ignore(profiles.getOrLoad(user, Effect.succeed(5)))
    // @ts-expect-error nor is a promise a loader of Effects
    ignore(profiles.getOrLoad(user, () => Promise.resolve({ name: "Ada" })))
    // @ts-expect-error null is not absence
    ignore(profiles.getOrLoad(user, Effect.succeed(null)))
    // @ts-expect-error the loader of many answers with pairs
    ignore(profiles.getManyOrLoad([user], () => Effect.succeed([{ name: "Ada" }])))
  })

  it("have options with units, of the entity and of the call", () => {
    ignore(profiles.getOrLoad(user, load, { ttl: ({ name }) => (name === "" ? "1 second" : "1 hour"), jitter: 0.1 }))
    ignore(profiles.getOrLoad(user, load, { refreshAhead: { xfetch: 1 }, grace: { minutes: 1 } }))
    Entity.make("user", "profile", {
      key: { userId: UserId },
      value: Profile,
      ttl: ({ name }) => `${name.length} hours`
    })
    // @ts-expect-error seconds or milliseconds?
    ignore(profiles.getOrLoad(user, load, { softTimeout: 100 }))
    // @ts-expect-error a threshold has a unit
    ignore(profiles.getOrLoad(user, load, { refreshAhead: 0.8 }))
    // @ts-expect-error there is no such option
    ignore(profiles.getOrLoad(user, load, { timeout: "1 second" }))
  })
})
