/**
 * What a history must not show.
 */
export type Rule =
  /** A read that starts later than the bound after a write was acknowledged returns nothing that this write replaced. */
  | "bounded staleness"
  /** L1 serves nothing older than what the process has read, or has been told that it has written. */
  | "never backwards"
  /** L1 has nothing that was replaced by a write whose announcement has arrived. */
  | "follows the bus"
  /** L1 serves nothing beyond its deadline. */
  | "never expired"
  /** What was loaded before a change of the database is not stored once the change was announced. */
  | "no resurrection"
  /** A lease that lasts is nobody else's. */
  | "one lease at a time"
  /** When all is quiet, L1 has what the server has, or nothing. */
  | "converges"
  /** When all is quiet, nothing is left of what was there before a write that failed. */
  | "no old value after a failed write"
  /** When all is quiet, nothing is there of which nobody knows whether it was stored. */
  | "no value of a failed write"
  /** When all is quiet, every operation has ended, as one should. */
  | "settles"
  /** When all is quiet, nothing is left in the tables. */
  | "forgets"

export interface Violation {
  readonly rule: Rule
  /** For people. */
  readonly message: string
}

export const violation = (rule: Rule, message: string): ReadonlyArray<Violation> => [{ rule, message }]
