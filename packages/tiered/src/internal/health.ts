/**
 * How L1 is, beside what L2 says of itself.
 */
import type { CacheBackend, LocalStore, MonotonicClock } from "@tiercache/core"
import type { Coherence } from "../Coherence.ts"

interface Parts {
  readonly local: LocalStore.LocalStore["Service"]
  readonly coherence: Coherence
  readonly now: MonotonicClock.Now
}

export const withL1 =
  ({ coherence, local, now }: Parts) =>
  (l2: CacheBackend.Health): CacheBackend.Health => {
    const { heartbeatMillis, state, trustLapses, unacknowledged } = coherence.stats()
    const { provenAt } = coherence.trust
    const ageMillis = now() - provenAt
    const isProven = provenAt !== -Infinity
    return {
      ...l2,
      warnings: state === "trusted" ? l2.warnings : [...l2.warnings, unread(isProven ? ageMillis : undefined)],
      details: {
        ...l2.details,
        l1: state,
        l1_entries: local.stats().entries,
        ...(isProven ? { heartbeat_ms: toMicros(heartbeatMillis), heartbeat_age_ms: toMicros(ageMillis) } : {}),
        trust_lapses: trustLapses,
        unacknowledged
      }
    }
  }

const unread = (ageMillis: number | undefined) =>
  ageMillis === undefined
    ? "L1 is not read: no heartbeat was heard yet"
    : `L1 is not read: the last heartbeat that was heard was sent ${Math.round(ageMillis)} ms ago`

/** Milliseconds, without digits that mean nothing. */
const toMicros = (millis: number): number => Math.round(millis * 1000) / 1000
