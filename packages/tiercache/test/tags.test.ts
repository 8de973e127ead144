import { assert, describe, it } from "@effect/vitest"
import { CacheKey, createCache, Entity, Schema, Tag } from "tiercache"

const UserId = Schema.NonEmptyString

const Sessions = Entity.make("auth", "session", {
  key: { sessionId: Schema.NonEmptyString, userId: UserId },
  value: Schema.Struct({ since: Schema.Finite }),
  ttl: "2 hours",
  tags: ({ userId }) => [Tag.of("user", userId)]
})

describe("tags", () => {
  it("of entities and of calls are one for those who await", async () => {
    await using cache = await createCache()
    const sessions = cache.entity(Sessions)
    const ada = Tag.of("user", "ada")
    await sessions.set({ sessionId: "1", userId: "ada" }, { since: 1 })
    await sessions.getOrLoad({ sessionId: "2", userId: "ada" }, () => ({ since: 2 }))
    await sessions.set({ sessionId: "3", userId: "bob" }, { since: 3 })
    await cache.set("greeting", "hello, Ada", { tags: [ada] })
    await cache.getOrLoad("report", () => "Ada's", { tags: [ada] })
    const keys: Array<CacheKey.CacheKey> = []
    for await (const key of cache.keysByTag(ada)) keys.push(key)
    assert.deepStrictEqual(keys.map(String).toSorted(), [
      "auth:session:1:ada",
      "auth:session:2:ada",
      "greeting",
      "report"
    ])
    assert.isTrue(keys.every((key) => key instanceof CacheKey.CacheKey))
    assert.strictEqual(await cache.deleteTags([ada]), 4)
    assert.deepStrictEqual(await cache.getMany(keys), new Map(keys.map((key) => [key, undefined])))
    assert.deepStrictEqual(await sessions.get({ sessionId: "3", userId: "bob" }), { since: 3 })
    assert.strictEqual(cache.metrics().deletes, 4)
  })
})
