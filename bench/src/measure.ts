/**
 * Times tasks side by side.
 *
 * **Details**
 *
 * tinybench times a task until its time is over, and then the next one, so what disturbs the machine for some seconds disturbs one task
 * alone. Here it times each of them for a short while, in rounds that run all of them in turn, each round beginning with another one.
 * What counts is the median of the rounds' medians; how far these are apart is the spread.
 */
import { Bench } from "tinybench"
import { percentile } from "./percentile.ts"
import type { Measurement } from "./Suite.ts"

export interface Task {
  readonly name: string
  /** How many operations a run is: one that takes nanoseconds is repeated, or the timer is what is measured. */
  readonly operations: number
  readonly run: () => unknown
}

/** Of one operation. */
export interface Timing {
  readonly name: string
  readonly value: number
  readonly spread: readonly [number, number]
}

export interface Effort {
  readonly rounds: number
  /** How long a task runs in each round. */
  readonly millis: number
}

/** Two minutes for everything, or as long as it takes to be sure. */
export const QUICK: Effort = { rounds: 3, millis: 40 }
export const FULL: Effort = { rounds: 15, millis: 300 }

/** How many of them a millisecond, which tinybench counts in, has; or how often a second has what takes so long. */
const UNITS = {
  ns: (millis: number) => millis * 1e6,
  µs: (millis: number) => millis * 1e3,
  "per second": (millis: number) => 1e3 / millis
} as const

export const compare = async (
  tasks: ReadonlyArray<Task>,
  { millis, rounds }: Effort,
  unit: keyof typeof UNITS & Measurement["unit"]
): Promise<ReadonlyArray<Timing>> => {
  const medians = new Map(tasks.map(({ name }): [string, Array<number>] => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const { name, operations, run } of rotated(tasks, round)) {
      const bench = new Bench({ time: millis, warmupTime: millis / 3, iterations: 3, warmupIterations: 1 })
      bench.add(name, async () => void (await run()))
      const [task] = await bench.run()
      if (task?.result.state !== "completed") throw new Error(`${name} failed`)
      medians.get(name)?.push(UNITS[unit](task.result.latency.p50 / operations))
    }
  }
  return tasks.map(({ name }) => ({ name, ...middle(medians.get(name) ?? []) }))
}

/** The median of some rounds, and what they lie between. */
export const middle = (values: ReadonlyArray<number>): Pick<Timing, "value" | "spread"> => ({
  value: percentile(values, 0.5),
  spread: [Math.min(...values), Math.max(...values)]
})

/** Not always the same one runs after the slowest. */
export const rotated = <A>(items: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const first = by % Math.max(1, items.length)
  return [...items.slice(first), ...items.slice(0, first)]
}
