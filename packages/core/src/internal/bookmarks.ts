/**
 * Remembers the keys of ids, with what was found under them: to check and encode an id costs more than a hit, and hot ids come again
 * and again.
 */
import * as LocalStore from "../LocalStore.ts"

/** Ids in a generation. Two generations are kept, so between this many and twice as many: about what an L1 holds. */
const GENERATION = 8192

/** Longer ids are not remembered, so that what is remembered stays below a few megabytes. */
const MAX_ID_LENGTH = 200

/** Both throw a `CacheError` for an id that has no key. */
export interface Bookmarks<in Id> {
  /** Always the same for an id, as long as it is remembered. */
  readonly bookmarkOf: (id: Id) => LocalStore.Bookmark
  /** The whole key. */
  readonly keyOf: (id: Id) => string
}

/** Objects are not remembered: they are equal by what is in them, and a `Map` compares which they are. */
export const make = <Id>(keyOf: (id: Id) => string): Bookmarks<Id> => {
  let recent = new Map<Id, LocalStore.Bookmark>()
  let older = new Map<Id, LocalStore.Bookmark>()
  const remember = (id: Id): LocalStore.Bookmark => {
    const bookmark = older.get(id) ?? new LocalStore.Bookmark(keyOf(id))
    if (typeof id === "object" || (typeof id === "string" && id.length > MAX_ID_LENGTH)) return bookmark
    if (recent.size >= GENERATION) {
      older = recent
      recent = new Map()
    }
    recent.set(id, bookmark)
    return bookmark
  }
  const bookmarkOf = (id: Id) => recent.get(id) ?? remember(id)
  return { bookmarkOf, keyOf: (id) => bookmarkOf(id).key }
}
