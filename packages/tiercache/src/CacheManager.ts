/**
 * All caches of a trading system: for Effect the service and its layers, for those who `await` a call that starts it.
 */
import { CacheError, type Secrets } from "@tiercache/core"
import type { CacheConfig } from "@tiercache/domains"
import { CacheManager, layer, layerConfig, type Options } from "@tiercache/domains/CacheManager"
import { Context, Layer } from "effect"
import { layerOf, type Logging, type Options as CacheOptions, withLoggers } from "./createCache.ts"
import { open } from "./internal/opening.ts"
import * as PromiseCacheManager from "./PromiseCacheManager.ts"
import * as TierCache from "./TierCache.ts"

export { CacheManager, layer, layerConfig, make, type Health, type Options } from "@tiercache/domains/CacheManager"
export type { PromiseApiResponses, PromiseCacheManager, PromiseClear } from "./PromiseCacheManager.ts"

/** The options of `createCache`, and those of the manager that they do not say already. */
export type StartOptions = CacheOptions &
  Omit<Options, "keyPrefix" | "enabled" | "bypassCache" | "fakeMissRate" | "debugMode">

/**
 * Opens a cache and starts its manager: with options, or as a `CacheConfig` says.
 *
 * **Details**
 *
 * Rejects as `createCache` does; and in production, if data leaves the process and there are no keys to encrypt what is secret.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { CacheManager } from "tiercache"
 *
 * await using tradecore = await CacheManager.start({ cleanup: { onStartup: false } })
 * await tradecore.vb.adapterAccounts.set({ user: "user-123", connection: "conn-456" }, [])
 * await tradecore.clear.user("user-123") // => 1
 * tradecore.isRunning() // => true
 * ```
 */
export const start = async (
  options: StartOptions | (CacheConfig.CacheConfig & Logging) = {}
): Promise<PromiseCacheManager.PromiseCacheManager> => {
  if ("keyPrefix" in options) {
    const { backend, enabled, environment, secretKeys } = options
    checkSecrets(environment, enabled ? backend : "memory", secretKeys)
    return startFrom(withLoggers(layer(options).pipe(Layer.provideMerge(TierCache.layer(options))), options))
  }
  const { backend = "memory", environment, prefix: keyPrefix, secrets, switches } = options
  checkSecrets(environment, backend, secrets)
  const manager = layer({ ...switches, ...options, keyPrefix }).pipe(Layer.provideMerge(layerOf(options)))
  return startFrom(withLoggers(manager, options))
}

/** As `CacheConfig` does. */
const checkSecrets = (environment: string | undefined, backend: string, keys: Secrets.KeyRing | undefined) => {
  if (environment !== "production" || backend === "memory" || keys !== undefined) return
  const problem = "`secrets` are missing, which production needs unless the backend is memory"
  throw CacheError.make("CacheManager", "InvalidOption", problem)
}

/** As the variables of the environment say, see `CacheConfig`. Rejects with a `ConfigError` that names all that is wrong. */
export const startFromEnvironment = (logging: Logging = {}): Promise<PromiseCacheManager.PromiseCacheManager> =>
  startFrom(withLoggers(layerConfig.pipe(Layer.provideMerge(TierCache.layerConfig)), logging))

const startFrom = async <E>(
  all: Layer.Layer<Layer.Success<ReturnType<typeof layerOf>> | CacheManager, E>
): Promise<PromiseCacheManager.PromiseCacheManager> => {
  const { cache, context, running } = await open(all)
  return PromiseCacheManager.make(Context.get(context, CacheManager), cache, running)
}
