import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eachOf, groups } from "../../src/internal/groups.ts"

const nameOf = (item: number | string) => String(item)
const together = { size: 2, partOf: () => 0 }
const byLetter = { size: 2, partOf: (key: string) => key.slice(0, 1) }

const itemsOf = <A>(groups: ReadonlyArray<{ readonly items: ReadonlyArray<A> }>) => groups.map(({ items }) => items)

describe("groups", () => {
  it("have no more items than they may, in order", () => {
    assert.deepStrictEqual(itemsOf(groups([], nameOf, together)), [])
    assert.deepStrictEqual(itemsOf(groups([1, 2, 3, 4, 5], nameOf, together)), [[1, 2], [3, 4], [5]])
  })

  it("have no more bytes than a script may write, but for an item that has more itself", () => {
    const bytesOf = (bytes: number) => bytes
    const kilobytes = (...amounts: ReadonlyArray<number>) => amounts.map((amount) => amount * 1024)
    assert.deepStrictEqual(itemsOf(groups(kilobytes(512, 512, 1, 2000, 1, 1), nameOf, together, bytesOf)), [
      kilobytes(512, 512),
      kilobytes(1),
      kilobytes(2000),
      kilobytes(1, 1)
    ])
  })

  it("keep parts apart", () => {
    assert.deepStrictEqual(itemsOf(groups(["a1", "b1", "a2", "a3", "b2"], nameOf, byLetter)), [
      ["a1", "a2"],
      ["b1", "b2"],
      ["a3"]
    ])
  })
})

describe("eachOf", () => {
  it.effect("answers in the order of the items", () =>
    Effect.gen(function* () {
      const keys = ["a1", "b1", "c1", "a2", "a3", "b2"]
      const run = (items: ReadonlyArray<string>) => Effect.succeed(items.map((item) => item.toUpperCase()))
      const answers = yield* eachOf(groups(keys, nameOf, byLetter), run)
      assert.deepStrictEqual(answers, ["A1", "B1", "C1", "A2", "A3", "B2"])
      assert.deepStrictEqual(yield* eachOf(groups(["a1"], nameOf, byLetter), run), ["A1"])
      assert.deepStrictEqual(yield* eachOf(groups<string>([], nameOf, byLetter), run), [])
      const absent = yield* eachOf(groups(keys, nameOf, byLetter), (items) =>
        Effect.succeed(items.map(() => undefined))
      )
      assert.strictEqual(absent.length, keys.length)
    })
  )
})
