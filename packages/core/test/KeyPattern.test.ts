import { CacheKey, KeyPattern } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { hostileText, runs, text } from "./arbitraries.ts"
import { cacheErrorOf } from "./thrown.ts"

const id = fc.oneof(text, hostileText).filter((id) => id !== "")

const keyOf = (prefix: string, ...ids: ReadonlyArray<string>) => `${prefix}:${CacheKey.fromParts(ids).encoded}`

const matches = (pattern: string, ...ids: ReadonlyArray<string>) =>
  KeyPattern.make("app", pattern).matches(keyOf("app", ...ids))

/** What a pattern means, without regard to what it costs. */
const reference = (glob: string, key: string): boolean => {
  if (glob === "") return key === ""
  if (glob.startsWith("*")) return reference(glob.slice(1), key) || (key !== "" && reference(glob, key.slice(1)))
  return key !== "" && (glob.startsWith("?") || glob[0] === key[0]) && reference(glob.slice(1), key.slice(1))
}

describe("KeyPattern.matches", () => {
  it("means what the reference means", () => {
    const pieces = (...chars: ReadonlyArray<string>) =>
      fc.array(fc.constantFrom(...chars), { minLength: 1, maxLength: 7 }).map((chars) => chars.join(""))
    const pattern = fc.array(pieces("a", "b", "*", "*", "?", "["), { minLength: 1, maxLength: 3 })
    const key = fc.array(pieces("a", "b", "*", "?", "["), { minLength: 1, maxLength: 3 })
    let matched = 0
    fc.assert(
      fc.property(pattern, key, (pattern, ids) => {
        const { glob, matches } = KeyPattern.make("app", pattern.join(":"))
        const key = keyOf("app", ...ids)
        const expected = reference(glob, key)
        assert.strictEqual(matches(key), expected)
        if (expected) matched++
      }),
      runs(1000)
    )
    assert.isAbove(matched, 50)
  })

  it("takes * for any characters and ? for one", () => {
    assert.isTrue(matches("market:*", "market", "quote", "AAPL"))
    assert.isTrue(matches("*", "market"))
    assert.isTrue(matches("market:*:AAPL", "market", "quote", "AAPL"))
    assert.isTrue(matches("market:quote:A*", "market", "quote", "A"))
    assert.isTrue(matches("market:quote:?APL", "market", "quote", "AAPL"))
    assert.isFalse(matches("market:quote:?", "market", "quote", "AA"))
    assert.isFalse(matches("market:*", "market"))
    assert.isFalse(matches("market:quote", "market", "quote", "AAPL"))
  })

  it("counts one encoded character as several", () => {
    assert.isTrue(matches("a?c", "a-c"))
    assert.isFalse(matches("a?c", "a c"))
    assert.isTrue(matches("a???c", "a c"))
  })

  it("takes what Redis' patterns mean otherwise as it is", () => {
    for (const char of ["[", "]", "\\", "{", "}", "^", "!", "%", "é", "😀", " "]) {
      assert.isTrue(matches(`a${char}b:*`, `a${char}b`, "c"))
      assert.isFalse(matches(`a${char}b:*`, "ab", "c"))
    }
    assert.isFalse(matches("[ab]", "a"))
    assert.isFalse(matches("\\*", "*"))
    assert.isFalse(matches("{a}", "a"))
  })

  it("stays below its prefix", () => {
    const pattern = KeyPattern.make("a", "market:*")
    assert.isTrue(pattern.matches("a:market:AAPL"))
    for (const key of ["ab:market:AAPL", "market:AAPL", "b:a:market:AAPL", "a:marketing:x", "a:market"]) {
      assert.isFalse(pattern.matches(key))
    }
    assert.isFalse(KeyPattern.make("a", "*").matches("ab:market"))
  })

  it("matches only the key itself if it has no wildcards", () => {
    const plain = id.filter((id) => !/[*?:]/.test(id))
    fc.assert(
      fc.property(
        fc.array(plain, { minLength: 1, maxLength: 3 }),
        fc.array(id, { minLength: 1, maxLength: 3 }),
        (ids, others) => {
          const pattern = KeyPattern.make("app", ids.join(":"))
          assert.isTrue(pattern.matches(keyOf("app", ...ids)))
          assert.strictEqual(pattern.matches(keyOf("app", ...others)), ids.join(":") === others.join(":"))
        }
      ),
      runs(500)
    )
  })

  it("matches the keys below an id, and of no other", () => {
    const plain = id.filter((id) => !/[*?:]/.test(id) && Buffer.byteLength(id) <= 200)
    fc.assert(
      fc.property(plain, id, id, (mine, other, rest) => {
        const pattern = KeyPattern.make("app", `user:${mine}:*`)
        assert.isTrue(pattern.matches(keyOf("app", "user", mine, rest)))
        assert.strictEqual(pattern.matches(keyOf("app", "user", other, rest)), mine === other)
      }),
      runs(500)
    )
  })

  it("has no key that, read as a pattern, matches another", () => {
    const ids = fc.array(id, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(ids, ids, (ids, others) => {
        const [key, other] = [keyOf("app", ...ids), keyOf("app", ...others)]
        assert.notMatch(key, /[*?[\]\\]/)
        assert.strictEqual(reference(key, other), key === other)
      }),
      runs(200)
    )
  })

  it("matches an id above 200 bytes as a whole, and not by its beginning", () => {
    const long = "x".repeat(201)
    assert.isTrue(matches(`file:${long}`, "file", long))
    assert.isTrue(matches("file:*", "file", long))
    assert.isTrue(matches(`file:${long}:*`, "file", long, "page"))
    assert.isFalse(matches(`file:${long}y`, "file", long))
    assert.isFalse(matches("file:x*", "file", long))
  })

  it("ends, whatever the pattern", () => {
    const key = keyOf("app", ...Array.from({ length: 200 }, () => "a".repeat(200)))
    assert.isFalse(KeyPattern.make("app", `${"a*".repeat(1000)}b`).matches(key))
    assert.isFalse(KeyPattern.make("app", `${"*a".repeat(1000)}*b*`).matches(key))
    assert.isTrue(KeyPattern.make("app", `${"*".repeat(1000)}a`).matches(key))
    assert.isFalse(KeyPattern.make("app", `${"*?".repeat(30_000)}*`).matches(key.slice(0, 30_000)))
  })
})

