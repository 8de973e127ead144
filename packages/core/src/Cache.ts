/**
 * The cache as its users see it, over any backend: typed entities, untyped keys, patterns.
 *
 * **Details**
 *
 * A hit in this process costs one look-up: no span, no decoding, no promise. `peek` is that look-up alone.
 */
import { Context, Effect, Layer, Stream } from "effect"
import * as CacheBackend from "./CacheBackend.ts"
import * as CacheError from "./CacheError.ts"
import * as CacheKey from "./CacheKey.ts"
import * as Codec from "./Codec.ts"
import type * as Entity from "./Entity.ts"
import * as EntityCache from "./EntityCache.ts"
import { memoize } from "./internal/memoize.ts"
import * as KeyPattern from "./KeyPattern.ts"
import * as Metrics from "./Metrics.ts"
import * as MonotonicClock from "./MonotonicClock.ts"
import * as Ttl from "./Ttl.ts"

export interface Options {
  /** Begins every key; parts are separated by `:`. `tradecore` unless given. */
  readonly prefix?: string | undefined
  /** The TTL of what has no other; 300 seconds unless given. */
  readonly ttl?: Ttl.Input | undefined
}

export const DEFAULT_PREFIX = "tradecore"
export const DEFAULT_TTL = "300 seconds"

/** Any key, any value that `Codec.msgpack` stores: what most caches are. */
export interface UntypedCache extends EntityCache.EntityCache<CacheKey.Input, unknown> {
  /** Adds to an integer, which counts from 0 where nothing is; the new value. `ttl` is that of a new counter. */
  readonly increment: (
    key: CacheKey.Input,
    options?: { readonly by?: number | undefined; readonly ttl?: Ttl.Input | undefined }
  ) => Effect.Effect<number, CacheError.CacheError>
}

export class Cache extends Context.Service<
  Cache,
  UntypedCache & {
    /** The typed operations on one kind of data. Cheap, but keep the result: it remembers how keys are made. */
    readonly entity: <Id, A>(entity: Entity.Entity<Id, A>) => EntityCache.EntityCache<Id, A>
    /** The keys that match a pattern (see `KeyPattern`), of all processes; each can be given to any operation. */
    readonly keys: (pattern: string) => Stream.Stream<CacheKey.CacheKey, CacheError.CacheError>
    /** Deletes what matches, everywhere; how many there were. */
    readonly deletePattern: (pattern: string) => Effect.Effect<number, CacheError.CacheError>
    /** The writes of all processes that share the store, whatever their prefix. See `CacheBackend`. */
    readonly changes: Stream.Stream<CacheBackend.Change, CacheError.CacheError>
    readonly health: Effect.Effect<CacheBackend.Health>
    readonly metrics: () => Metrics.Metrics
    readonly resetMetrics: () => void
  }
>()("@tiercache/core/Cache") {}

/** The typed operations on one kind of data. */
export const entity = <Id, A>(
  entity: Entity.Entity<Id, A>
): Effect.Effect<EntityCache.EntityCache<Id, A>, never, Cache> =>
  Cache.use((cache) => Effect.sync(() => cache.entity(entity)))

export const make = Effect.fnUntraced(function* (options?: Options) {
  const backend = yield* CacheBackend.CacheBackend
  const now = yield* MonotonicClock.now
  const defaultTtl = options?.ttl ?? DEFAULT_TTL
  const prefix = yield* CacheError.attempt(() => {
    Ttl.toMillisUnsafe("Cache.make", defaultTtl)
    return CacheKey.parse(options?.prefix ?? DEFAULT_PREFIX).encoded
  })
  const counters = Metrics.makeCounters()
  const counted = <A>(effect: Effect.Effect<A, CacheError.CacheError>, count: (result: A) => number) =>
    effect.pipe(
      Effect.tapError(() => Effect.sync(() => counters.errors++)),
      Effect.tap((result) => Effect.sync(() => count(result)))
    )
  const wholeKey = (key: CacheKey.CacheKey) => `${prefix}:${key.encoded}`
  const compile = (pattern: string) => CacheError.attempt(() => KeyPattern.make(prefix, pattern))

  const untyped = EntityCache.make<CacheKey.Input, unknown>({
    backend,
    counters,
    now,
    defaultTtl,
    onWrite: "invalidate",
    codec: Codec.msgpack,
    keyOf: (key) => wholeKey(CacheKey.parse(key))
  })

  return Cache.of({
    ...untyped,
    increment: (key, options) =>
      counted(
        CacheError.suspend(() =>
          backend.increment(wholeKey(CacheKey.parse(key)), { by: options?.by, ttl: options?.ttl ?? defaultTtl })
        ),
        () => counters.sets++
      ),
    entity: (entity) =>
      EntityCache.make({
        backend,
        counters,
        now,
        defaultTtl: entity.ttl ?? defaultTtl,
        onWrite: entity.onWrite,
        codec: entity.codec,
        keyOf: memoize((id) => wholeKey(entity.key(id)))
      }),
    keys: (pattern) =>
      Stream.unwrap(Effect.map(compile(pattern), backend.scan)).pipe(
        Stream.map((key) => new CacheKey.CacheKey(key.slice(prefix.length + 1)))
      ),
    deletePattern: (pattern) =>
      counted(Effect.flatMap(compile(pattern), backend.deletePattern), (deleted) => (counters.deletes += deleted)),
    changes: backend.changes,
    health: backend.health,
    metrics: () => Metrics.snapshot(counters, backend.stats()),
    resetMetrics: () => Metrics.reset(counters)
  })
})

export const layer = (options?: Options): Layer.Layer<Cache, CacheError.CacheError, CacheBackend.CacheBackend> =>
  Layer.effect(Cache, make(options))
