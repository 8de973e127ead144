import { CacheError, Entity } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"

const UserId = Schema.NonEmptyString.pipe(Schema.brand("UserId"))

const reasonOf = (f: () => unknown): string | undefined => {
  try {
    f()
    return undefined
  } catch (error) {
    return CacheError.isCacheError(error) ? error.reason : "not a CacheError"
  }
}

describe("Entity.key", () => {
  it("is domain, type and id", () => {
    const Profiles = Entity.make("user", "profile", { key: { userId: UserId }, value: Schema.String })
    assert.strictEqual(String(Profiles.key(UserId.make("user-123"))), "user:profile:user-123")
  })

  it("puts the names of the parts in front of them if told so", () => {
    const options = { key: { u: Schema.String, c: Schema.String }, value: Schema.String }
    const id = { u: "user-123", c: "conn-456" }
    assert.strictEqual(String(Entity.make("vb", "adapter", options).key(id)), "vb:adapter:user-123:conn-456")
    const labelled = Entity.make("vb", "adapter", { ...options, labels: true })
    assert.strictEqual(String(labelled.key(id)), "vb:adapter:u:user-123:c:conn-456")
  })

  it("puts other names in front of them if told so", () => {
    const options = { key: { user: Schema.String, connection: Schema.String }, value: Schema.String }
    const id = { user: "user-123", connection: "conn-456" }
    const keyWith = (labels: Entity.Labels<typeof options.key>) =>
      String(Entity.make("vb", "adapter", { ...options, labels }).key(id))
    assert.strictEqual(keyWith({ user: "u", connection: "c" }), "vb:adapter:u:user-123:c:conn-456")
    assert.strictEqual(keyWith({ connection: "c" }), "vb:adapter:user-123:c:conn-456")
    assert.strictEqual(keyWith({}), "vb:adapter:user-123:conn-456")
    assert.strictEqual(keyWith({ user: "*:{u}" }), "vb:adapter:%2A%3A%7Bu%7D:user-123:conn-456")
    assert.strictEqual(
      reasonOf(() => keyWith({ user: "" })),
      "InvalidKey"
    )
    const misspelt: object = { users: "u" }
    assert.strictEqual(
      reasonOf(() => keyWith(misspelt)),
      "InvalidOption"
    )
  })

  it("takes numbers", () => {
    const Orders = Entity.make("order", "status", { key: { order: Schema.Int }, value: Schema.String })
    assert.strictEqual(String(Orders.key(-5)), "order:status:-5")
    assert.strictEqual(
      reasonOf(() => Orders.key(1.5)),
      "InvalidKey"
    )
  })

  it("uses the encoded form of a part", () => {
    const Bars = Entity.make("market", "bar", {
      key: { day: Schema.DateTimeUtcFromString },
      value: Schema.String
    })
    const [day] = [Schema.decodeUnknownSync(Schema.DateTimeUtcFromString)("2026-01-02T00:00:00Z")]
    assert.strictEqual(String(Bars.key(day)), "market:bar:2026-01-02T00%3A00%3A00.000Z")
  })

  it("keeps the parts of different ids apart", () => {
    const Pairs = Entity.make("a", "b", { key: { x: Schema.String, y: Schema.String }, value: Schema.String })
    assert.notStrictEqual(String(Pairs.key({ x: "1:2", y: "3" })), String(Pairs.key({ x: "1", y: "2:3" })))
  })

  it("refuses an id that its schema refuses, without quoting it", () => {
    const Profiles = Entity.make("user", "profile", { key: { userId: Schema.NonEmptyString }, value: Schema.String })
    assert.strictEqual(
      reasonOf(() => Profiles.key("")),
      "InvalidKey"
    )
    const Secret = Entity.make("auth", "token", {
      key: { token: Schema.String.check(Schema.isMaxLength(3)) },
      value: Schema.String
    })
    try {
      Secret.key("hunter2")
      assert.fail("an id above the length was taken")
    } catch (error) {
      assert.notInclude(String(error), "hunter2")
    }
  })
})

describe("Entity.make", () => {
  it("refuses what cannot be a name or a TTL", () => {
    const options = { key: { id: Schema.String }, value: Schema.String }
    assert.strictEqual(
      reasonOf(() => Entity.make("", "profile", options)),
      "InvalidKey"
    )
    assert.strictEqual(
      reasonOf(() => Entity.make("user", "profile", { ...options, ttl: "0 seconds" })),
      "InvalidOption"
    )
    assert.strictEqual(
      reasonOf(() => Entity.make("user", "profile", { ...options, key: {} })),
      "InvalidOption"
    )
  })
})
