/**
 * Picks items as popular things are picked: the n-th in proportion to 1/n (G. K. Zipf, "Human Behavior and the Principle of Least
 * Effort", 1949). The same picks in every run.
 */
export const zipf = <A>(items: ReadonlyArray<A>, picks: number, seed = 1): ReadonlyArray<A> => {
  const sums: Array<number> = []
  let sum = 0
  for (let rank = 1; rank <= items.length; rank++) {
    sum += 1 / rank
    sums.push(sum)
  }
  const random = randomFrom(seed)
  return Array.from({ length: picks }, () => items[lowerBound(sums, random() * sum)]!)
}

/** Numbers from 0 to 1: Mulberry32, of T. Ettinger. */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The first place whose sum is not smaller. */
const lowerBound = (sums: ReadonlyArray<number>, wanted: number): number => {
  let low = 0
  let high = sums.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sums[middle]! < wanted) low = middle + 1
    else high = middle
  }
  return low
}
