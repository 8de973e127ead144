/**
 * https://github.com/mike-marcacci/node-redlock on one server.
 */
import { Redis } from "ioredis"
import Redlock from "redlock"
import { LEASE, type Locker, RETRY } from "./Locker.ts"

export const redlock: Locker = {
  name: "redlock",
  open: async (url) => {
    const redis = new Redis(url)
    const locks = new Redlock([redis], { retryCount: -1, retryDelay: RETRY, retryJitter: RETRY })
    return {
      withLock: async (name, run) => {
        const held = await locks.acquire([name], LEASE)
        await run().finally(() => held.release())
      },
      close: () => redis.quit()
    }
  }
}
