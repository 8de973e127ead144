/**
 * Remembers the keys of ids: to check and encode an id costs more than a hit, and hot ids come again and again.
 */

/** Ids in a generation. Two generations are kept, so between this many and twice as many: about what an L1 holds. */
const GENERATION = 8192

/** Longer ids are not remembered, so that what is remembered stays below a few megabytes. */
const MAX_ID_LENGTH = 200

/** Objects are not remembered: they are equal by what is in them, and a `Map` compares which they are. */
export const memoize = <Id>(keyOf: (id: Id) => string): ((id: Id) => string) => {
  let recent = new Map<Id, string>()
  let older = new Map<Id, string>()
  return (id) => {
    const known = recent.get(id)
    if (known !== undefined) return known
    const key = older.get(id) ?? keyOf(id)
    if (typeof id === "object" || (typeof id === "string" && id.length > MAX_ID_LENGTH)) return key
    if (recent.size >= GENERATION) {
      older = recent
      recent = new Map()
    }
    recent.set(id, key)
    return key
  }
}
