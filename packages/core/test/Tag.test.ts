import { assert, describe, it } from "@effect/vitest"
import { Tag } from "@tiercache/core"
import { cacheErrorOf } from "./thrown.ts"

describe("Tag.of", () => {
  it("gives distinct ids distinct tags", () => {
    const tags = [Tag.of("a", "b:c"), Tag.of("a:b", "c"), Tag.of("a", "b%3Ac"), Tag.of("a", "b"), Tag.of("a", "*")]
    assert.strictEqual(new Set<string>(tags).size, tags.length)
    for (const tag of tags) assert.strictEqual(tag.split(":").length, 2)
  })

  it("takes no empty kind or id", () => {
    assert.strictEqual(cacheErrorOf(() => Tag.of("", "a")).reason, "InvalidKey")
    assert.strictEqual(cacheErrorOf(() => Tag.of("a", "")).reason, "InvalidKey")
  })
})

describe("Tag.user and the like", () => {
  it("name what entries belong to", () => {
    assert.deepStrictEqual(
      [Tag.user("a:b"), Tag.account("acct-1"), Tag.broker("alpaca"), Tag.connection("conn-4*")],
      [Tag.of("user", "a:b"), Tag.of("account", "acct-1"), Tag.of("broker", "alpaca"), Tag.of("connection", "conn-4*")]
    )
    assert.strictEqual(cacheErrorOf(() => Tag.user("")).reason, "InvalidKey")
  })
})

describe("Tag.distinct", () => {
  it("has each tag once, in their order", () => {
    assert.deepStrictEqual(Tag.distinct("set", ["b", "a", "b"]), ["b", "a"])
  })

  it("counts bytes, and two more for each tag", () => {
    const half = "ä".repeat((Tag.MAX_BYTES - 3) / 2)
    assert.lengthOf(Tag.distinct("set", [half, half]), 1)
    assert.strictEqual(cacheErrorOf(() => Tag.distinct("set", [`${half}aa`])).reason, "InvalidOption")
    assert.strictEqual(cacheErrorOf(() => Tag.distinct("set", [half, "a"])).reason, "InvalidOption")
  })
})
