/**
 * Random schedules, and the search for one that breaks a promise.
 */
import fc from "fast-check"
import type { Rules } from "../../src/internal/rules.ts"
import * as Checker from "./Checker.ts"
import * as Simulation from "./Simulation.ts"
import * as Step from "./Step.ts"

/**
 * How often each step is drawn, relative to the others. Steps that are not possible do nothing, so what repairs is drawn more
 * often than what breaks. The simple ones come first, because fast-check shrinks towards them.
 */
const weightedStepsOf = (process: number): ReadonlyArray<readonly [weight: number, step: Step.Step]> => [
  [6, Step.flow(process)],
  [14, Step.serve(process)],
  [12, Step.reply(process)],
  [12, Step.hear(process)],
  [6, Step.get(process, "a")],
  [3, Step.getFresh(process, "a")],
  [1, Step.get(process, "b")],
  [1, Step.getMany(process, ["a", "b", "c"])],
  [1, Step.getManyFresh(process, ["b", "a"])],
  [4, Step.set(process, "a")],
  [3, Step.set(process, "a", { push: true })],
  [1, Step.set(process, "a", { ttl: "short" })],
  [1, Step.set(process, "a", { only: "absent" })],
  [1, Step.set(process, "a", { only: "present", push: true })],
  [1, Step.set(process, "b", { push: true })],
  [1, Step.setMany(process, ["c", "b", "a"])],
  [1, Step.setMany(process, ["a", "b"], { push: true })],
  [3, Step.del(process, "a")],
  [1, Step.deleteMany(process, ["a", "b"])],
  [1, Step.expire(process, "a", "short")],
  [1, Step.expire(process, "a", "long")],
  [1, Step.deletePattern(process)],
  [1, Step.timeOut(process)],
  [1, Step.interrupt(process)],
  [1, Step.refuse(process)],
  [2, Step.cut(process)],
  [4, Step.reopen(process)],
  [4, Step.serveOrphan(process)],
  [2, Step.duplicate(process)],
  [2, Step.sever(process)],
  [4, Step.notice(process)],
  [6, Step.connect(process)],
  [1, Step.crash(process)]
]

const weightedSteps: ReadonlyArray<readonly [weight: number, step: Step.Step]> = [
  [2, Step.advance(10)],
  [4, Step.advance(25)],
  [2, Step.advance(60)],
  [1, Step.advance(110)],
  [1, Step.advance(450)],
  [1, Step.stall(60)],
  [1, Step.stall(110)],
  [1, Step.evict("a")],
  [1, Step.restart]
]

const tableFor = (processes: number): ReadonlyArray<Step.Step> => {
  const indexes = Array.from({ length: processes }, (_, index) => index)
  return [...indexes.flatMap(weightedStepsOf), ...weightedSteps].flatMap(([weight, step]) =>
    Array.from({ length: weight }, () => step)
  )
}

const MAX_STEPS = 150

const schedules: fc.Arbitrary<readonly [processes: number, schedule: ReadonlyArray<Step.Step>]> = fc.noBias(
  fc.oneof(
    ...[2, 3].map((processes) =>
      fc.tuple(
        fc.constant(processes),
        fc.array(fc.constantFrom(...tableFor(processes)), { maxLength: MAX_STEPS, size: "max" })
      )
    )
  )
)

export interface SearchOptions {
  readonly schedules: number
  readonly rules?: Rules | undefined
  readonly serveStale?: "50 millis" | undefined
  /** Without one, another one each time. */
  readonly seed?: number | undefined
  /** What counts as found: every violation, unless given. */
  readonly rule?: Checker.Rule | undefined
}

/** A schedule that breaks a promise, as short as it could be made. */
export interface Finding {
  readonly schedule: ReadonlyArray<Step.Step>
  readonly violations: ReadonlyArray<Checker.Violation>
  /** How many schedules it took. */
  readonly tried: number
  /** For people: schedule, history and violations. */
  readonly report: string
}

/** Tries random schedules until one breaks a promise. */
export const search = (options: SearchOptions): Finding | undefined => {
  const { rule, rules, serveStale } = options
  const runAndCheck = (processes: number, schedule: ReadonlyArray<Step.Step>) => {
    const run = Simulation.run({ processes, rules, serveStale }, schedule)
    const violations = Simulation.check(run, { serveStale })
    return { run, violations: violations.filter((violation) => rule === undefined || violation.rule === rule) }
  }
  const property = fc.property(schedules, ([processes, schedule]) => runAndCheck(processes, schedule).violations.length === 0)
  const details = fc.check(property, { numRuns: options.schedules, ...(options.seed === undefined ? {} : { seed: options.seed }) })
  if (!details.failed || details.counterexample === null) return undefined
  const [[processes, schedule]] = details.counterexample
  const { run, violations } = runAndCheck(processes, schedule)
  const seed = `seed ${details.seed}, path ${details.counterexamplePath}`
  return { schedule, violations, tried: details.numRuns, report: [seed, Simulation.describe(run, violations)].join("\n") }
}
