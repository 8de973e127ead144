/**
 * Whether L1 may be read: a lease that the bus renews.
 *
 * **Details**
 *
 * L1 is as good as the announcements that arrive, so it is read only while this process can prove that they do. The proof is a
 * heartbeat that it publishes over its connection for commands and hears over its connection to the bus: at that moment
 * everything published before the heartbeat has arrived, and both connections lead to the same primary. A
 * heartbeat sent at T that was heard extends trust to T + bound, and no further: announcements of writes after T may be lost.
 * That is a lease in the sense of Gray and Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file cache
 * consistency" (SOSP 1989), held by the reader on its own clock.
 *
 * A read compares one number with the monotonic time. No timer has to fire for trust to lapse, so a process that was stopped for
 * a minute trusts nothing when it wakes up.
 */
import type { MonotonicClock } from "@tiercache/core"

/** Before the first heartbeat was heard; since then with or without a valid proof; after the end. */
export type State = "connecting" | "trusted" | "distrusted" | "closed"

export interface Trust {
  /** L1 may be read before this moment, in milliseconds of the monotonic clock. */
  readonly until: number
  /** When trust lapsed, or will unless it is extended; once revoked, not later than that. */
  readonly lapsesAt: number
  /** When the last heartbeat that was heard was sent. */
  readonly provenAt: number
  readonly state: () => State
  /** A heartbeat that was sent at this moment was heard. */
  readonly extend: (sentAt: number) => void
  /** Nothing sent before this moment counts any more. */
  readonly revoke: () => void
  readonly close: () => void
  /** How often trust had lapsed when the next heartbeat was heard, or was revoked. */
  readonly lapses: () => number
}

export const make = (now: MonotonicClock.Now, boundMillis: number): Trust => {
  let wasTrusted = false
  let isClosed = false
  let lapses = 0
  const trust = {
    until: -Infinity,
    lapsesAt: -Infinity,
    provenAt: -Infinity,
    state: (): State => {
      if (isClosed) return "closed"
      if (now() < trust.until) return "trusted"
      return wasTrusted ? "distrusted" : "connecting"
    },
    extend: (sentAt: number) => {
      if (isClosed) return
      if (trust.until !== -Infinity && now() >= trust.until) lapses++
      wasTrusted = true
      trust.provenAt = Math.max(trust.provenAt, sentAt)
      trust.until = Math.max(trust.until, sentAt + boundMillis)
      trust.lapsesAt = trust.until
    },
    revoke: () => {
      if (trust.until !== -Infinity) lapses++
      trust.until = -Infinity
      trust.lapsesAt = Math.min(trust.lapsesAt, now())
    },
    close: () => {
      isClosed = true
      trust.until = -Infinity
      trust.lapsesAt = -Infinity
    },
    lapses: () => lapses
  }
  return trust
}
