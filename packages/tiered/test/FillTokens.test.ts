import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as FillTokens from "@tiercache/tiered/FillTokens"

const make = () => FillTokens.make(100, () => assert.fail("overflow"))

describe("FillTokens", () => {
  it("lets a read fill to which nothing happened", () => {
    const tokens = make()
    const token = tokens.open("k")
    tokens.voidKey("another")
    assert.isTrue(tokens.close(token))
  })

  it("voids a read that a message overtakes, not the one after it", () => {
    const tokens = make()
    const before = tokens.open("k")
    tokens.voidKey("k")
    const after = tokens.open("k")
    assert.isFalse(tokens.close(before))
    assert.isTrue(tokens.close(after))
  })

  it("lets no read fill that overlaps an own write", () => {
    const tokens = make()
    const before = tokens.open("k")
    const write = tokens.openWrite("k")
    const during = tokens.open("k")
    assert.isFalse(tokens.close(before))
    assert.isTrue(tokens.close(write))
    assert.isFalse(tokens.close(during))
    assert.isTrue(tokens.close(tokens.open("k")))
  })

  it("lets no own write fill that overlaps another one", () => {
    const tokens = make()
    const first = tokens.openWrite("k")
    const second = tokens.openWrite("k")
    assert.isFalse(tokens.close(second))
    assert.isFalse(tokens.close(first))
    const third = tokens.openWrite("k")
    const fourth = tokens.openWrite("k")
    assert.isFalse(tokens.close(third))
    assert.isFalse(tokens.close(fourth), "the third may have come after it")
  })

  it("voids what a later read overtakes", () => {
    const tokens = make()
    const [first, second, third] = [tokens.open("k"), tokens.open("k"), tokens.open("k")]
    assert.isTrue(tokens.close(second))
    assert.isFalse(tokens.close(first))
    assert.isTrue(tokens.close(third))
    const [write, read] = [tokens.openWrite("k"), tokens.open("k")]
    assert.isFalse(tokens.close(read))
    assert.isFalse(tokens.close(write))
  })

  it("voids by pattern and altogether", () => {
    const tokens = make()
    const [a, b] = [tokens.open("a:1"), tokens.open("b:1")]
    tokens.voidMatching((key) => key.startsWith("a:"))
    assert.isFalse(tokens.close(a))
    assert.isTrue(tokens.close(b))
    const [c, d] = [tokens.open("a:1"), tokens.open("b:1")]
    tokens.voidAll()
    assert.isFalse(tokens.close(c))
    assert.isFalse(tokens.close(d))
  })

  it("forgets keys without open tokens", () => {
    const tokens = make()
    const open = [tokens.open("a"), tokens.open("a"), tokens.openWrite("b")]
    assert.strictEqual(tokens.size(), 2)
    open.forEach(tokens.close)
    assert.strictEqual(tokens.size(), 0)
  })

  it("reports when more keys than the limit have open tokens, and forgets none silently", () => {
    let overflows = 0
    const tokens: FillTokens.FillTokens = FillTokens.make(2, () => {
      overflows++
      tokens.voidAll()
    })
    const [a, b] = [tokens.open("a"), tokens.openWrite("b")]
    const c = tokens.open("c")
    assert.strictEqual(overflows, 1)
    const again = tokens.open("a")
    assert.deepStrictEqual([a, b, c, again].map(tokens.close), [false, false, true, true])
    assert.strictEqual(tokens.size(), 0)
  })

  it("agrees with a list of what happened to each key", () => {
    const step = fc.record({
      what: fc.constantFrom("open", "openWrite", "close", "voidKey", "voidAll"),
      key: fc.constantFrom("a", "b"),
      index: fc.nat({ max: 9 })
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tokens = make()
        let open: Array<{ token: FillTokens.Token; isValid: boolean; isKnown: boolean }> = []
        const spoil = (isAffected: (token: FillTokens.Token) => boolean) =>
          open.forEach((held) => (held.isValid &&= !isAffected(held.token)))
        for (const { index, key, what } of steps) {
          if (what === "open") {
            open.push({ token: tokens.open(key), isValid: true, isKnown: true })
          } else if (what === "openWrite") {
            open.push({ token: tokens.openWrite(key), isValid: true, isKnown: true })
          } else if (what === "close") {
            const held = open[index % Math.max(1, open.length)]
            if (held === undefined) continue
            const { isKnown, token } = held
            const earlier = open.slice(0, open.indexOf(held)).map(({ token }) => token)
            open = open.filter((other) => other !== held)
            const isWriting = open.some(
              ({ isKnown, token: { isWrite, key } }) => isKnown && isWrite && key === token.key
            )
            assert.strictEqual(tokens.close(token), held.isValid && !isWriting)
            if (isKnown) spoil((other) => other.key === token.key && (token.isWrite || earlier.includes(other)))
          } else if (what === "voidKey") {
            tokens.voidKey(key)
            spoil((token) => token.key === key)
          } else {
            tokens.voidAll()
            spoil(() => true)
            open.forEach((held) => (held.isKnown = false))
          }
        }
      })
    )
  })
})
