/**
 * Random schedules, and the search for one that breaks a promise.
 */
import * as fc from "fast-check"
import type * as Checker from "./Checker.ts"
import * as Simulation from "./Simulation.ts"
import * as Step from "./Step.ts"

type Weighted = ReadonlyArray<readonly [weight: number, step: Step.Step]>

/** How often each step is drawn, relative to the others. The simple ones come first: fast-check shrinks towards them. */
const moves = (process: number): Weighted => [
  [3, Step.flow(process)],
  [12, Step.serve(process)],
  [12, Step.reply(process)],
  [12, Step.hear(process)]
]

/** The most likely to get in each other's way. */
const fewCalls = (process: number): Weighted => [
  [6, Step.get(process, "a")],
  [3, Step.getFresh(process, "a")],
  [4, Step.set(process, "a")],
  [4, Step.set(process, "a", { push: true })],
  [2, Step.del(process, "a")]
]

const calls = (process: number): Weighted => [
  [8, Step.get(process, "a")],
  [4, Step.getFresh(process, "a")],
  [1, Step.get(process, "b")],
  [1, Step.getMany(process, ["a", "b", "c"])],
  [1, Step.getManyFresh(process, ["a", "b", "c"])],
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
  [1, Step.deletePattern(process)]
]

/** One process reads, slowly, what others write. */
const readingOrWriting = (process: number): Weighted =>
  process === 0
    ? [
        [6, Step.serve(0)],
        [6, Step.reply(0)],
        [4, Step.hear(0)],
        [4, Step.get(0, "a")]
      ]
    : [
        [6, Step.flow(process)],
        [2, Step.set(process, "a")],
        [1, Step.set(process, "a", { push: true })],
        [1, Step.del(process, "a")]
      ]

/** Much expires, while messages are quick enough for L1 to be trusted that long. */
const expiring = (process: number): Weighted => [
  [8, Step.flow(process)],
  [4, Step.serve(process)],
  [4, Step.reply(process)],
  [2, Step.hear(process)],
  [4, Step.get(process, "a")],
  [3, Step.set(process, "a", { ttl: "short" })],
  [1, Step.set(process, "a", { ttl: "short", push: true })],
  [1, Step.set(process, "a", { only: "absent" })],
  [1, Step.expire(process, "a", "short")],
  [1, Step.expire(process, "a", "long")]
]

/** One process loses its connection again and again. */
const losing = (process: number): Weighted =>
  process === 0
    ? [
        [6, Step.serve(0)],
        [6, Step.reply(0)],
        [6, Step.hear(0)],
        [6, Step.get(0, "a")],
        [6, Step.set(0, "a")],
        [2, Step.set(0, "a", { only: "present" })],
        [3, Step.cut(0)],
        [12, Step.reopen(0)],
        [6, Step.serveOrphan(0)]
      ]
    : [
        [2, Step.flow(process)],
        [1, Step.set(process, "a")]
      ]

/** Steps that are not possible do nothing, so what repairs is drawn more often than what breaks. */
const commandFaults = (process: number): Weighted => [
  [1, Step.timeOut(process)],
  [1, Step.interrupt(process)],
  [3, Step.refuse(process)],
  [3, Step.linger(process)],
  [3, Step.cut(process)],
  [12, Step.reopen(process)],
  [6, Step.serveOrphan(process)]
]

const busFaults = (process: number): Weighted => [
  [2, Step.duplicate(process)],
  [1, Step.sever(process)],
  [4, Step.notice(process)],
  [8, Step.connect(process)]
]

const crashes = (process: number): Weighted => [[1, Step.crash(process)]]

const time: Weighted = [
  [2, Step.advance(10)],
  [4, Step.advance(25)],
  [1, Step.advance(60)],
  [1, Step.advance(110)],
  [1, Step.stall(110)]
]

const muchTime: Weighted = [
  [6, Step.advance(10)],
  [6, Step.advance(25)],
  [4, Step.advance(60)]
]

const losses: Weighted = [
  [2, Step.evict("a")],
  [1, Step.evict("b")],
  [1, Step.flush]
]

const disasters: Weighted = [
  [1, Step.advance(450)],
  [1, Step.restart]
]

interface Mix {
  readonly processes: number
  readonly each: ReadonlyArray<(process: number) => Weighted>
  readonly rest: ReadonlyArray<Weighted>
}

/** A schedule in which everything goes wrong gets nowhere, so each has its own share of that. */
const mixes: ReadonlyArray<Mix> = [
  { processes: 2, each: [moves, fewCalls], rest: [] },
  { processes: 2, each: [moves, fewCalls], rest: [muchTime] },
  { processes: 2, each: [readingOrWriting], rest: [muchTime] },
  { processes: 2, each: [expiring], rest: [muchTime] },
  { processes: 2, each: [losing], rest: [] },
  { processes: 2, each: [moves, calls], rest: [time, losses] },
  { processes: 2, each: [moves, calls, busFaults], rest: [time] },
  { processes: 2, each: [moves, calls, commandFaults], rest: [time] },
  { processes: 3, each: [moves, calls, busFaults, commandFaults], rest: [time] },
  { processes: 3, each: [moves, calls, busFaults, commandFaults, crashes], rest: [time, losses, disasters] }
]

const stepsOf = ({ each, processes, rest }: Mix): ReadonlyArray<Step.Step> => {
  const indexes = Array.from({ length: processes }, (_, index) => index)
  const weighted = [...indexes.flatMap((index) => each.flatMap((group) => group(index))), ...rest.flat()]
  return weighted.flatMap(([weight, step]) => Array.from({ length: weight }, () => step))
}

const MAX_STEPS = 100

const anySchedule: fc.Arbitrary<readonly [processes: number, schedule: ReadonlyArray<Step.Step>]> = fc.noBias(
  fc.oneof(
    ...mixes.map((mix) =>
      fc.tuple(
        fc.constant(mix.processes),
        fc.array(fc.constantFrom(...stepsOf(mix)), { maxLength: MAX_STEPS, size: "max" })
      )
    )
  )
)

/** Random schedules, the same for the same seed. */
export const sample = (count: number, seed: number) => fc.sample(anySchedule, { numRuns: count, seed })

interface SearchOptions extends Omit<Simulation.Setup, "processes"> {
  readonly schedules: number
  /** Without one, another one each time. */
  readonly seed?: number | undefined
  /** Leaves what is found as long as it is. */
  readonly anyLength?: boolean | undefined
}

/** A schedule that breaks a promise, as short as it could be made. */
interface Finding {
  readonly schedule: ReadonlyArray<Step.Step>
  readonly violations: ReadonlyArray<Checker.Violation>
  /** How many schedules it took. */
  readonly tried: number
  /** For people: schedule, history and violations. */
  readonly report: string
}

/** Tries random schedules until one breaks a promise. */
export const search = ({ anyLength, schedules, seed, ...setup }: SearchOptions): Finding | undefined => {
  const attempt = (processes: number, schedule: ReadonlyArray<Step.Step>) => {
    const run = Simulation.run({ ...setup, processes }, schedule)
    return { run, violations: Simulation.check(run, setup) }
  }
  const property = fc.property(
    anySchedule,
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
  return { schedule, violations, tried: details.numRuns, report: `${origin}\n${Simulation.describe(run, violations)}` }
}
