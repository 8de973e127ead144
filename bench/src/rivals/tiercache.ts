/**
 * Ours, as `createCache` makes it, with an entity like that of quotes, which tells its new values to other processes.
 */
import { MAX_ENTRIES, type Rival, TTL } from "./Rival.ts"

export const tiercache: Rival = {
  name: "tiercache",
  tiers: "both",
  hasBus: true,
  sharesValues: false,
  open: async ({ l1, redisUrl }) => {
    const { createCache, Entity, Ids, Market } = await import("tiercache")
    const Quotes = Entity.make("market", "quote", {
      key: { symbol: Ids.Symbol },
      value: Market.Quote,
      ttl: `${TTL} millis`,
      onWrite: "update"
    })
    const cache = await createCache({
      ...(l1 ? { backend: "tiered", l1: { maxEntries: MAX_ENTRIES } } : { backend: "redis" }),
      prefix: "tiercache",
      redis: { url: redisUrl }
    })
    const quotes = cache.entity(Quotes)
    return {
      peek: quotes.peek,
      get: quotes.get,
      getOrLoad: (key, load) => quotes.getOrLoad(key, () => load(key)),
      getMany: quotes.getMany,
      set: quotes.set,
      delete: quotes.delete,
      close: cache.close
    }
  }
}
