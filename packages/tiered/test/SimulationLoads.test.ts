/**
 * Reading through tiered caches: a database behind them changes, loads take their time and fail, leases end and are voided. As in
 * `Simulation.test.ts`, in every order that random schedules make.
 */
import { assert, describe, it } from "@effect/vitest"
import { LIMITS } from "../src/Coherence.ts"
import type { Change, LeaseEvent } from "./simulation/History.ts"
import type { Subject } from "./simulation/Mixes.ts"
import * as Schedule from "./simulation/Schedule.ts"
import * as Simulation from "./simulation/Simulation.ts"

const isFull = process.env.TIERCACHE_TEST_FULL === "1"
const SCHEDULES = isFull ? 10_000 : 300
/** Where settings differ. */
const FEWER_SCHEDULES = isFull ? 1000 : 100
const TIMEOUT = { timeout: 300_000 }

/** So little that it is forgotten all the time. */
const SMALL = { ...LIMITS, tokens: 1, ownWrites: 0 }

const find = (subject: Subject, schedules: number, setup: Omit<Simulation.Setup, "processes"> = {}) =>
  Schedule.search({ subject, schedules, ...setup })?.report

describe("reading through tiered caches, under random schedules", () => {
  it("keeps their promises", TIMEOUT, () => {
    assert.strictEqual(find("loaded", SCHEDULES), undefined)
  })

  it("keeps them when their tables overflow", TIMEOUT, () => {
    assert.strictEqual(find("loaded", FEWER_SCHEDULES, { limits: SMALL }), undefined)
  })
})

describe("leases that are taken by hand, under random schedules", () => {
  it("keep the promises", TIMEOUT, () => {
    assert.strictEqual(find("leased", SCHEDULES), undefined)
  })

  it("keep them while stale values may be served", TIMEOUT, () => {
    assert.strictEqual(find("leased", FEWER_SCHEDULES, { serveStale: "50 millis" }), undefined)
  })
})

describe("random schedules", () => {
  const SAMPLES = 500
  const SEED = 1

  it.each(["loaded", "leased"] as const)("of what is %s reach what they are for", (subject) => {
    const reached = new Map<string, number>()
    const count = (what: string) => reached.set(what, (reached.get(what) ?? 0) + 1)
    for (const [processes, schedule] of Schedule.sample(subject, SAMPLES, SEED)) {
      const { changes, leases, loads, operations } = Simulation.run({ processes }, schedule).history
      for (const { cause } of changes) count(cause)
      for (const { cause } of leases) count(cause)
      for (const { isStored, value } of loads)
        count(value === undefined ? "abandoned" : isStored ? "stored" : "in vain")
      for (const { found, kind, outcome } of operations) {
        if (kind !== "load") continue
        count(outcome)
        for (const result of found.values()) count(result?.tier ?? "nothing")
      }
    }
    const changes = ["fill", "refill", "set", "delete", "stale", "expiry"] satisfies ReadonlyArray<Change["cause"]>
    const leases = ["taken", "awaited", "released", "evicted"] satisfies ReadonlyArray<LeaseEvent["cause"]>
    const results = ["stored", "in vain", "abandoned", "loader", "l2", "l1", "acknowledged", "failed", "interrupted"]
    for (const what of [...changes, ...leases, ...results]) assert.isAbove(reached.get(what) ?? 0, 5, what)
  })

  it("of what is loaded do the same each time", () => {
    for (const [processes, schedule] of Schedule.sample("loaded", SAMPLES / 10, SEED)) {
      const [first, second] = [0, 1].map(() => Simulation.run({ processes }, schedule).history)
      assert.deepStrictEqual(first, second)
    }
  })
})
