/**
 * The one call with which promise users begin.
 */
import { Cache, CacheError } from "@tiercache/core"
import { ManagedRuntime, Predicate } from "effect"
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
    case undefined:
    case "memory":
      return Memory.layer(options)
    case "redis":
      return withRedis(options, Redis.layer)
    case "tiered":
      return withRedis(options, Tiered.layer)
    default:
      throw invalid('backend is "memory", "redis" or "tiered"')
  }
}

/** Who writes JavaScript may forget it. */
const withRedis = <O extends Redis.Options, L>(options: O, layer: (options: O) => L): L => {
  if (Predicate.isObject(options.redis)) return layer(options)
  throw invalid("redis is missing: { url } or { client }")
}

const invalid = (problem: string) => CacheError.make("createCache", "InvalidOption", problem)
