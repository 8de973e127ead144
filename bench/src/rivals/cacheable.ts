/**
 * https://cacheable.org: an in-memory primary, Keyv over Redis, and its sync over Redis, with the defaults (L1 clones).
 */
import { MAX_ENTRIES, type Rival, TTL, type Value } from "./Rival.ts"

const make = (name: string, useClone: boolean): Omit<Rival, "variantOf"> => ({
  name,
  tiers: "both",
  hasBus: true,
  sharesValues: !useClone,
  open: async ({ l1, redisUrl }) => {
    const [{ createKeyv }, { Cacheable, CacheableMemory, Keyv }, { RedisMessageProvider }] = await Promise.all([
      import("@keyv/redis"),
      import("cacheable"),
      import("@qified/redis")
    ])
    const secondary = createKeyv(redisUrl, { namespace: name })
    const memory = new CacheableMemory({ lruSize: l1 ? MAX_ENTRIES : 1, useClone })
    const provider = new RedisMessageProvider({ uri: redisUrl })
    const cache = new Cacheable({
      primary: new Keyv({ store: memory }),
      secondary,
      ttl: TTL,
      ...(l1 ? { sync: { qified: provider } } : {})
    })
    return {
      get: (key) => cache.get<Value>(key),
      getOrLoad: (key, load) => cache.getOrSet(key, () => load(key)),
      getMany: (keys) => cache.getMany([...keys]),
      set: (key, value) => cache.set(key, value),
      delete: (key) => cache.delete(key),
      close: async () => {
        await cache.disconnect()
        await provider.disconnect()
      }
    }
  }
})

export const cacheable: Rival = make("cacheable", true)
export const cacheableShared: Rival = { ...make("cacheable, useClone: false", false), variantOf: cacheable.name }
