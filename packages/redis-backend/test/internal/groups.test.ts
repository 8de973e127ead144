import { assert, describe, it } from "@effect/vitest"
import { groups } from "../../src/internal/groups.ts"

describe("groups", () => {
  it("have no more items than they may, in order", () => {
    assert.deepStrictEqual(groups([], 2), [])
    assert.deepStrictEqual(groups([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]])
  })

  it("have no more bytes than a script may write, but for an item that has more itself", () => {
    const bytesOf = (bytes: number) => bytes
    const kilobytes = (...amounts: ReadonlyArray<number>) => amounts.map((amount) => amount * 1024)
    assert.deepStrictEqual(groups(kilobytes(512, 512, 1, 2000, 1, 1), 2, bytesOf), [
      kilobytes(512, 512),
      kilobytes(1),
      kilobytes(2000),
      kilobytes(1, 1)
    ])
  })
})
