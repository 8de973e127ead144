/**
 * https://github.com/epicweb-dev/cachified over lru-cache, as its README begins. It keeps one cache, here the one in memory.
 */
import type { CacheEntry } from "@epic-web/cachified"
import { MAX_ENTRIES, type Rival, TTL, type Value } from "./Rival.ts"

export const cachified: Rival = {
  name: "cachified",
  tiers: "L1",
  hasBus: false,
  sharesValues: true,
  open: async () => {
    const [{ cachified: run }, { LRUCache }] = await Promise.all([import("@epic-web/cachified"), import("lru-cache")])
    const cache = new LRUCache<string, CacheEntry>({ max: MAX_ENTRIES })
    const fail = () => Promise.reject(new Error("there is none"))
    const getOrLoad = (key: string, load: (key: string) => Promise<Value>) =>
      run({ key, cache, ttl: TTL, getFreshValue: () => load(key) })
    return {
      getOrLoad,
      get: (key) => getOrLoad(key, fail),
      set: async (key, value) => cache.set(key, { value, metadata: { createdTime: Date.now(), ttl: TTL, swr: 0 } }),
      delete: async (key) => cache.delete(key),
      close: async () => cache.clear()
    }
  }
}
