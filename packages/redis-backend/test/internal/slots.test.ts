import { assert, describe, it } from "@effect/vitest"
import { SLOTS, slotOf, textsBySlot } from "../../src/internal/slots.ts"

describe("slotOf", () => {
  it("is CRC16 (XMODEM) modulo 16384", () => {
    // the check value of the algorithm
    assert.strictEqual(slotOf("123456789"), 0x31c3 % 16_384)
    assert.strictEqual(slotOf(""), 0)
    assert.strictEqual(slotOf("a"), 15_495)
  })
  it("counts bytes of UTF-8", () => {
    assert.strictEqual(slotOf("é"), slotOf(Buffer.from("é").toString("utf8")))
    assert.notStrictEqual(slotOf("é"), slotOf("e"))
  })
  it("takes the first part in braces that is not empty alone", () => {
    assert.strictEqual(slotOf("{user}:1"), slotOf("user"))
    assert.strictEqual(slotOf("a{user}b{other}"), slotOf("user"))
    assert.strictEqual(slotOf("a{{user}}b"), slotOf("{user"))
    assert.notStrictEqual(slotOf("{}{user}"), slotOf("user"))
    assert.notStrictEqual(slotOf("{user"), slotOf("user"))
    assert.notStrictEqual(slotOf("}user{"), slotOf("user"))
  })
})

describe("textsBySlot", () => {
  it("has a text for each slot, and the same one again", () => {
    const textOf = textsBySlot("some:")
    const texts = Array.from({ length: SLOTS }, (_, slot) => textOf(slot))
    texts.forEach((text, slot) => {
      assert.match(text, /^some:[0-9a-z]{1,4}$/)
      assert.strictEqual(slotOf(`{${text}}:any`), slot)
    })
    assert.deepStrictEqual(
      texts.map((_, slot) => textOf(slot)),
      texts
    )
  })
})
