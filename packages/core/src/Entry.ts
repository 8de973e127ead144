/**
 * A value as a read returns it, with its deadlines.
 */

/** Where a value was found: in this process, or in the store behind it. */
export type Tier = "l1" | "l2"

/**
 * **Details**
 *
 * Deadlines are milliseconds of this process' monotonic clock (`MonotonicClock`), whatever clock the store keeps:
 * comparable with each other and with `now()`, and with nothing else. Until `freshUntil` the value is fresh; until
 * `goneAfter` it is stale; then it is gone.
 */
export interface Entry<out A> {
  /** `undefined` if it is known that there is no value. */
  readonly value: A | undefined
  readonly freshUntil: number
  readonly goneAfter: number
  /**
   * Grows with every write to a living key, in the order in which the store executes them. Comparable between entries of
   * one key, and with what the bus pushes for it.
   */
  readonly version: number
  readonly tier: Tier
  /** The copy may be older than its store promises, see `TieredBackend.Options.whileDistrusted`. */
  readonly isDistrusted?: boolean | undefined
}
