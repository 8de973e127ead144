import { CacheKey } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { hostileText, runs, text } from "./arbitraries.ts"
import { cacheErrorOf } from "./thrown.ts"

const id = fc.oneof(text, hostileText).filter((id) => id !== "")
const ids = fc.array(id, { minLength: 1, maxLength: 4 })

const byteLength = (text: string) => Buffer.byteLength(text)

describe("CacheKey.encodePart", () => {
  it("leaves what is plain as it is", () => {
    for (const part of ["AAPL", "user-123", "a.b_c~d@e", "0"]) assert.strictEqual(CacheKey.encodePart(part), part)
  })

  it("leaves no character that has a meaning in a key, in a pattern or in Redis Cluster", () => {
    fc.assert(
      fc.property(id, (id) => assert.match(CacheKey.encodePart(id), /^[A-Za-z0-9._~@%-]+$/)),
      runs(1000)
    )
  })

  it("encodes as percent-encoding does", () => {
    assert.strictEqual(CacheKey.encodePart("*:?[]{}\\"), "%2A%3A%3F%5B%5D%7B%7D%5C")
    assert.strictEqual(CacheKey.encodePart("é €😀\0\n"), "%C3%A9%20%E2%82%AC%F0%9F%98%80%00%0A")
    assert.strictEqual(CacheKey.encodePart("!'()%40@"), "%21%27%28%29%2540@")
  })

  it("hashes what has more than 200 bytes", () => {
    for (const char of ["a", "é", "€", "😀"]) {
      const longest = char.repeat(200 / byteLength(char))
      const length = byteLength(longest)
      assert.deepStrictEqual(CacheKey.parts(CacheKey.fromParts([longest])), [longest])
      assert.match(CacheKey.encodePart(`${longest}${"a".repeat(201 - length)}`), /^%sha256-[A-Za-z0-9_-]{43}$/)
    }
  })

  it("gives parts of 10 kB keys of their own", () => {
    const parts = Array.from({ length: 100 }, (_, index) => `${"x".repeat(10_000)}${index}`)
    const keys = parts.map(CacheKey.encodePart)
    assert.strictEqual(new Set(keys).size, parts.length)
    assert.deepStrictEqual(parts.map(CacheKey.encodePart), keys)
    for (const key of keys) assert.isBelow(key.length, 60)
  })

  it("does not take a short id for the hash of a long one", () => {
    const hash = CacheKey.encodePart("x".repeat(201))
    for (const id of [hash, hash.slice(1), decodeURIComponent(hash.replace("%", "%25"))]) {
      assert.notStrictEqual(CacheKey.encodePart(id), hash)
    }
  })

  it.each(["", "\ud800", "a\udc00", "\udc00\ud800", `${"x".repeat(300)}\ud800`])("refuses %j", (part) => {
    assert.strictEqual(cacheErrorOf(() => CacheKey.encodePart(part)).reason, "InvalidKey")
  })
})

describe("CacheKey.fromParts", () => {
  it("gives distinct ids distinct keys", () => {
    const seen = new Map<string, string>()
    fc.assert(
      fc.property(ids, (ids) => {
        const key = String(CacheKey.fromParts(ids))
        const list = JSON.stringify(ids)
        assert.strictEqual(seen.get(key) ?? list, list)
        seen.set(key, list)
      }),
      runs(1000)
    )
  })

  it("can be undone below 200 bytes", () => {
    fc.assert(
      fc.property(ids, (ids) => {
        const kept = ids.map((id) => (byteLength(id) > 200 ? undefined : id))
        assert.deepStrictEqual(CacheKey.parts(CacheKey.fromParts(ids)), kept)
      }),
      runs(500)
    )
  })

  it("refuses a key with an empty part", () => {
    for (const parts of [[""], ["a", ""], ["", "a"]]) {
      assert.strictEqual(cacheErrorOf(() => CacheKey.fromParts(parts)).reason, "InvalidKey")
    }
  })
})

describe("CacheKey.parse", () => {
  it("returns a CacheKey as it is", () => {
    fc.assert(
      fc.property(ids, (ids) => {
        const key = CacheKey.fromParts(ids)
        assert.strictEqual(CacheKey.parse(key), key)
      }),
      runs(50)
    )
  })

  it("splits text at colons, and encodes what is between", () => {
    assert.strictEqual(String(CacheKey.parse("market:quote:AAPL")), "market:quote:AAPL")
    assert.strictEqual(String(CacheKey.parse("user:*")), "user:%2A")
    assert.deepStrictEqual(CacheKey.parts(CacheKey.parse("a b:%2A")), ["a b", "%2A"])
  })

  it.each(["", ":", "a:", ":a", "a::b", "a:\ud800"])("refuses %j", (key) => {
    assert.strictEqual(cacheErrorOf(() => CacheKey.parse(key)).reason, "InvalidKey")
  })
})

describe("CacheKey.parts", () => {
  it("has no id for what somebody else wrote", () => {
    assert.deepStrictEqual(CacheKey.parts(new CacheKey.CacheKey("100%:%ff:a")), [undefined, undefined, "a"])
  })
})
