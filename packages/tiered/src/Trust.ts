/**
 * Whether L1 may be read.
 *
 * **Details**
 *
 * A read compares one number with the monotonic time, so that no timer has to fire in time for a lapse to count.
 */

export type State = "connecting" | "trusted" | "distrusted"

export interface Trust {
  /** L1 may be read before this moment, in milliseconds of the monotonic clock. */
  readonly until: number
  readonly state: () => State
  readonly connected: () => void
  readonly disconnected: () => void
}

export const make = (): Trust => {
  let state: State = "connecting"
  const trust = {
    until: -Infinity,
    state: () => state,
    connected: () => {
      state = "trusted"
      trust.until = Infinity
    },
    disconnected: () => {
      state = "distrusted"
      trust.until = -Infinity
    }
  }
  return trust
}
