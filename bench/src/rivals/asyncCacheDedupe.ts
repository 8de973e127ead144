/**
 * https://github.com/mcollina/async-cache-dedupe: one storage, so either in memory or Redis; no set.
 */
import { MAX_ENTRIES, type Rival, TTL, type Value } from "./Rival.ts"

export const asyncCacheDedupe: Rival = {
  name: "async-cache-dedupe",
  tiers: "either",
  hasBus: false,
  sharesValues: true,
  open: async ({ l1, redisUrl }) => {
    const [{ createCache }, { Redis }] = await Promise.all([import("async-cache-dedupe"), import("ioredis")])
    const client = new Redis(redisUrl)
    const values = new Map<string, Value>()
    const loading: { load: ((key: string) => Promise<Value>) | undefined } = { load: undefined }
    const cache = createCache({
      ttl: TTL / 1000,
      storage: l1 ? { type: "memory", options: { size: MAX_ENTRIES } } : { type: "redis", options: { client } }
    }).define("quote", async (key: string) => values.get(key) ?? loading.load?.(key))
    return {
      get: (key) => cache.quote(key),
      getOrLoad: (key, load) => {
        loading.load = load
        return cache.quote(key)
      },
      // what it stores is what its function returns
      set: async (key, value) => {
        values.set(key, value)
        await cache.clear("quote", key)
        await cache.quote(key)
        values.delete(key)
      },
      delete: (key) => cache.clear("quote", key),
      close: async () => client.disconnect()
    }
  }
}
