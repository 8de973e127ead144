/**
 * The in-process store: `lru-cache`, bounded by entries and, if asked, by estimated bytes.
 */
import { CacheError, LocalStore } from "@tiercache/core"
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

/**
 * Makes an empty store.
 *
 * **Details**
 *
 * The entry that was not used for the longest time goes first. lru-cache's own TTLs stay off: they would read the time
 * a second time at each hit. An entry larger than `maxBytes` is not kept and counts as evicted.
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
  CacheError.attempt(() => {
    const maxEntries = count("maxEntries", options?.maxEntries, DEFAULT_MAX_ENTRIES, MAX_MAP_ENTRIES)
    const maxBytes = count("maxBytes", options?.maxBytes, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    let evictions = 0
    const entries = new LRUCache<string, LocalStore.LocalEntry>({
      max: maxEntries,
      // always set: it makes lru-cache keep the sum of the sizes
      maxSize: maxBytes,
      sizeCalculation: (entry, key) => sizeOf(key, entry),
      dispose: (_entry, _key, reason) => {
        if (reason === "evict") evictions++
      }
    })
    return {
      get: (key) => entries.get(key),
      peek: (key) => entries.peek(key),
      set: (key, entry) => {
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
