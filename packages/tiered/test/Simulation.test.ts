/**
 * Tiered caches over a model of Redis, in every order of requests, replies, messages and losses that random schedules make. What
 * fails is shown as the shortest schedule that does, with its seed; its lines can be copied into a test.
 */
import { assert, describe, it } from "@effect/vitest"
import { LIMITS } from "../src/Coherence.ts"
import * as Schedule from "./simulation/Schedule.ts"
import * as Simulation from "./simulation/Simulation.ts"

const isFull = process.env.TIERCACHE_TEST_FULL === "1"
const SCHEDULES = isFull ? 10_000 : 300
/** Where settings differ. */
const FEWER_SCHEDULES = isFull ? 1000 : 100
const TIMEOUT = { timeout: 300_000 }

/** So little that it is forgotten all the time. */
const SMALL = { ...LIMITS, tokens: 1, ownWrites: 0 }

describe("tiered caches under random schedules", () => {
  it("keep their promises", TIMEOUT, () => {
    assert.strictEqual(Schedule.search({ subject: "written", schedules: SCHEDULES })?.report, undefined)
  })

  it("keep them while stale values may be served", TIMEOUT, () => {
    assert.strictEqual(
      Schedule.search({ subject: "written", schedules: FEWER_SCHEDULES, serveStale: "50 millis" })?.report,
      undefined
    )
  })

  it("keep them when their tables overflow", TIMEOUT, () => {
    assert.strictEqual(
      Schedule.search({ subject: "written", schedules: FEWER_SCHEDULES, limits: SMALL })?.report,
      undefined
    )
  })
})

describe("random schedules", () => {
  const SAMPLES = 500
  const SEED = 1

  it("reach what they are for", () => {
    const reached = new Map<string, number>()
    const count = (what: string, times: number) => reached.set(what, (reached.get(what) ?? 0) + times)
    for (const [processes, schedule] of Schedule.sample("written", SAMPLES, SEED)) {
      const run = Simulation.run({ processes, limits: { ...LIMITS, tokens: 2 } }, schedule)
      for (const { found, outcome } of run.history.operations) {
        count(outcome, 1)
        for (const result of found.values()) count(result?.tier ?? "nothing", 1)
      }
      for (const { coherence } of run.processes.map((process) => process.stats())) {
        if (coherence === undefined) continue
        const { epochs, refusedFills, removed, repeatedDeletes, trustLapses, updated } = coherence
        const events = { ...epochs, refusedFills, removed, repeatedDeletes, trustLapses, updated }
        for (const [event, times] of Object.entries(events)) count(event, times)
      }
    }
    const outcomes = ["acknowledged", "failed", "interrupted", "lost"]
    const events = [
      "connected",
      "overflow",
      "flush",
      "refusedFills",
      "removed",
      "repeatedDeletes",
      "trustLapses",
      "updated"
    ]
    for (const what of [...outcomes, "l1", "l2", "nothing", ...events]) {
      assert.isAbove(reached.get(what) ?? 0, 10, what)
    }
  })

  it("do the same each time", () => {
    for (const [processes, schedule] of Schedule.sample("written", SAMPLES / 10, SEED)) {
      const [first, second] = [0, 1].map(() => Simulation.run({ processes }, schedule).history)
      assert.deepStrictEqual(first, second)
    }
  })
})
