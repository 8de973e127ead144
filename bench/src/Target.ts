/**
 * What the bench has to show: a ratio of two measurements of the same run, or a number that a machine does not change.
 */
import type { Measurement } from "./Suite.ts"

export interface Target {
  /** What is promised. */
  readonly title: string
  readonly suite: string
  readonly workload: string
  /** Whose measurement is looked at. */
  readonly of: string
  /** Whose it is divided by, if by any. */
  readonly by?: string
  /** What comes of it has to be at most, or at least, this. */
  readonly atMost?: number
  readonly atLeast?: number
}

export interface Verdict {
  readonly target: Target
  /** `undefined` if the run did not measure it. */
  readonly ratio: number | undefined
  readonly outcome: "pass" | "miss" | "not measured"
}

export const judge = (
  targets: ReadonlyArray<Target>,
  measured: ReadonlyMap<string, ReadonlyArray<Measurement>>
): ReadonlyArray<Verdict> =>
  targets.map((target) => {
    const value = (name: string) =>
      measured.get(target.suite)?.find((one) => one.workload === target.workload && one.name === name)?.value ?? NaN
    const ratio = value(target.of) / (target.by === undefined ? 1 : value(target.by))
    const { atLeast = -Infinity, atMost = Infinity } = target
    if (Number.isNaN(ratio)) return { target, ratio: undefined, outcome: "not measured" }
    return { target, ratio, outcome: ratio <= atMost && ratio >= atLeast ? "pass" : "miss" }
  })
