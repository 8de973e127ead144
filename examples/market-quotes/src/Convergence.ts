/**
 * Whether every process serves what the shared store holds, once nobody writes any more.
 */
import { setTimeout } from "node:timers/promises"
import type { View } from "./Report.ts"

export interface Convergence {
  readonly processes: number
  readonly symbols: number
  /** The processes that serve other quotes than the shared store holds. None is what should be. */
  readonly differences: ReadonlyArray<Difference>
  /** How long it took, in milliseconds. */
  readonly elapsed: number
}

interface Difference {
  readonly process: string
  readonly symbols: ReadonlyArray<string>
}

/** A process with a view of its own. */
export interface Process {
  readonly name: string
  readonly view: () => Promise<View>
}

/** How long the processes may take, and the time between two looks at them, in milliseconds. */
const PATIENCE = 2000
const PAUSE = 20

/** Compares until there is no difference, or no patience left. */
export const reach = async (
  truth: () => Promise<View>,
  processes: ReadonlyArray<Process>,
  patience = PATIENCE
): Promise<Convergence> => {
  const startedAt = performance.now()
  while (true) {
    const [shared, ...views] = await Promise.all([truth(), ...processes.map(({ view }) => view())])
    const differences = processes
      .map(({ name }, index) => ({ process: name, symbols: differingSymbols(shared, views[index] ?? {}) }))
      .filter(({ symbols }) => symbols.length > 0)
    const elapsed = performance.now() - startedAt
    if (differences.length === 0 || elapsed > patience) {
      return { processes: processes.length, symbols: Object.keys(shared).length, differences, elapsed }
    }
    await setTimeout(PAUSE)
  }
}

const differingSymbols = (one: View, other: View): ReadonlyArray<string> =>
  Object.keys(one).filter((symbol) => one[symbol] !== other[symbol])
