/**
 * Where the demo plays: one process on the memory backend, or several on the tiered one.
 */
import type { Convergence } from "./Convergence.ts"
import type { Report } from "./Report.ts"

export interface Stage extends AsyncDisposable {
  /** For the headline: which backend, and how many processes. */
  readonly description: string
  /** Resolves when everybody has begun. */
  readonly start: () => Promise<void>
  /** The newest report of each process, the feeder's first; none before all have made one. */
  readonly reports: () => ReadonlyArray<Report>
  /** Ends the feed, then the readers. */
  readonly stop: () => Promise<void>
  /** Whether all processes serve what the shared store holds; `undefined` where there is nothing to compare. */
  readonly converge: () => Promise<Convergence | undefined>
  /** Rejects when a process fails. */
  readonly failure: Promise<never>
}
