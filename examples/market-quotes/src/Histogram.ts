/**
 * Percentiles of many measurements in constant memory.
 *
 * **Details**
 *
 * Buckets grow by a constant factor, as in an HDR histogram, so the relative error is the same for nanoseconds and for
 * seconds. These few lines are all that the example needs of one, which is why it does not depend on a package.
 */

export interface Histogram {
  readonly record: (value: number) => void
  readonly count: () => number
  /** `undefined` before the first measurement. */
  readonly summary: () => Summary | undefined
  /** The value at a rank: `quantile(0.99)` is the 99th percentile. NaN before the first measurement. */
  readonly quantile: (q: number) => number
}

/** In the unit of what was recorded. */
interface Summary {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Bounds the relative error of a quantile to 2^(1/64) - 1, about 1.1 %. */
const BUCKETS_PER_OCTAVE = 32
/** What is smaller counts as 0: a nanosecond where the unit is a microsecond. */
const SMALLEST = 0.001
/** Up to a billion times the unit. */
const OCTAVES = 40

export const make = (): Histogram => {
  const buckets = new Float64Array(1 + OCTAVES * BUCKETS_PER_OCTAVE)
  let count = 0
  let min = Infinity
  let max = -Infinity

  const quantile = (q: number): number => {
    if (count === 0) return Number.NaN
    const rank = Math.max(1, Math.ceil(q * count))
    let seen = 0
    const index = buckets.findIndex((size) => (seen += size) >= rank)
    return Math.min(Math.max(middleOf(index), min), max)
  }

  return {
    record: (value) => {
      const index = bucketOf(value)
      buckets[index] = (buckets[index] ?? 0) + 1
      count++
      if (value < min) min = value
      if (value > max) max = value
    },
    count: () => count,
    quantile,
    summary: () => (count === 0 ? undefined : { p50: quantile(0.5), p99: quantile(0.99), max })
  }
}

const bucketOf = (value: number): number => {
  if (value < SMALLEST) return 0
  const index = 1 + Math.floor(Math.log2(value / SMALLEST) * BUCKETS_PER_OCTAVE)
  return Math.min(index, OCTAVES * BUCKETS_PER_OCTAVE)
}

const middleOf = (index: number): number => (index === 0 ? 0 : SMALLEST * 2 ** ((index - 0.5) / BUCKETS_PER_OCTAVE))
