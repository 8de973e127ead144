/**
 * What is in a store, for readers with a codec.
 */
import { CacheError, type Codec, type Entry, type LocalStore, Snapshot } from "@tiercache/core"
import type * as MemoryStore from "../MemoryStore.ts"

export interface Reads {
  /** The value, if it is fresh. */
  readonly peek: <A>(key: string, codec: Codec.Codec<A>, bookmark?: LocalStore.Bookmark) => A | undefined
  /** The entry, fresh or stale, with a value or without. */
  readonly find: <A>(key: string, codec: Codec.Codec<A>) => Entry.Entry<A> | undefined
  /** The entry, if it is fresh and has a value; not counted as use. */
  readonly present: (key: string) => LocalStore.LocalEntry | undefined
  readonly unreadable: () => number
}

export const make = (store: MemoryStore.MemoryStore): Reads => {
  let unreadable = 0

  const read = <A>(entry: LocalStore.LocalEntry, codec: Codec.Codec<A>, key: string): A | undefined => {
    try {
      return Snapshot.read(entry.snapshot, codec, key)
    } catch (error) {
      if (!CacheError.isCacheError(error) || error.reason !== "Decode") throw error
      unreadable++
      return undefined
    }
  }

  /** Of a living entry. Most have no grace: then there is no need to read the time again. */
  const isPresent = ({ freshUntil, goneAfter, snapshot }: LocalStore.LocalEntry): boolean =>
    snapshot !== Snapshot.absent && (freshUntil >= goneAfter || store.now() < freshUntil)

  return {
    // a hit takes no more than the first lines
    peek: (key, codec, bookmark) => {
      const entry = store.meet(key, bookmark)
      if (entry === undefined) return undefined
      if (store.now() < entry.freshUntil) {
        const { snapshot } = entry
        if (Snapshot.wasMadeWith(snapshot, codec) && snapshot.value !== undefined) return snapshot.value
        return snapshot === Snapshot.absent ? undefined : read(entry, codec, key)
      }
      // removes it, if it is gone
      store.peek(key)
      return undefined
    },
    find: (key, codec) => {
      const entry = store.use(key)
      if (entry === undefined) return undefined
      const isAbsent = entry.snapshot === Snapshot.absent
      const value = isAbsent ? undefined : read(entry, codec, key)
      if (value === undefined && !isAbsent) return undefined
      const { freshUntil, goneAfter, version } = entry
      return { value, freshUntil, goneAfter, version, tier: "l1" }
    },
    present: (key) => {
      const entry = store.peek(key)
      return entry !== undefined && isPresent(entry) ? entry : undefined
    },
    unreadable: () => unreadable
  }
}
