/**
 * The deadlines of an entry, by the clock of this process.
 */
import type { Envelope } from "@tiercache/core"
import type * as RedisClock from "../RedisClock.ts"

/** Asks the clock once: between two answers it may have been corrected, and nothing may be fresh for longer than it is there. */
export const toMonotonic = (clock: RedisClock.RedisClock, entry: Envelope.Deadlines): Envelope.Deadlines => {
  const goneAfter = clock.toMonotonic(entry.goneAfter)
  return { freshUntil: goneAfter - (entry.goneAfter - entry.freshUntil), goneAfter }
}
