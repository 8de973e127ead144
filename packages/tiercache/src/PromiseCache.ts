/**
 * The cache for those who `await`. A hit in this process starts no fiber.
 */
import {
  Cache,
  type CacheBackend,
  type CacheKey,
  type Entity,
  type Loader,
  type Metrics,
  type Tag,
  type Ttl
} from "@tiercache/core"
import { Cached, type Maintenance } from "@tiercache/domains"
import { Effect, Latch, Stream } from "effect"
import type * as Running from "./internal/running.ts"
import * as PromiseEntityCache from "./PromiseEntityCache.ts"
import type * as PromiseLimits from "./PromiseLimits.ts"
import type * as PromiseLocks from "./PromiseLocks.ts"

export interface DeletePatternOptions extends Cache.DeletePatternOptions {
  /** Stops after the batch under way when it is aborted; rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface MaintainOptions extends Maintenance.Options {
  /** Stops after the batch under way when it is aborted; rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface PromiseCache extends PromiseEntityCache.PromiseEntityCache<CacheKey.Input, unknown>, AsyncDisposable {
  /** Adds to an integer, which counts from 0 where nothing is; the new value. */
  readonly increment: (
    key: CacheKey.Input,
    options?: { readonly by?: number | undefined; readonly ttl?: Ttl.Input | undefined }
  ) => Promise<number>
  /** Counts against a rate limit, if it allows it: `limits.consume`. */
  readonly consume: PromiseLimits.PromiseLimits["consume"]
  /** Runs a function while no other process runs one under the same name. */
  readonly withLock: PromiseLocks.PromiseLocks["withLock"]
  /** All that can be done with rate limits. */
  readonly limits: PromiseLimits.PromiseLimits
  /** The typed operations on one kind of data. Keep the result: it remembers how keys are made. */
  readonly entity: <Id, A>(entity: Entity.Entity<Id, A>) => PromiseEntityCache.PromiseEntityCache<Id, A>
  /** A function that answers from the cache what it can, and otherwise by `load`. See `Cached`. */
  readonly cached: <Id, A, B extends Loader.Answer<A>>(
    entity: Entity.Entity<Id, A>,
    load: (id: Id, context: PromiseEntityCache.LoaderContext<A>) => B | PromiseLike<B>
  ) => (id: Id, options?: PromiseEntityCache.LoadOptions<A>) => Promise<Loader.Loaded<A, B>>
  /**
   * A function that changes something, and then deletes what the cache has of it, everywhere. See `Cached`.
   *
   * **Gotchas**
   *
   * It rejects with `CacheError` although the change is made if the store cannot be reached.
   */
  readonly invalidates: <Args extends ReadonlyArray<unknown>, A>(
    change: (...args: Args) => A | PromiseLike<A>,
    targets: (...args: Args) => ReadonlyArray<Cached.Target>
  ) => (...args: Args) => Promise<A>
  /** The keys that match a pattern, of all processes; each can be given to any operation. */
  readonly keys: (pattern: string) => AsyncIterable<CacheKey.CacheKey>
  /** Deletes what matches, or what matches any of several patterns, everywhere; how many there were. */
  readonly deletePattern: (patterns: string | ReadonlyArray<string>, options?: DeletePatternOptions) => Promise<number>
  /** Cleans up what would stay in the store for ever, see `Maintenance`. */
  readonly maintain: (options?: MaintainOptions) => Promise<Maintenance.Report>
  /** Deletes the entries that carry any of the tags, everywhere; how many there were. What is being loaded under them is not kept. */
  readonly deleteTags: (tags: ReadonlyArray<Tag.Tag>) => Promise<number>
  /** The keys of the entries that carry a tag. */
  readonly keysByTag: (tag: Tag.Tag) => AsyncIterable<CacheKey.CacheKey>
  /**
   * Runs a Lua script on Redis over keys of the cache; what it returns. Its `KEYS` are the whole keys, its `ARGV` are `args`. Rejects with
   * `Unsupported` in memory. What it writes is not announced to L1s.
   */
  readonly evalScript: (
    lua: string,
    keys: ReadonlyArray<CacheKey.Input>,
    args?: ReadonlyArray<string | number>
  ) => Promise<unknown>
  /** The writes of all processes that share the store, until the cache is closed. */
  readonly changes: () => AsyncIterable<CacheBackend.Change>
  readonly health: () => Promise<CacheBackend.Health>
  readonly metrics: () => Metrics.Metrics
  readonly resetMetrics: () => void
  /** Waits for writes under way, 5 seconds at most, and ends connections and background work. `await using` does it too. */
  readonly close: () => Promise<void>
}

/** What is wrapped. */
export interface Services {
  readonly cache: Cache.Cache["Service"]
  readonly maintenance: Maintenance.Maintenance["Service"]
  readonly limits: PromiseLimits.PromiseLimits
  readonly locks: PromiseLocks.PromiseLocks
}

/** Wraps a cache; `end` is what ends it. */
export const make = (
  { cache, limits, locks, maintenance }: Services,
  running: Running.Running,
  end: () => Promise<void>
): PromiseCache => {
  const { iterate, run, runAbortable, runWrite, settled } = running
  const closing = Latch.makeUnsafe(false)
  const close = async () => {
    await settled()
    closing.openUnsafe()
    await end()
  }
  const entityOf: PromiseCache["entity"] = (entity) =>
    PromiseEntityCache.make(cache.entity(entity), entity.policy.refreshAhead !== undefined, running)

  return {
    ...PromiseEntityCache.make(cache, false, running),
    increment: (key, options) => runWrite(cache.increment(key, options)),
    withLock: locks.withLock,
    consume: limits.consume,
    limits,
    entity: entityOf,
    cached: (entity, load) => {
      const entries = entityOf(entity)
      return (id, options) => entries.getOrLoad(id, (context) => load(id, context), options)
    },
    invalidates: <Args extends ReadonlyArray<unknown>, A>(
      change: (...args: Args) => A | PromiseLike<A>,
      targets: (...args: Args) => ReadonlyArray<Cached.Target>
    ) => {
      const changed = Cached.invalidates((...args: Args) => PromiseEntityCache.toEffect(() => change(...args)), targets)
      return (...args: Args) => runWrite(Effect.provideService(changed(...args), Cache.Cache, cache))
    },
    keys: (pattern) => iterate(cache.keys(pattern)),
    deletePattern: (patterns, options) => runWrite(cache.deletePattern(patterns, options), options),
    maintain: (options) => runAbortable(maintenance.run(options), options),
    deleteTags: (tags) => runWrite(cache.deleteTags(tags)),
    keysByTag: (tag) => iterate(cache.keysByTag(tag)),
    evalScript: (lua, keys, args) => runWrite(cache.evalScript(lua, keys, args)),
    changes: () => iterate(Stream.interruptWhen(cache.changes, closing.await)),
    health: () => run(cache.health),
    metrics: cache.metrics,
    resetMetrics: cache.resetMetrics,
    close,
    [Symbol.asyncDispose]: close
  }
}
