import { assert, describe, it } from "@effect/vitest"
import * as OwnWrites from "@tiercache/tiered/OwnWrites"

const acknowledge = (writes: OwnWrites.OwnWrites, times: number) =>
  Array.from({ length: times }, () => {
    const id = writes.begin()
    writes.end(id, true)
    return id
  })

describe("OwnWrites", () => {
  it("expects what is in flight, and what was acknowledged", () => {
    const writes = OwnWrites.make(10)
    const [one, other] = [writes.begin(), writes.begin()]
    assert.deepStrictEqual([one, other].map(writes.isInFlight), [true, true])
    writes.end(one, true)
    assert.deepStrictEqual([one, other].map(writes.isInFlight), [false, true])
    assert.deepStrictEqual([one, other].map(writes.isExpected), [true, true])
    assert.isFalse(writes.isExpected(other + 1))
  })

  it("does not expect what failed", () => {
    const writes = OwnWrites.make(10)
    const id = writes.begin()
    writes.end(id, false)
    assert.isFalse(writes.isExpected(id))
  })

  it("expects nothing of what was in flight when an epoch ended, even if it is acknowledged", () => {
    const writes = OwnWrites.make(10)
    const [acknowledged = 0] = acknowledge(writes, 1)
    const id = writes.begin()
    writes.voidAll()
    writes.end(id, true)
    assert.deepStrictEqual([acknowledged, id].map(writes.isExpected), [true, false])
  })

  it("remembers what was acknowledged of the last writes", () => {
    for (const [limit, remembered] of [
      [0, 1],
      [1, 1],
      [3, 3]
    ] as const) {
      const writes = OwnWrites.make(limit)
      const ids = acknowledge(writes, 10)
      assert.deepStrictEqual(ids.filter(writes.isExpected), ids.slice(-remembered))
    }
  })
})
