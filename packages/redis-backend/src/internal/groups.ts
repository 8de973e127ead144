/**
 * How the keys of one operation are spread over commands: by number, so that no script keeps the server busy for long, and
 * in a cluster one day by slot.
 */
export const groups = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> => {
  if (items.length <= size) return items.length === 0 ? [] : [items]
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size)
  )
}
