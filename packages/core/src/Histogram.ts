/**
 * How long things took: how many, in total, and how often in each of fixed ranges.
 *
 * **Details**
 *
 * Plain numbers that are added to in place, so that it costs a few comparisons to record a time. `Telemetry` exports them.
 */

/**
 * The upper bounds of the ranges, in milliseconds. What took longer than the last is counted after it.
 *
 * **Details**
 *
 * From a read of this process' memory to what ends by a deadline: a round trip to Redis takes 0.1 to 5 ms, an operation is over
 * within seconds, a lock is waited for and held for up to minutes. Three for each power of ten, so that a quantile is told to within half of it.
 */
export const BOUNDS_MILLIS: ReadonlyArray<number> = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 60_000
]

export interface Histogram {
  count: number
  sumMillis: number
  /** `Infinity` before the first. */
  minMillis: number
  /** 0 before the first. */
  maxMillis: number
  /** How many are in each range, for each of `BOUNDS_MILLIS` and one more. A bound belongs to the range below it. */
  readonly ranges: Array<number>
}

/** As it was at some time. */
export type Snapshot = Readonly<Omit<Histogram, "ranges">> & { readonly ranges: ReadonlyArray<number> }

export const make = (): Histogram => ({
  count: 0,
  sumMillis: 0,
  minMillis: Infinity,
  maxMillis: 0,
  ranges: Array.from({ length: BOUNDS_MILLIS.length + 1 }, () => 0)
})

export const record = (histogram: Histogram, millis: number): void => {
  let range = 0
  while (millis > (BOUNDS_MILLIS[range] ?? Infinity)) range++
  histogram.ranges[range] = (histogram.ranges[range] ?? 0) + 1
  histogram.count++
  histogram.sumMillis += millis
  if (millis < histogram.minMillis) histogram.minMillis = millis
  if (millis > histogram.maxMillis) histogram.maxMillis = millis
}

export const snapshot = (histogram: Histogram): Snapshot => ({ ...histogram, ranges: [...histogram.ranges] })

/** What two have recorded together. */
export const combine = (one: Snapshot, other: Snapshot): Snapshot => ({
  count: one.count + other.count,
  sumMillis: one.sumMillis + other.sumMillis,
  minMillis: Math.min(one.minMillis, other.minMillis),
  maxMillis: Math.max(one.maxMillis, other.maxMillis),
  ranges: one.ranges.map((count, range) => count + (other.ranges[range] ?? 0))
})

/** Forgets everything. */
export const reset = (histogram: Histogram): void => {
  Object.assign(histogram, { ...make(), ranges: histogram.ranges })
  histogram.ranges.fill(0)
}
