/**
 * The cache for those who `await`. A hit in this process starts no fiber.
 */
import {
  Cache,
  type CacheBackend,
  type CacheKey,
  type Entity,
  type EntityCache,
  type Metrics,
  type Ttl
} from "@tiercache/core"
import { type Context, type Duration, Effect, Stream } from "effect"

/** As `EntityCache`, with promises that reject with `CacheError`. */
export interface PromiseEntityCache<Id, A> {
  /** What this process holds and may serve at this moment; synchronous. Throws a `CacheError` with reason `InvalidKey`. */
  readonly peek: (id: Id) => A | undefined
  readonly get: (id: Id, options?: CacheBackend.GetOptions) => Promise<A | undefined>
  /** As `get`, with tier, staleness and time left. */
  readonly lookup: (id: Id, options?: CacheBackend.GetOptions) => Promise<EntityCache.Lookup<A> | undefined>
  /** All ids in the order asked, `undefined` for a miss. */
  readonly getMany: (
    ids: ReadonlyArray<Id>,
    options?: CacheBackend.GetOptions
  ) => Promise<ReadonlyMap<Id, A | undefined>>
  /** Whether it was written, which `only` may prevent. */
  readonly set: (id: Id, value: A, options?: EntityCache.SetOptions) => Promise<boolean>
  /** How many were written. */
  readonly setMany: (
    entries: ReadonlyArray<readonly [id: Id, value: A]>,
    options?: EntityCache.SetOptions
  ) => Promise<number>
  /** Whether there was anything. */
  readonly delete: (id: Id) => Promise<boolean>
  /** How many there were. */
  readonly deleteMany: (ids: ReadonlyArray<Id>) => Promise<number>
  readonly has: (id: Id) => Promise<boolean>
  /** The time left, `undefined` if there is no such entry. */
  readonly ttl: (id: Id) => Promise<Duration.Duration | undefined>
  /** Gives an entry a new TTL, counted from now; false if there is none. */
  readonly expire: (id: Id, ttl: Ttl.Input) => Promise<boolean>
}

export interface PromiseCache extends PromiseEntityCache<CacheKey.Input, unknown>, AsyncDisposable {
  /** Adds to an integer, which counts from 0 where nothing is; the new value. */
  readonly increment: (
    key: CacheKey.Input,
    options?: { readonly by?: number | undefined; readonly ttl?: Ttl.Input | undefined }
  ) => Promise<number>
  /** The typed operations on one kind of data. Keep the result: it remembers how keys are made. */
  readonly entity: <Id, A>(entity: Entity.Entity<Id, A>) => PromiseEntityCache<Id, A>
  /** The keys that match a pattern, of all processes; each can be given to any operation. */
  readonly keys: (pattern: string) => AsyncIterable<CacheKey.CacheKey>
  /** Deletes what matches, everywhere; how many there were. */
  readonly deletePattern: (pattern: string) => Promise<number>
  /** The writes of all processes that share the store. */
  readonly changes: () => AsyncIterable<CacheBackend.Change>
  readonly health: () => Promise<CacheBackend.Health>
  readonly metrics: () => Metrics.Metrics
  readonly resetMetrics: () => void
  /** Ends connections and background work. `await using` does it too. */
  readonly close: () => Promise<void>
}

/** Wraps a cache; `close` is what ends it. */
export const make = (
  cache: Cache.Cache["Service"],
  context: Context.Context<never>,
  close: () => Promise<void>
): PromiseCache => {
  const run = Effect.runPromiseWith(context)

  const promises = <Id, A>(entity: EntityCache.EntityCache<Id, A>): PromiseEntityCache<Id, A> => ({
    peek: entity.peek,
    get: (id, options) => {
      if (options?.fresh !== true) {
        try {
          const value = entity.peek(id)
          if (value !== undefined) return Promise.resolve(value)
        } catch (error) {
          return Promise.reject(error)
        }
      }
      return run(entity.get(id, options))
    },
    lookup: (id, options) => run(entity.lookup(id, options)),
    getMany: (ids, options) => run(entity.getMany(ids, options)),
    set: (id, value, options) => run(entity.set(id, value, options)),
    setMany: (entries, options) => run(entity.setMany(entries, options)),
    delete: (id) => run(entity.delete(id)),
    deleteMany: (ids) => run(entity.deleteMany(ids)),
    has: (id) => run(entity.has(id)),
    ttl: (id) => run(entity.ttl(id)),
    expire: (id, ttl) => run(entity.expire(id, ttl))
  })

  return {
    ...promises(cache),
    increment: (key, options) => run(cache.increment(key, options)),
    entity: (entity) => promises(cache.entity(entity)),
    keys: (pattern) => Stream.toAsyncIterableWith(cache.keys(pattern), context),
    deletePattern: (pattern) => run(cache.deletePattern(pattern)),
    changes: () => Stream.toAsyncIterableWith(cache.changes, context),
    health: () => run(cache.health),
    metrics: cache.metrics,
    resetMetrics: cache.resetMetrics,
    close,
    [Symbol.asyncDispose]: close
  }
}
