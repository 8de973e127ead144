/**
 * The in-process store: `lru-cache`, bounded by entries and, if asked, by estimated bytes.
 */
import { CacheError, LocalStore, Snapshot } from "@tiercache/core"
import { Effect, Layer } from "effect"
import { LRUCache } from "lru-cache"

export interface Options {
  /** 10,000 unless given; at most 16,777,216, what one `Map` of V8 holds. Room for that many is reserved at once. */
  readonly maxEntries?: number | undefined
  /** No limit unless given. Estimated: see `Snapshot`, plus the key and `ENTRY_OVERHEAD_BYTES`. */
  readonly maxBytes?: number | undefined
}

export const DEFAULT_MAX_ENTRIES = 10_000

/**
 * What an entry costs besides its value and the characters of its key, in bytes: the slots in the `Map` and the arrays of
 * lru-cache (about 80), the entry and its snapshot (about 100), the header of the key (16). Rounded up.
 */
export const ENTRY_OVERHEAD_BYTES = 200

const MAX_MAP_ENTRIES = 2 ** 24

/** One in so many entries counts as recently used: a use of it need not be marked. */
const ENTRIES_PER_RECENT = 8

/**
 * Makes an empty store.
 *
 * **Details**
 *
 * The entry that was not used for the longest time goes first; lru-cache's own TTLs stay off: they would read the time
 * a second time at each hit. An entry larger than `maxBytes` is not kept and counts as evicted.
 *
 * A use by a bookmark is not marked if, since the bookmark last did so, fewer entries were marked than an eighth of those that there
 * are: the entry still is among the most recently used eighth. So hot entries are read without touching the order, and an entry that
 * is evicted was not used while seven eighths of the others were. In a store of less than eight entries the order is exact.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { LruStore } from "@tiercache/memory-backend"
 * import { Effect } from "effect"
 *
 * const store = Effect.runSync(LruStore.make({ maxEntries: 1000, maxBytes: 1_000_000 }))
 * store.stats() // => { entries: 0, bytes: 0, evictions: 0 }
 * ```
 */
export const make = (options?: Options): Effect.Effect<LocalStore.LocalStore["Service"], CacheError.CacheError> =>
  makeWith(options, () => {})

/** As `make`; `onEvicted` is told what has to go so that others find room. */
export const makeWith = (
  options: Options | undefined,
  onEvicted: (key: string) => void
): Effect.Effect<LocalStore.LocalStore["Service"], CacheError.CacheError> =>
  CacheError.attempt(() => {
    const maxEntries = count("maxEntries", options?.maxEntries, DEFAULT_MAX_ENTRIES, MAX_MAP_ENTRIES)
    const maxBytes = count("maxBytes", options?.maxBytes, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    let evictions = 0
    // uses that were marked, writes included: what was marked at one of them has at most so many later ones before it
    let uses = 0
    const entries = new LRUCache<string, LocalStore.LocalEntry>({
      max: maxEntries,
      // always set: it makes lru-cache keep the sum of the sizes
      maxSize: maxBytes,
      sizeCalculation: (entry, key) => sizeOf(key, entry),
      dispose: (entry, key, reason) => {
        // bookmarks of it end, and do not keep the value alive
        entry.snapshot = Snapshot.gone
        if (reason !== "evict") return
        evictions++
        onEvicted(key)
      }
    })
    return {
      get: (key, bookmark) => {
        const noted = bookmark?.entry
        if (noted !== undefined && noted.snapshot !== Snapshot.gone) {
          if ((uses - bookmark!.usedAt) * ENTRIES_PER_RECENT <= entries.size) return noted
        }
        const entry = entries.get(key)
        uses++
        if (bookmark !== undefined) {
          bookmark.entry = entry
          bookmark.usedAt = uses
        }
        return entry
      },
      peek: (key) => entries.peek(key),
      set: (key, entry) => {
        uses++
        entries.set(key, entry)
        const fits = sizeOf(key, entry) <= maxBytes
        if (!fits) evictions++
        return fits
      },
      delete: (key) => entries.delete(key),
      clear: () => entries.clear(),
      keys: () => entries.keys(),
      stats: () => ({ entries: entries.size, bytes: entries.calculatedSize, evictions })
    }
  })

export const layer = (options?: Options): Layer.Layer<LocalStore.LocalStore, CacheError.CacheError> =>
  Layer.effect(LocalStore.LocalStore, make(options))

const sizeOf = (key: string, entry: LocalStore.LocalEntry): number =>
  entry.snapshot.size + 2 * key.length + ENTRY_OVERHEAD_BYTES

const count = (name: string, value: number | undefined, byDefault: number, max: number): number => {
  if (value === undefined) return byDefault
  if (Number.isSafeInteger(value) && value > 0 && value <= max) return value
  throw CacheError.make("LruStore.make", "InvalidOption", `${name} is an integer from 1 to ${max}; got ${value}`)
}
