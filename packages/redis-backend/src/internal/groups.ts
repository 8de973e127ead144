/**
 * How the keys of one operation are spread over commands: by number and by bytes, so that no script keeps the server busy
 * for long, and in a cluster one day by slot.
 */

/** Redis copies what a script writes several times: 1 MB takes it 1 to 3 ms. */
const MAX_BYTES = 1024 * 1024

/** What is larger than a group may be makes one of its own. */
export const groups = <A>(
  items: ReadonlyArray<A>,
  size: number,
  bytesOf?: (item: A) => number
): ReadonlyArray<ReadonlyArray<A>> => {
  const groups: Array<Array<A>> = []
  let room = 0
  for (const item of items) {
    const bytes = bytesOf?.(item) ?? 0
    const last = groups.at(-1)
    if (last !== undefined && last.length < size && bytes <= room) last.push(item)
    else {
      groups.push([item])
      room = MAX_BYTES
    }
    room -= bytes
  }
  return groups
}
