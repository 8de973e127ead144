/**
 * https://cachemanager.org: two Keyv stores, in memory and on Redis. It has no bus.
 */
import { MAX_ENTRIES, type Rival, TTL, type Value } from "./Rival.ts"

const make = (name: string, useClone: boolean): Omit<Rival, "variantOf"> => ({
  name,
  tiers: "both",
  hasBus: false,
  sharesValues: !useClone,
  open: async ({ l1, redisUrl }) => {
    const [{ createKeyv }, { createCache }, { CacheableMemory }, { Keyv }] = await Promise.all([
      import("@keyv/redis"),
      import("cache-manager"),
      import("cacheable"),
      import("keyv")
    ])
    const redis = createKeyv(redisUrl, { namespace: "cache-manager" })
    const store = new CacheableMemory({ lruSize: MAX_ENTRIES, useClone })
    const memory = new Keyv({ store })
    if (!useClone) {
      memory.serialize = undefined
      memory.deserialize = undefined
    }
    const cache = createCache({ stores: l1 ? [memory, redis] : [redis], ttl: TTL })
    return {
      get: (key) => cache.get<Value>(key),
      getOrLoad: (key, load) => cache.wrap(key, () => load(key)),
      getMany: (keys) => cache.mget([...keys]),
      set: (key, value) => cache.set(key, value),
      delete: (key) => cache.del(key),
      close: () => cache.disconnect()
    }
  }
})

export const cacheManager: Rival = make("cache-manager + keyv", true)
export const cacheManagerShared: Rival = {
  ...make("cache-manager + keyv, useClone: false", false),
  variantOf: cacheManager.name
}