describe("KeyPattern.make", () => {
  it.each(["", ":", "a:", ":*", "a::b", "\ud800", "*\udc00"])("refuses %j", (pattern) => {
    assert.strictEqual(cacheErrorOf(() => KeyPattern.make("app", pattern)).reason, "InvalidKey")
  })

  it("is what its written form stands for", () => {
    const { glob } = KeyPattern.make("app", "a[b]:*")
    assert.strictEqual(KeyPattern.ofGlob(glob).glob, glob)
    assert.isTrue(KeyPattern.ofGlob(glob).matches(keyOf("app", "a[b]", "c")))
  })

  it("writes a pattern in Redis' syntax, in which nothing but * and ? is special", () => {
    assert.strictEqual(KeyPattern.make("app", "a[b]:*:?").glob, "app:a%5Bb%5D:*:?")
    fc.assert(
      fc.property(fc.array(id, { minLength: 1, maxLength: 3 }), (parts) => {
        const pattern = parts.join(":").replaceAll(/:+/g, ":").replaceAll(/^:|:$/g, "")
        if (pattern !== "") assert.match(KeyPattern.make("app", pattern).glob, /^[A-Za-z0-9._~@%:*?-]+$/)
      }),
      runs(300)
    )
  })
})

describe("KeyPattern.anyOf", () => {
  const anyOf = (...patterns: ReadonlyArray<string>) =>
    KeyPattern.anyOf(patterns.map((pattern) => KeyPattern.make("app", pattern)))

  it("has one pattern that covers all of them", () => {
    assert.strictEqual(anyOf("user:1:*", "user:12").glob, "app:user:1*")
    assert.strictEqual(anyOf("user:*", "user:1").glob, "app:user:*")
    assert.strictEqual(anyOf("a", "b").glob, "app:*")
    assert.strictEqual(anyOf("?a", "?b").glob, "app:*")
    assert.strictEqual(anyOf("user:*").glob, "app:user:*")
    assert.strictEqual(anyOf("user:*", "user:*").glob, "app:user:*")
  })

  it("matches what matches any, and nothing if there is none", () => {
    const pattern = anyOf("user:*", "*:1")
    assert.deepStrictEqual(pattern.globs, ["app:user:*", "app:*:1"])
    assert.isTrue(pattern.matches("app:user:2"))
    assert.isTrue(pattern.matches("app:order:1"))
    assert.isFalse(pattern.matches("app:order:2"))
    assert.isFalse(anyOf().matches(""))
  })

  it("covers every key that matches, whatever the patterns", () => {
    const part = fc.stringMatching(/^[ab*?]{1,4}$/)
    const text = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(":"))
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), text, (patterns, written) => {
        const pattern = anyOf(...patterns)
        const key = `app:${written.replaceAll(/[*?]/g, "a")}`
        if (pattern.matches(key)) assert.isTrue(KeyPattern.ofGlob(pattern.glob).matches(key))
      }),
      runs(300)
    )
  })
})

describe("KeyPattern.except", () => {
  it("matches what the first one matches and the other does not", () => {
    const pattern = KeyPattern.except(KeyPattern.make("app", "*"), KeyPattern.make("app", "lock:*"))
    assert.isTrue(pattern.matches("app:user:1"))
    assert.isTrue(pattern.matches("app:locks:1"))
    assert.isFalse(pattern.matches("app:lock:1"))
    assert.isFalse(pattern.matches("other:user:1"))
    assert.deepStrictEqual(pattern.globs, ["app:*"])
    assert.isTrue(KeyPattern.except(KeyPattern.make("app", "*"), KeyPattern.anyOf([])).matches("app:lock:1"))
  })
})
