/**
 * https://github.com/kibertoad/layered-loader: in memory, Redis with JSON, notifications over Redis. L1 hands out what it holds.
 */
import { MAX_ENTRIES, type Rival, TTL, type Value } from "./Rival.ts"

export const layeredLoader: Rival = {
  name: "layered-loader",
  tiers: "both",
  hasBus: true,
  sharesValues: true,
  open: async ({ l1, redisUrl }) => {
    const [{ Redis }, { createNotificationPair, Loader, RedisCache }] = await Promise.all([
      import("ioredis"),
      import("layered-loader")
    ])
    const redis = new Redis(redisUrl)
    const publisher = new Redis(redisUrl)
    const consumer = new Redis(redisUrl)
    /** It has one origin for all calls, and each call of the bench brings its own. */
    const loads = new Map<string, (key: string) => Promise<Value>>()
    const pair = createNotificationPair<Value>({
      channel: "layered-loader",
      publisherRedis: publisher,
      consumerRedis: consumer
    })
    const loader = new Loader<Value>({
      ...(l1
        ? {
            inMemoryCache: { ttlInMsecs: TTL, maxItems: MAX_ENTRIES, cacheType: "lru-object" as const },
            notificationConsumer: pair.consumer,
            notificationPublisher: pair.publisher
          }
        : {}),
      asyncCache: new RedisCache<Value>(redis, { json: true, ttlInMsecs: TTL, prefix: "layered-loader" }),
      dataSources: [{ name: "origin", get: async (key) => loads.get(key)?.(key), getMany: async () => [] }],
      cacheKeyFromValueResolver: ({ symbol }) => symbol
    })
    if (l1) await pair.consumer.subscribe()
    return {
      peek: (key) => loader.getInMemoryOnly(key) ?? undefined,
      get: async (key) => (await loader.get(key)) ?? undefined,
      getOrLoad: async (key, load) => {
        loads.set(key, load)
        return (await loader.get(key)) ?? undefined
      },
      getMany: (keys) => loader.getMany([...keys]),
      set: (key, value) => loader.forceSetValue(key, value),
      delete: (key) => loader.invalidateCacheFor(key),
      close: async () => {
        await loader.close()
        for (const client of [redis, publisher, consumer]) client.disconnect()
      }
    }
  }
}
