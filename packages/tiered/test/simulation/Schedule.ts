/**
 * Random schedules, and the search for one that breaks a promise.
 */
import * as fc from "fast-check"
import { type Mix, mixes, type Subject } from "./Mixes.ts"
import { report } from "./Report.ts"
import * as Simulation from "./Simulation.ts"
import type { Step } from "./Step.ts"
import type { Violation } from "./Violation.ts"

const stepsOf = ({ each, processes, rest }: Mix): ReadonlyArray<Step> => {
  const indexes = Array.from({ length: processes }, (_, index) => index)
  const weighted = [...indexes.flatMap((index) => each.flatMap((group) => group(index))), ...rest.flat()]
  return weighted.flatMap(([weight, step]) => Array.from({ length: weight }, () => step))
}

const MAX_STEPS = 100

const anySchedule = (subject: Subject): fc.Arbitrary<readonly [processes: number, schedule: ReadonlyArray<Step>]> =>
  fc.noBias(
    fc.oneof(
      ...mixes[subject].map((mix) =>
        fc.tuple(
          fc.constant(mix.processes),
          fc.array(fc.constantFrom(...stepsOf(mix)), { maxLength: MAX_STEPS, size: "max" })
        )
      )
    )
  )

/** Random schedules, the same for the same seed. */
export const sample = (subject: Subject, count: number, seed: number) =>
  fc.sample(anySchedule(subject), { numRuns: count, seed })

interface SearchOptions extends Omit<Simulation.Setup, "processes"> {
  readonly subject: Subject
  readonly schedules: number
  /** Without one, another one each time. */
  readonly seed?: number | undefined
  /** Leaves what is found as long as it is. */
  readonly anyLength?: boolean | undefined
}

/** A schedule that breaks a promise, as short as it could be made. */
interface Finding {
  readonly schedule: ReadonlyArray<Step>
  readonly violations: ReadonlyArray<Violation>
  /** How many schedules it took. */
  readonly tried: number
  /** For people: schedule, history and violations. */
  readonly report: string
}

/** Tries random schedules until one breaks a promise. */
export const search = ({ anyLength, schedules, seed, subject, ...setup }: SearchOptions): Finding | undefined => {
  const attempt = (processes: number, schedule: ReadonlyArray<Step>) => {
    const run = Simulation.run({ ...setup, processes }, schedule)
    return { run, violations: Simulation.check(run, setup) }
  }
  const property = fc.property(
    anySchedule(subject),
    ([processes, schedule]) => attempt(processes, schedule).violations.length === 0
  )
  const details = fc.check(property, {
    numRuns: schedules,
    endOnFailure: anyLength === true,
    ...(seed === undefined ? {} : { seed })
  })
  if (!details.failed || details.counterexample === null) return undefined
  const [[processes, schedule]] = details.counterexample
  const { run, violations } = attempt(processes, schedule)
  const origin = `seed ${details.seed}, path ${details.counterexamplePath}, ${processes} processes`
  return { schedule, violations, tried: details.numRuns, report: `${origin}\n${report(run, violations)}` }
}
