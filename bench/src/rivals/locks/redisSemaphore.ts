/**
 * https://github.com/swarthy/redis-semaphore: its mutex, which renews itself.
 */
import { Redis } from "ioredis"
import { Mutex } from "redis-semaphore"
import { LEASE, type Locker, RETRY } from "./Locker.ts"

export const redisSemaphore: Locker = {
  name: "redis-semaphore",
  open: async (url) => {
    const redis = new Redis(url)
    return {
      withLock: async (name, run) => {
        const mutex = new Mutex(redis, name, { acquireTimeout: 60_000, lockTimeout: LEASE, retryInterval: RETRY })
        await mutex.acquire()
        await run().finally(() => mutex.release())
      },
      close: () => redis.quit()
    }
  }
}
