/**
 * The one call with which promise users begin.
 */
import { Cache } from "@tiercache/core"
import { ManagedRuntime } from "effect"
import * as Memory from "./Memory.ts"
import * as PromiseCache from "./PromiseCache.ts"
import * as Redis from "./Redis.ts"
import * as Tiered from "./Tiered.ts"

/** Which backend holds the data, and its options. */
export type Options =
  | ({ readonly backend?: "memory" | undefined } & Memory.Options)
  | ({ readonly backend: "redis" } & Redis.Options)
  | ({ readonly backend: "tiered" } & Tiered.Options)

/**
 * Opens a cache.
 *
 * **Details**
 *
 * Rejects with a `CacheError` for options that cannot be. It does not reject because Redis is away: operations do, until
 * Redis is there.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { createCache } from "tiercache"
 *
 * await using cache = await createCache()
 * await cache.set("greeting", "hello", { ttl: "5 minutes" })
 * await cache.get("greeting") // => "hello"
 * ```
 */
export const createCache = async (options: Options = {}): Promise<PromiseCache.PromiseCache> => {
  const runtime = ManagedRuntime.make(layerOf(options))
  const context = await runtime.context()
  const cache = await runtime.runPromise(Cache.Cache)
  return PromiseCache.make(cache, context, runtime.dispose)
}

const layerOf = (options: Options) => {
  switch (options.backend) {
    case "redis":
      return Redis.layer(options)
    case "tiered":
      return Tiered.layer(options)
    default:
      return Memory.layer(options)
  }
}
