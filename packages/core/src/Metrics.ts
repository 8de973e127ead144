/**
 * What a cache counts about itself.
 */
import type * as CacheBackend from "./CacheBackend.ts"

/** Plain numbers, because a hit must not cost more than an addition. */
export interface Counters {
  l1Hits: number
  l2Hits: number
  misses: number
  errors: number
  sets: number
  deletes: number
}

/** Counters since the start, or since `resetMetrics`. */
export interface Metrics extends Readonly<Counters> {
  /** Of both tiers. */
  readonly hits: number
  /** Hits of all reads, between 0 and 1; 0 before the first read. */
  readonly hitRate: number
  /** Since the start of the backend; not reset. */
  readonly backend: CacheBackend.Stats
}

export const makeCounters = (): Counters => ({ l1Hits: 0, l2Hits: 0, misses: 0, errors: 0, sets: 0, deletes: 0 })

export const reset = (counters: Counters): void => {
  Object.assign(counters, makeCounters())
}

export const snapshot = (counters: Counters, backend: CacheBackend.Stats): Metrics => {
  const hits = counters.l1Hits + counters.l2Hits
  const reads = hits + counters.misses
  return { ...counters, hits, hitRate: reads === 0 ? 0 : hits / reads, backend }
}
