/** Does something with many items, a hundred at a time. */
export const inBatches = async <A>(items: ReadonlyArray<A>, run: (item: A) => Promise<unknown>): Promise<void> => {
  for (let first = 0; first < items.length; first += 100) await Promise.all(items.slice(first, first + 100).map(run))
}
