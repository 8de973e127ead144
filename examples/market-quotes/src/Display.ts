/**
 * What the user sees. There is one display for terminals, one for other outputs and one for `--json`.
 */
import type { Convergence } from "./Convergence.ts"
import type { Frame } from "./Frame.ts"
import type { Paint } from "./Paint.ts"

export interface Headline {
  readonly symbols: ReadonlyArray<string>
  /** How many prices are replayed. */
  readonly prices: number
  /** Backend and processes. */
  readonly stage: string
}

/** The frame at the end, where speeds are those of the whole time. */
export interface Summary extends Frame {
  readonly convergence: Convergence | undefined
}

export interface Display extends Disposable {
  /** Time between two frames, in milliseconds. */
  readonly interval: number
  readonly begin: (headline: Headline) => void
  readonly show: (frame: Frame) => void
  readonly end: (summary: Summary) => void
}

/** What is going on, in two lines of less than 60 characters unless Redis has a long name. */
export const title = ({ prices, stage, symbols }: Headline, paint: Paint): ReadonlyArray<string> => [
  paint("bold", `${prices} monthly prices of ${symbols.join(" ")} as a feed`),
  paint("dim", stage)
]

/** Whether the processes agreed at the end, in one line. */
export const verdict = ({ differences, elapsed, processes, symbols }: Convergence, paint: Paint): string => {
  const after = `after ${Math.ceil(elapsed)} ms`
  if (differences.length === 0) {
    return paint("green", `✓ all ${processes} L1s equal Redis for ${symbols} of ${symbols} symbols, ${after}`)
  }
  const wrong = differences.map(({ process, symbols }) => `${process} (${symbols.join(" ")})`)
  return paint("red", `✗ ${after} these L1s differ from Redis: ${wrong.join(", ")}`)
}
