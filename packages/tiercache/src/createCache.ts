/**
 * The one call with which promise users begin.
 */
import { CacheError } from "@tiercache/core"
import { Layer, Logger, Predicate } from "effect"
import { open } from "./internal/opening.ts"
import * as Memory from "./Memory.ts"
import type * as PromiseCache from "./PromiseCache.ts"
import * as Redis from "./Redis.ts"
import * as Tiered from "./Tiered.ts"

/** Which backend holds the data, and its options. */
export type Options = Logging &
  (
    | ({ readonly backend?: "memory" | undefined } & Memory.Options)
    | ({ readonly backend: "redis" } & Redis.Options)
    | ({ readonly backend: "tiered" } & Tiered.Options)
  )

export interface Logging {
  /** What gets the messages, made by Effect's `Logger`. They go to the console unless given, and nowhere with none. */
  readonly loggers?: ReadonlyArray<Logger.Logger<unknown, unknown>> | undefined
}

/**
 * Opens a cache.
 *
 * **Details**
 *
 * Rejects with a `CacheError` for options that cannot be. It does not reject because Redis is away: operations do, until
 * Redis is there. With `redis: { strict: true }` it rejects for that, and for a Redis that cannot keep the promises.
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
  const { cache } = await open(withLoggers(layerOf(options), options))
  return cache
}

/** Whatever is in a layer then logs there. */
export const withLoggers = <A, E>(layer: Layer.Layer<A, E>, { loggers }: Logging): Layer.Layer<A, E> =>
  loggers === undefined ? layer : layer.pipe(Layer.provideMerge(Logger.layer(loggers)))

/** The layer that the options describe. Throws a `CacheError` for what only JavaScript can give. */
export const layerOf = (options: Options) => {
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
  throw invalid("redis is missing: { url }, { cluster }, { sentinels, name } or { client }")
}

const invalid = (problem: string) => CacheError.make("createCache", "InvalidOption", problem)
