/**
 * Whether the checker of the simulation has teeth: it has to notice when a rule of the protocol is switched off, and when Redis
 * does not do what the protocol relies on.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Rules from "../src/internal/rules.ts"
import type * as Checker from "./simulation/Checker.ts"
import type { Fault } from "./simulation/ModelRedis.ts"
import * as Schedule from "./simulation/Schedule.ts"
import * as Simulation from "./simulation/Simulation.ts"
import {
  advance,
  connect,
  cut,
  del,
  flow,
  get,
  hear,
  notice,
  reopen,
  reply,
  serve,
  serveOrphan,
  set,
  sever,
  type Step
} from "./simulation/Step.ts"

/** Within so many random schedules, always the same, it has to be noticed. */
const BUDGET = { schedules: 3000, seed: 3, anyLength: true }

const push = { push: true }

/** How it goes wrong without a rule, and which promise that breaks. */
const examples: Readonly<Record<keyof Rules.Rules, readonly [schedule: ReadonlyArray<Step>, breaks: Checker.Rule]>> = {
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
    const violationsWith = (rules: Rules.Rules) =>
      Simulation.check(Simulation.run({ processes: 2, rules }, schedule), {}).map(({ rule }) => rule)
    assert.include(violationsWith(rules), broken)
    assert.deepStrictEqual(violationsWith(Rules.all), [])
  })

  it("random schedules break promises", { timeout: 60_000 }, () => {
    assert.isDefined(Schedule.search({ ...BUDGET, rules }))
  })
})

describe.each([
  "announces apart",
  "loses messages",
  "heartbeats overtake",
  "subscribes late",
  "versions shrink",
  "hides deadlines"
] satisfies ReadonlyArray<Fault>)("over a Redis that %s", (fault) => {
  it("random schedules break promises", { timeout: 60_000 }, () => {
    assert.isDefined(Schedule.search({ ...BUDGET, fault }))
  })
})
