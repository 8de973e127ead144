import { assert, describe, it } from "@effect/vitest"
import * as Fetches from "./Fetches.ts"

const BOUND = 100

const fetch = (start: number, version: number | undefined): Fetches.Fetch => ({
  process: "reader",
  key: "k",
  start,
  end: start + 1,
  version,
  error: version === undefined ? "Timeout" : undefined,
  tier: version === undefined ? undefined : "l1",
  isStale: false,
  isSuperseded: false
})

const change = (version: number, end: number, options?: Partial<Fetches.Change>): Fetches.Change => ({
  process: "changer",
  key: "k",
  by: "delete",
  version,
  start: end - 10,
  end,
  isAcknowledged: true,
  ...options
})

const count = (fetches: ReadonlyArray<Fetches.Fetch>, changes: ReadonlyArray<Fetches.Change>) =>
  Fetches.violations(fetches, changes, BOUND).length

describe("what the fault tests take for a violation of reading through", () => {
  it("is an old version later than the bound after the change was acknowledged", () => {
    assert.strictEqual(count([fetch(1000, 1)], [change(2, 899)]), 1)
    assert.strictEqual(count([fetch(1000, 1)], [change(2, 500), change(3, 600)]), 1)
  })

  it("is no version within the bound, that of the change or a later one, nor a failure", () => {
    assert.strictEqual(count([fetch(1000, 1)], [change(2, 900)]), 0)
    assert.strictEqual(count([fetch(1000, 2), fetch(1000, 3), fetch(1000, undefined)], [change(2, 500)]), 0)
  })

  it("is nothing of another key, or of which nobody knows whether the cache was told", () => {
    assert.strictEqual(count([fetch(1000, 1)], [change(2, 500, { key: "other" })]), 0)
    assert.strictEqual(count([fetch(1000, 1)], [change(2, 500, { isAcknowledged: false })]), 0)
  })

  it("is what is left of what was changed, in either tier", () => {
    const rest = { process: "reader", key: "k", current: 2 }
    const rests = [
      { ...rest, l1: 2, l2: 2 },
      { ...rest, l1: undefined, l2: undefined },
      { ...rest, l1: 1, l2: 2 },
      { ...rest, l1: undefined, l2: 1 }
    ]
    assert.strictEqual(Fetches.leftovers(rests).length, 2)
  })
})
