import { createCache } from "tiercache"
import { LEASE, type Locker } from "./Locker.ts"

export const tiercache: Locker = {
  name: "tiercache",
  open: async (url) => {
    const cache = await createCache({ backend: "redis", redis: { url, commandTimeout: "30 seconds" } })
    const options = { ttl: `${LEASE} millis`, wait: "forever" } as const
    return { withLock: (name, run) => cache.withLock(name, options, run), close: cache.close }
  }
}
