/**
 * All caches of a trading system in one service: typed operations on every kind of data, clear operations, events, maintenance,
 * metrics and health. docs/domains.md is its guide.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Cache } from "@tiercache/core"
 * import { CacheManager, Lock, Maintenance, VirtualBroker } from "@tiercache/domains"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer } from "effect"
 *
 * const services = Layer.merge(Cache.layer(), Maintenance.layer().pipe(Layer.provide(Lock.layer())))
 * const inMemory = CacheManager.layer().pipe(Layer.provide(services), Layer.provide(MemoryBackend.layer()))
 *
 * const program = Effect.gen(function* () {
 *   const tradecore = yield* CacheManager.CacheManager
 *   yield* tradecore.vb.adapterAccounts.set({ user: "user-123", connection: "conn-456" }, [])
 *   return yield* tradecore.clear.user("user-123")
 * })
 * await Effect.runPromise(Effect.provide(program, inMemory)) // => 1
 * ```
 */
import { Cache, CacheBackend, CacheError, CacheKey, Metrics, Ttl } from "@tiercache/core"
import { Config, Context, Duration, Effect, Layer } from "effect"
import * as CacheConfig from "./CacheConfig.ts"
import * as Clear from "./Clear.ts"
import * as Events from "./Events.ts"
import * as ManagedCaches from "./internal/managedCaches.ts"
import * as ManagedTtls from "./internal/managedTtls.ts"
import * as ManagerHealth from "./internal/managerHealth.ts"
import * as ManagerTasks from "./internal/managerTasks.ts"
import * as Maintenance from "./Maintenance.ts"
import type * as OAuthTtl from "./OAuthTtl.ts"

export type Health = ManagerHealth.Health

/** What all operations of a manager share; a `CacheConfig` is one. What is left out is as docs/configuration.md says. */
export interface Options {
  /** That of the cache. */
  readonly keyPrefix?: string | undefined
  /** TTLs that replace those of the entities. */
  readonly ttls?: ReadonlyMap<CacheConfig.TtlName, Ttl.Input> | undefined
  /** Rules for the tokens of brokers. */
  readonly oauthTtls?: OAuthTtl.Overrides | undefined
  readonly cleanup?: {
    readonly onStartup?: boolean | undefined
    readonly interval?: Ttl.Input | undefined
    readonly maxAge?: Ttl.Input | undefined
  }
  readonly vb?: Events.Options["vb"]
  readonly broker?: Events.Options["broker"] & { readonly aggressiveCleanup?: boolean | undefined }
  readonly environment?: string | undefined
  /** These three are for those who read the health: what a switch has turned off is not to be found. See `Switches`. */
  readonly enabled?: boolean | undefined
  readonly bypassCache?: boolean | undefined
  readonly fakeMissRate?: number | undefined
  /** As those, told by the health. */
  readonly debugMode?: boolean | undefined
}

export class CacheManager extends Context.Service<
  CacheManager,
  ManagedCaches.ManagedCaches &
    Pick<ManagedTtls.ManagedTtls, "ttl" | "oauthTtl"> & {
      readonly clear: Clear.Clear
      readonly events: Events.Events
      /** Since the start, or since `resetMetrics`; `detail` is what `cache.metrics()` returns. */
      readonly metrics: () => Metrics.Summary & { readonly detail: Metrics.Metrics }
      readonly resetMetrics: () => void
      /** Tries set, get and delete, and asks the backend. Never fails: what is wrong is in the answer. */
      readonly health: Effect.Effect<Health>
      /** True until the scope of the layer closes. */
      readonly isRunning: () => boolean
      readonly backgroundTaskCount: () => number
      /** The TTLs that hold here, for an entity. */
      readonly managed: ManagedTtls.ManagedTtls
    }
>()("@tiercache/domains/CacheManager") {}

const makeFrom = Effect.fnUntraced(function* (options: Options, source: ManagerHealth.Source) {
  const backend = yield* CacheBackend.CacheBackend
  const cache = yield* Cache.Cache
  const maintenance = yield* Maintenance.Maintenance
  const { cleanup, prefix, ttls } = yield* CacheError.attempt(() => ({
    prefix: CacheKey.parse(options.keyPrefix ?? Cache.DEFAULT_PREFIX).encoded,
    ttls: ManagedTtls.make(options.ttls ?? new Map(), options.oauthTtls ?? {}),
    cleanup: {
      onStartup: options.cleanup?.onStartup ?? true,
      interval: durationOf(options.cleanup?.interval ?? "6 hours"),
      maxAge: durationOf(options.cleanup?.maxAge ?? "24 hours")
    }
  }))
  const aggressive = options.broker?.aggressiveCleanup ?? true
  const clear = Clear.make(cache, { aggressive })
  const summary = () => Metrics.summary(cache.metrics())
  const config: ManagerHealth.Config = {
    source,
    environment: options.environment ?? "development",
    key_prefix: prefix,
    debug_mode: options.debugMode ?? false,
    aggressive_cleanup: aggressive
  }
  let isRunning = true
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isRunning = false
      return Effect.annotateLogs(Effect.logInfo("cache manager has stopped"), { ...summary() })
    })
  )
  const tasks = yield* ManagerTasks.make(maintenance, cleanup)

  return CacheManager.of({
    ...ManagedCaches.make(cache, ttls),
    ttl: ttls.ttl,
    oauthTtl: ttls.oauthTtl,
    clear,
    events: Events.make(clear, options),
    metrics: () => {
      const detail = cache.metrics()
      return { ...Metrics.summary(detail), detail }
    },
    resetMetrics: cache.resetMetrics,
    health: ManagerHealth.make({
      backend,
      cache,
      config,
      summary,
      isEffective: options.enabled !== false && options.bypassCache !== true && !((options.fakeMissRate ?? 0) > 0)
    }),
    isRunning: () => isRunning,
    backgroundTaskCount: tasks.count,
    managed: ttls
  })
})

/** Runs until the scope closes. */
export const make = (options: Options = {}) => makeFrom(options, "options")

type Requirements = Cache.Cache | CacheBackend.CacheBackend | Maintenance.Maintenance

/** Over a cache with the same prefix. When its scope closes, background work ends and the metrics are logged. */
export const layer = (options?: Options): Layer.Layer<CacheManager, CacheError.CacheError, Requirements> =>
  Layer.effect(CacheManager, make(options))

/** As the environment says, see `CacheConfig`. */
export const layerConfig: Layer.Layer<CacheManager, CacheError.CacheError | Config.ConfigError, Requirements> =
  Layer.effect(
    CacheManager,
    Effect.flatMap(CacheConfig.config, (config) => makeFrom(config, "environment"))
  )

/** Throws a `CacheError` with reason `InvalidOption`. */
const durationOf = (input: Ttl.Input): Duration.Duration => Duration.millis(Ttl.toMillisUnsafe("CacheManager", input))
