/**
 * https://github.com/redis/node-redis with its client-side cache, which the server keeps coherent (CLIENT TRACKING).
 */
import { MAX_ENTRIES, type Rival, TTL, type Value } from "./Rival.ts"

export const nodeRedis: Rival = {
  name: "node-redis client-side cache",
  tiers: "both",
  hasBus: true,
  sharesValues: false,
  open: async ({ l1, redisUrl }) => {
    const { BasicClientSideCache, createClient } = await import("redis")
    const client = createClient({
      url: redisUrl,
      RESP: 3,
      ...(l1 ? { clientSideCache: new BasicClientSideCache({ ttl: 0, maxEntries: MAX_ENTRIES }) } : {})
    })
    client.on("error", () => {})
    await client.connect()
    const whole = (key: string) => `node-redis:${key}`
    const decode = (text: string | null): Value | undefined => (text === null ? undefined : JSON.parse(text))
    return {
      get: async (key) => decode(await client.get(whole(key))),
      getMany: async (keys) => (await client.mGet(keys.map(whole))).map(decode),
      set: (key, value) => client.set(whole(key), JSON.stringify(value), { expiration: { type: "PX", value: TTL } }),
      delete: (key) => client.del(whole(key)),
      close: () => client.close()
    }
  }
}
