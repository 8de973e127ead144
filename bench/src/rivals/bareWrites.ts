/**
 * A write that others hear of, with a bare client: as two commands, and as one script. Nobody here listens.
 */
import { Redis } from "ioredis"
import { type Opened, type Rival, TTL } from "./Rival.ts"

type Writer = Pick<Rival, "name"> & {
  readonly open: (options: { readonly redisUrl: string }) => Promise<Pick<Opened, "set" | "close">>
}

const SET_AND_PUBLISH = `
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
redis.call("PUBLISH", "raw", KEYS[1])
return 1`

const twoCommands: Writer = {
  name: "ioredis: SET, then PUBLISH",
  open: async ({ redisUrl }) => {
    const redis = new Redis(redisUrl)
    return {
      set: async (key, value) => {
        await redis.set(key, JSON.stringify(value), "PX", TTL)
        await redis.publish("raw", key)
      },
      close: () => redis.quit()
    }
  }
}

const oneScript: Writer = {
  name: "ioredis: one Lua script",
  open: async ({ redisUrl }) => {
    const redis = new Redis(redisUrl)
    const sha = String(await redis.script("LOAD", SET_AND_PUBLISH))
    return {
      set: (key, value) => redis.evalsha(sha, 1, key, JSON.stringify(value), TTL),
      close: () => redis.quit()
    }
  }
}

export const writers: ReadonlyArray<Writer> = [twoCommands, oneScript]
