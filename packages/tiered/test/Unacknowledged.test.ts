import { assert, describe, it } from "@effect/vitest"
import * as Unacknowledged from "@tiercache/tiered/Unacknowledged"

const LATE = 500

describe("Unacknowledged", () => {
  it("has keys deleted at once, and again when the write cannot come any more", () => {
    const doubts = Unacknowledged.make(10, LATE)
    doubts.add(["a", "b"], 0)
    const first = doubts.take(10, 100)
    assert.deepStrictEqual(first.keys, ["a", "b"])
    doubts.settle(first)
    assert.strictEqual(doubts.size(), 2)
    assert.deepStrictEqual(doubts.take(10, 499).keys, [])
    const last = doubts.take(10, 500)
    assert.deepStrictEqual(last.keys, ["a", "b"])
    doubts.settle(last)
    assert.strictEqual(doubts.size(), 0)
  })

  it("does not settle a key that is in doubt again", () => {
    const doubts = Unacknowledged.make(10, 0)
    doubts.add(["a"], 0)
    const batch = doubts.take(10, 1)
    doubts.add(["a"], 1)
    doubts.settle(batch)
    assert.strictEqual(doubts.size(), 1)
    doubts.giveUp(batch)
    assert.strictEqual(doubts.size(), 1)
    doubts.giveUp(doubts.take(10, 2))
    assert.strictEqual(doubts.size(), 0)
  })

  it("takes the oldest first, and forgets them when there are too many", () => {
    const doubts = Unacknowledged.make(2, 0)
    assert.isTrue(doubts.add(["a", "b"], 0))
    assert.deepStrictEqual(doubts.take(1, 0).keys, ["a"])
    assert.isFalse(doubts.add(["c"], 0))
    assert.deepStrictEqual(doubts.take(10, 0).keys, ["b", "c"])
  })
})
