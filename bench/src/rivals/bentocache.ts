/**
 * https://bentocache.dev: L1, Redis and a bus over Redis, with the defaults (L1 keeps JSON, which isolates values). Without that there is
 * no bus either: 1.6.1 throws when a message arrives for a value that is not serialized.
 */
import { MAX_ENTRIES, type Rival, TTL, type Value } from "./Rival.ts"

const make = (name: string, serialize: boolean): Omit<Rival, "variantOf"> => ({
  name,
  tiers: "both",
  hasBus: serialize,
  sharesValues: !serialize,
  open: async ({ l1, redisUrl }) => {
    const [{ BentoCache, bentostore }, { memoryDriver }, { redisBusDriver, redisDriver }] = await Promise.all([
      import("bentocache"),
      import("bentocache/drivers/memory"),
      import("bentocache/drivers/redis")
    ])
    const { hostname: host, port } = new URL(redisUrl)
    const connection = { host, port: Number(port) }
    const store = bentostore()
    if (l1) store.useL1Layer(memoryDriver({ maxItems: MAX_ENTRIES, serialize }))
    store.useL2Layer(redisDriver({ connection, prefix: name }))
    if (l1 && serialize) store.useBus(redisBusDriver({ connection }))
    const bento = new BentoCache({ default: "store", stores: { store } })
    return {
      get: (key): Promise<Value | undefined> => bento.get({ key }),
      getOrLoad: (key, load) => bento.getOrSet({ key, ttl: TTL, factory: () => load(key) }),
      set: (key, value) => bento.set({ key, value, ttl: TTL }),
      delete: (key) => bento.delete({ key }),
      close: () => bento.disconnectAll()
    }
  }
})

export const bentocache: Rival = make("bentocache", true)
export const bentocacheShared: Rival = {
  ...make("bentocache, serialize: false", false),
  variantOf: bentocache.name
}
