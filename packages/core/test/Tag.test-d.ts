import { type Cache, Entity, Tag } from "@tiercache/core"
import { Effect, Schema } from "effect"
import { describe, expectTypeOf, it } from "vitest"

const UserId = Schema.NonEmptyString.pipe(Schema.brand("UserId"))
const user = UserId.make("user-1")
const tag = Tag.of("user", "user-1")

declare const cache: Cache.Cache["Service"]
/** Takes an Effect that is not run. */
declare const ignore: (effect: unknown) => void

describe("tags", () => {
  it("of an entity are made of its ids", () => {
    Entity.make("vb", "adapter", {
      key: { u: UserId, connection: Schema.NonEmptyString },
      value: Schema.Finite,
      tags: (id) => {
        expectTypeOf(id).toEqualTypeOf<{ readonly u: typeof user; readonly connection: string }>()
        return [Tag.of("user", id.u)]
      }
    })
    const single = { key: { u: UserId }, value: Schema.Finite, tags: (id: typeof user) => [Tag.of("user", id)] }
    const users = cache.entity(Entity.make("user", "profile", single))
    ignore(users.set(user, 1, { tags: [tag] }))
    ignore(users.getOrLoad(user, Effect.succeed(1), { tags: [tag] }))
  })

  it("that are plain text do not compile", () => {
    // @ts-expect-error an id in it could be taken for another tag
    ignore(cache.set("key", 1, { tags: ["user:user-1"] }))
    // @ts-expect-error likewise
    ignore(cache.deleteTags(["user:user-1"]))
    // @ts-expect-error likewise
    ignore(cache.keysByTag("user:user-1"))
    // @ts-expect-error likewise
    Entity.make("user", "profile", { key: { u: UserId }, value: Schema.Finite, tags: (id) => [id] })
  })
})
