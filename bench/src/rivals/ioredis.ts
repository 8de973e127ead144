/**
 * The ceiling of an L2: one command, JSON, no L1.
 */
import { type Rival, TTL, type Value } from "./Rival.ts"

export const ioredis: Rival = {
  name: "ioredis",
  tiers: "L2",
  hasBus: false,
  sharesValues: false,
  open: async ({ redisUrl }) => {
    const { Redis } = await import("ioredis")
    const redis = new Redis(redisUrl, { keyPrefix: "raw:" })
    const decode = (text: string | null): Value | undefined => (text === null ? undefined : JSON.parse(text))
    return {
      get: async (key) => decode(await redis.get(key)),
      getMany: async (keys) => (await redis.mget([...keys])).map(decode),
      set: (key, value) => redis.set(key, JSON.stringify(value), "PX", TTL),
      delete: (key) => redis.del(key),
      close: () => redis.quit()
    }
  }
}
