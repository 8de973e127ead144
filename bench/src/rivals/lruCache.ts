/**
 * The ceiling of an L1: no second tier, no isolation, no coherence. Once as it is, and once with what isolation takes at least: values
 * and keys that are the cache's own.
 */
import { MAX_ENTRIES, type Rival, TTL, type Value } from "./Rival.ts"

const make = (
  name: string,
  wholeKey: (key: string) => string,
  keep: (value: Value) => Value
): Omit<Rival, "variantOf"> => ({
  name,
  tiers: "L1",
  hasBus: false,
  sharesValues: true,
  open: async () => {
    const { LRUCache } = await import("lru-cache")
    const cache = new LRUCache<string, Value>({ max: MAX_ENTRIES, ttl: TTL })
    return {
      peek: (key) => cache.get(wholeKey(key)),
      get: async (key) => cache.get(wholeKey(key)),
      set: async (key, value) => cache.set(wholeKey(key), keep(value)),
      delete: async (key) => cache.delete(wholeKey(key)),
      close: async () => cache.clear()
    }
  }
})

export const lruCache: Rival = make(
  "lru-cache",
  (key) => key,
  (value) => value
)

/** As Redis would return it: nothing of it is the caller's. */
const copied = (value: Value): Value => {
  const { timestamp, ...rest } = value
  return { ...JSON.parse(JSON.stringify(rest)), timestamp }
}

export const lruCacheOfCopies: Rival = {
  ...make("lru-cache, copies under whole keys", (key) => `tiercache:market:quote:${key}`, copied),
  variantOf: lruCache.name
}
