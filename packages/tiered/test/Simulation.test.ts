/**
 * The coherence of real tiered caches over a model of Redis, in every order of messages, replies and losses that a random
 * schedule makes. A failure prints the shortest schedule, what happened, and the seed.
 */
import { assert, describe, it } from "@effect/vitest"
import { LIMITS } from "../src/Coherence.ts"
import * as Rules from "../src/internal/rules.ts"
import * as Schedule from "./simulation/Schedule.ts"
import * as Simulation from "./simulation/Simulation.ts"
import { abort, type Call, type Event, type Step } from "./simulation/Step.ts"

const SCHEDULES = process.env.TIERCACHE_TEST_FULL === "1" ? 10_000 : 1000

/** Several times what each rule takes with this seed, which is at most 1,700. */
const SCHEDULES_TO_MISS_A_RULE = 6000
const SEED = 1

const at = (process: number, ...events: ReadonlyArray<Event>): ReadonlyArray<Step> =>
  events.map((step) => ({ step, process }))

const call = (process: number, call: Call): Step => ({ step: "call", process, call })

const get = (key: string, fresh = false): Call => ({ call: "get", key, fresh })
const set = (key: string, push = false): Call => ({ call: "set", key, options: { push } })

/** The shortest ways to go wrong without a rule, and what the rule is about. */
const schedules: Readonly<Record<keyof Rules.Rules, ReadonlyArray<Step>>> = {
  // the message about a write overtakes the reply to an earlier read
  fillTokens: [call(1, get("a", true)), call(1, set("a")), ...at(1, "serve", "serve", "hear", "reply")],
  // the announcement of an own write that is followed by another one
  writeTokens: [call(0, set("a")), call(0, set("a")), ...at(0, "serve", "serve", "reply", "hear", "hear")],
  // the message is late, and time passes
  trustLease: [
    call(1, { call: "delete", key: "a" }),
    call(0, set("a", true)),
    ...at(0, "flow"),
    ...at(1, "flow"),
    { step: "advance", millis: 60 },
    { step: "advance", millis: 60 }
  ],
  // what was announced while the bus was lost
  emptyOnConnect: [
    call(1, { call: "setMany", keys: ["a", "b"], options: { push: true } }),
    ...at(1, "sever"),
    call(0, set("a", true)),
    ...at(1, "serve")
  ],
  // an older value that is pushed arrives after a newer one was acknowledged
  updateOrder: [call(0, set("a", true)), call(1, set("a"))],
  // a set of which nobody knows whether it was executed
  repeatUnacknowledged: [...at(2, "cut"), call(2, { call: "setMany", keys: ["a", "b"], options: { push: true } })],
  // an own write is executed long after it failed
  lateOwnWrites: [
    call(0, set("a", true)),
    ...at(0, "cut", "reopen"),
    call(0, get("a")),
    ...at(0, "flow", "serveOrphan", "flow")
  ]
}

const isRule = (name: string): name is keyof Rules.Rules => name in Rules.all

const violationsOf = (rules: Rules.Rules, schedule: ReadonlyArray<Step>) =>
  Simulation.check(Simulation.run({ processes: 3, rules }, schedule), {})

describe("tiered caches over a model of Redis", () => {
  it("keep their promises under random schedules", { timeout: 300_000 }, () => {
    assert.strictEqual(Schedule.search({ schedules: SCHEDULES })?.report, undefined)
  })

  it("keep them while stale values may be served", { timeout: 300_000 }, () => {
    const found = Schedule.search({ schedules: SCHEDULES / 10, serveStale: "50 millis" })
    assert.strictEqual(found?.report, undefined)
  })

  it("keep them when their tables overflow", { timeout: 300_000 }, () => {
    const limits = { ...LIMITS, tokens: 1, ownWrites: 1 }
    assert.strictEqual(Schedule.search({ schedules: SCHEDULES / 10, limits })?.report, undefined)
  })
})

describe("a call that is interrupted", () => {
  it.each([0, 1, 2, 3, 5, 8, 13])("after %i turns leaves nothing behind", (turns) => {
    const interrupted = [abort(turns, call(0, set("a"))), abort(turns, call(1, get("a", true)))]
    assert.deepStrictEqual(violationsOf(Rules.all, [...interrupted, ...at(0, "flow"), ...at(1, "flow")]), [])
  })
})

describe.each(Object.keys(Rules.all).filter(isRule))("the rule %s", (rule) => {
  const without = { ...Rules.all, [rule]: false }

  it("is needed: a schedule that goes wrong without it", () => {
    assert.isNotEmpty(violationsOf(without, schedules[rule]))
    assert.deepStrictEqual(violationsOf(Rules.all, schedules[rule]), [])
  })

  it("is missed by random schedules when it is switched off", { timeout: 120_000 }, () => {
    const found = Schedule.search({ schedules: SCHEDULES_TO_MISS_A_RULE, seed: SEED, rules: without })
    assert.isDefined(found)
  })
})
