/**
 * Whether the checker of the simulation has teeth: it has to notice when a rule of the protocol is switched off, and when Redis
 * does not do what the protocol relies on.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Rules from "../src/internal/rules.ts"
import type { Fault } from "./simulation/Fault.ts"
import * as Schedule from "./simulation/Schedule.ts"
import * as Simulation from "./simulation/Simulation.ts"
import {
  advance,
  connect,
  crash,
  cut,
  del,
  evict,
  finish,
  flow,
  get,
  hear,
  load,
  look,
  notice,
  reopen,
  reply,
  serve,
  serveOrphan,
  set,
  sever,
  type Step
} from "./simulation/Step.ts"
import type * as Violation from "./simulation/Violation.ts"

/**
 * Within so many random schedules, always the same, it has to be noticed. The seed is one with which it soon is; most others need
 * twice as long.
 */
const BUDGET = { schedules: 3000, seed: 5, anyLength: true }

const TIMEOUT = { timeout: 60_000 }

type Example = readonly [schedule: ReadonlyArray<Step>, breaks: Violation.Rule]

const push = { push: true }

/** How it goes wrong without a rule, and which promise that breaks. */
const examples: Readonly<Record<keyof Rules.Rules, Example>> = {
  // a write and its announcement overtake the reply to an earlier read
  fillTokens: [[get(0, "a"), serve(0), set(1, "a"), serve(1), hear(0), reply(0)], "converges"],
  // a later write and its announcement overtake the reply to an own one
  writeTokens: [[set(0, "a"), serve(0), set(1, "a"), serve(1), hear(0), hear(0), reply(0)], "converges"],
  // the bus is silent
  trustLease: [[get(0, "a"), flow(0), set(1, "a"), flow(1), advance(110)], "bounded staleness"],
  // a write is announced while the bus is disconnected
  emptyOnConnect: [[get(0, "a"), flow(0), sever(0), set(1, "a"), flow(1), notice(0), connect(0), flow(0)], "converges"],
  // what is pushed comes later than a newer value that was read
  updateOrder: [
    [set(1, "a", push), serve(1), set(1, "a", push), serve(1), get(0, "a"), serve(0), reply(0), hear(0)],
    "never backwards"
  ],
  // a delete never reaches the server
  repeatUnacknowledged: [[cut(0), del(0, "a")], "no old value after a failed write"],
  // an own write is executed when it has failed already, over a connection that was lost
  lateOwnWrites: [
    [set(0, "a", { only: "present" }), cut(0), reopen(0), get(0, "a"), serve(0), reply(0), serveOrphan(0), hear(0)],
    "converges"
  ]
}

const isRule = (name: string): name is keyof Rules.Rules => name in Rules.all

describe.each(Object.keys(Rules.all).filter(isRule))("without the rule %s", (rule) => {
  const rules = { ...Rules.all, [rule]: false }
  const [schedule, broken] = examples[rule]

  it(`this breaks a promise: ${broken}`, () => {
    assert.include(breaches(schedule, { rules }), broken)
    assert.deepStrictEqual(breaches(schedule, {}), [])
  })

  it("random schedules break promises", TIMEOUT, () => {
    assert.isDefined(Schedule.search({ subject: "written", ...BUDGET, rules }))
  })
})

const breaches = (schedule: ReadonlyArray<Step>, setup: Omit<Simulation.Setup, "processes">) =>
  Simulation.check(Simulation.run({ processes: 2, ...setup }, schedule), {}).map(({ rule }) => rule)

describe.each([
  "announces apart",
  "loses messages",
  "heartbeats overtake",
  "subscribes late",
  "versions shrink",
  "hides deadlines"
] satisfies ReadonlyArray<Fault>)("over a Redis that %s", (fault) => {
  it("random schedules break promises", TIMEOUT, () => {
    assert.isDefined(Schedule.search({ subject: "written", ...BUDGET, fault }))
  })
})

/** A process has a lease, and has looked at the database. */
const looked: ReadonlyArray<Step> = [evict("a"), load(0, "a"), serve(0), reply(0), look(0)]

/** How it goes wrong if Redis does not treat leases as it should. */
const leaseFaults = {
  // what was deleted since comes back
  "fills without a lease": [[...looked, del(1, "a"), flow(1), finish(0), flow(0)], "no resurrection"],
  "deletes keep leases": [[...looked, del(1, "a"), flow(1), finish(0), flow(0)], "no resurrection"],
  // what was loaded before replaces what was written since
  "sets keep leases": [[...looked, set(1, "a"), flow(1), finish(0), flow(0)], "no resurrection"],
  // L1 keeps what is not stored
  "claims to fill": [[...looked, evict("a"), finish(0), flow(0)], "converges"],
  "grants twice": [[...looked, load(1, "a"), serve(1)], "one lease at a time"]
} as const satisfies Partial<Record<Fault, Example>>

const isLeaseFault = (name: string): name is keyof typeof leaseFaults => name in leaseFaults

describe.each(Object.keys(leaseFaults).filter(isLeaseFault))("over a Redis that %s", (fault) => {
  const [schedule, broken] = leaseFaults[fault]

  it(`this breaks a promise: ${broken}`, () => {
    assert.include(breaches(schedule, { fault }), broken)
    assert.deepStrictEqual(breaches(schedule, {}), [])
  })

  it.each(["loaded", "leased"] as const)("random schedules of what is %s break promises", TIMEOUT, (subject) => {
    assert.isDefined(Schedule.search({ ...BUDGET, subject, fault }))
  })
})

describe("L1 that takes what was loaded although its token is void", () => {
  const rules = { ...Rules.all, writeTokens: false }

  it("has what was deleted", () => {
    const schedule = [...looked, finish(0), serve(0), del(1, "a"), flow(1), hear(0), reply(0)]
    assert.include(breaches(schedule, { rules }), "follows the bus")
    assert.deepStrictEqual(breaches(schedule, {}), [])
  })

  it.each(["loaded", "leased"] as const)("is noticed by random schedules of what is %s", TIMEOUT, (subject) => {
    assert.isDefined(Schedule.search({ ...BUDGET, subject, rules }))
  })
})

describe("who waits for a lease and does not look again", () => {
  const looksAgain = false

  it("waits forever for a process that is gone", () => {
    const schedule = [...looked, load(1, "a"), flow(1), crash(0)]
    assert.include(breaches(schedule, { looksAgain }), "settles")
    assert.deepStrictEqual(breaches(schedule, {}), [])
  })

  it("is noticed by random schedules", TIMEOUT, () => {
    assert.isDefined(Schedule.search({ ...BUDGET, subject: "leased", looksAgain }))
  })
})
