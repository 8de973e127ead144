/**
 * The cache that the environment asks for.
 */
import { Cache, type CacheBackend, type CacheError } from "@tiercache/core"
import { Config, Effect, Layer, Redacted } from "effect"
import * as Memory from "./Memory.ts"
import * as Redis from "./Redis.ts"
import * as Tiered from "./Tiered.ts"

/**
 * | variable            | meaning                                 | unless given                                   |
 * | ------------------- | --------------------------------------- | ---------------------------------------------- |
 * | `CACHE_BACKEND`     | `memory`, `redis` or `tiered`           | `tiered` where `REDIS_URL` is set, else `memory` |
 * | `REDIS_URL`         | `redis://user:password@host:6379/0`, or `rediss:` for TLS | `redis://127.0.0.1:6379`       |
 * | `CACHE_KEY_PREFIX`  | begins every key                        | `tradecore`                                    |
 * | `CACHE_DEFAULT_TTL` | the TTL of what has no other, in seconds | `300`                                          |
 */
export const config = Config.all({
  backend: Config.Literals(["memory", "redis", "tiered"], "CACHE_BACKEND").pipe(Config.withDefault(undefined)),
  url: Config.Redacted("REDIS_URL").pipe(Config.withDefault(undefined)),
  prefix: Config.String("CACHE_KEY_PREFIX").pipe(Config.withDefault(Cache.DEFAULT_PREFIX)),
  ttl: Config.Int("CACHE_DEFAULT_TTL").pipe(
    Config.map((seconds) => ({ seconds })),
    Config.withDefault(Cache.DEFAULT_TTL)
  )
})

const DEFAULT_URL = "redis://127.0.0.1:6379"

/** The backend and its connection are read from the environment when the layer is built; see {@link config}. */
export const layerConfig: Layer.Layer<
  Cache.Cache | CacheBackend.CacheBackend,
  CacheError.CacheError | Config.ConfigError
> = Layer.unwrap(
  Effect.map(config, ({ backend, prefix, ttl, url }) => {
    const redis = { url: url === undefined ? DEFAULT_URL : Redacted.value(url) }
    switch (backend ?? (url === undefined ? "memory" : "tiered")) {
      case "memory":
        return Memory.layer({ prefix, ttl })
      case "redis":
        return Redis.layer({ prefix, ttl, redis })
      case "tiered":
        return Tiered.layer({ prefix, ttl, redis })
    }
  })
)
