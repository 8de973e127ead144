/**
 * The cache that the environment asks for.
 */
import type { CacheBackend, CacheError } from "@tiercache/core"
import { CacheConfig } from "@tiercache/domains"
import { type Config, Effect, Layer, Redacted } from "effect"
import type { Services } from "./internal/services.ts"
import * as Memory from "./Memory.ts"
import * as Redis from "./Redis.ts"
import * as Tiered from "./Tiered.ts"

/**
 * The cache of a configuration.
 *
 * **Details**
 *
 * If it is turned off, no connection to Redis is made, whatever the backend, and locks and limits hold in this process only. A
 * warning in the log says so.
 */
export const layer = (
  config: CacheConfig.CacheConfig
): Layer.Layer<Services | CacheBackend.CacheBackend, CacheError.CacheError> => {
  const options = {
    prefix: config.keyPrefix,
    ttl: config.defaultTtl,
    secrets: config.secretKeys,
    metrics: config.metricsEnabled,
    slowOperation: config.slowOpThreshold,
    switches: config
  }
  if (!config.enabled) return Layer.merge(Memory.layer(options), tellDisabled)
  const redis = {
    url: Redacted.value(config.redisUrl),
    scanCount: config.scanCount,
    maxKeysPerCommand: config.pipelineMaxSize,
    deleteBatchSize: config.cleanup.batchSize
  }
  switch (config.backend) {
    case "memory":
      return Memory.layer(options)
    case "redis":
      return Redis.layer({ ...options, redis })
    case "tiered":
      return Tiered.layer({ ...options, redis })
  }
}

const tellDisabled = Layer.effectDiscard(
  Effect.logWarning("the cache is disabled: nothing is stored, and locks and limits hold in this process only")
)

/** The environment is read when the layer is built; see `CacheConfig`. */
export const layerConfig: Layer.Layer<
  Services | CacheBackend.CacheBackend,
  CacheError.CacheError | Config.ConfigError
> = Layer.unwrap(Effect.map(CacheConfig.config, layer))
