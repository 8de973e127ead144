/**
 * The cache as its users see it, over any backend: typed entities, untyped keys, patterns.
 *
 * **Details**
 *
 * A hit in this process costs one look-up: no span, no decoding, no promise. `peek` is that look-up alone.
 */
import { Clock, Context, DateTime, Effect, Layer, Predicate, Random, Stream } from "effect"
import * as CacheBackend from "./CacheBackend.ts"
import * as CacheError from "./CacheError.ts"
import * as CacheKey from "./CacheKey.ts"
import * as Codec from "./Codec.ts"
import type * as Entity from "./Entity.ts"
import * as EntityCache from "./EntityCache.ts"
import * as Domains from "./internal/domains.ts"
import * as KeyPattern from "./KeyPattern.ts"
import * as Metrics from "./Metrics.ts"
import * as MonotonicClock from "./MonotonicClock.ts"
import * as ReadThrough from "./ReadThrough.ts"
import * as Script from "./Script.ts"
import * as Secrets from "./Secrets.ts"
import type * as Tag from "./Tag.ts"
import * as Ttl from "./Ttl.ts"

export interface Options {
  /** Begins every key; parts are separated by `:`. `tradecore` unless given. */
  readonly prefix?: string | undefined
  /** The TTL of what has no other; 300 seconds unless given. */
  readonly ttl?: Ttl.Input | undefined
  /** What secret entities are encrypted with. Needed wherever their values leave the process. */
  readonly secrets?: Secrets.KeyRing | undefined
  /** From which time on an operation counts as slow; 50 ms unless given. */
  readonly slowOperation?: Ttl.Input | undefined
  /** `false` counts nothing and shows nothing: `metrics` is all zero. */
  readonly metrics?: boolean | undefined
}

export const DEFAULT_PREFIX = "tradecore"
export const DEFAULT_TTL = "300 seconds"

/** Ten times what a slow round trip to Redis takes. */
export const DEFAULT_SLOW_OPERATION = "50 millis"

export interface DeletePatternOptions extends CacheBackend.DeletePatternOptions {
  /** Leaves alone what matches one of these patterns. */
  readonly except?: ReadonlyArray<string> | undefined
}

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
    /** Deletes what matches, or what matches any of several patterns, everywhere; how many there were. */
    readonly deletePattern: (
      patterns: string | ReadonlyArray<string>,
      options?: DeletePatternOptions
    ) => Effect.Effect<number, CacheError.CacheError>
    /** Deletes the entries that carry any of the tags, everywhere; how many there were. What is being loaded under them is not kept. */
    readonly deleteTags: (tags: ReadonlyArray<Tag.Tag>) => Effect.Effect<number, CacheError.CacheError>
    /** The keys of the entries that carry a tag. */
    readonly keysByTag: (tag: Tag.Tag) => Stream.Stream<CacheKey.CacheKey, CacheError.CacheError>
    /**
     * Runs a Lua script on Redis over keys of the cache; what it returns, as Redis answers it. Its `KEYS` are the whole keys, its `ARGV`
     * are `args`. Fails with `Unsupported` in memory: what has to run there too is a `Script`.
     *
     * **Gotchas**
     *
     * What it writes is not announced: L1s keep what they have until its TTL. Entries hold an envelope, not the bare value; a script
     * should have keys of its own. On a cluster all keys share a slot.
     */
    readonly evalScript: (
      lua: string,
      keys: ReadonlyArray<CacheKey.Input>,
      args?: ReadonlyArray<string | number>
    ) => Effect.Effect<unknown, CacheError.CacheError>
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
  const { prefix, slowMillis } = yield* CacheError.attempt(() => {
    Ttl.toMillisUnsafe("Cache.make", defaultTtl)
    const slowMillis = Ttl.toMillisUnsafe("Cache.make", options?.slowOperation ?? DEFAULT_SLOW_OPERATION)
    return { slowMillis, prefix: CacheKey.parse(options?.prefix ?? DEFAULT_PREFIX).encoded }
  })
  const readThrough = yield* ReadThrough.make({ backend, now })
  const { inFlight } = readThrough
  const domains =
    options?.metrics === false ? Domains.none(backend) : yield* Domains.make({ backend, inFlight, slowMillis })
  const noEntity = domains.of(Metrics.UNTYPED, "")
  const random = yield* Random.Random
  const clock = yield* Clock.Clock
  const defaults = {
    ttl: defaultTtl,
    random: () => random.nextDoubleUnsafe(),
    wallClock: () => DateTime.makeUnsafe(clock.currentTimeMillisUnsafe())
  }
  const { counters } = noEntity
  const counted = <A>(
    name: Metrics.Operation,
    effect: Effect.Effect<A, CacheError.CacheError>,
    count: (result: A) => number
  ) =>
    noEntity.measure(name, effect).pipe(
      Effect.tapError(() => Effect.sync(() => counters.errors++)),
      Effect.tap((result) => Effect.sync(() => count(result)))
    )
  const wholeKey = (key: CacheKey.CacheKey) => `${prefix}:${key.encoded}`
  const wholeTag = (tag: Tag.Tag) => `${prefix}:${tag}`
  const cacheKey = (key: string) => new CacheKey.CacheKey(key.slice(prefix.length + 1))
  const compile = (pattern: string) => CacheError.attempt(() => KeyPattern.make(prefix, pattern))
  const anyOf = (patterns: ReadonlyArray<string>) =>
    KeyPattern.anyOf(patterns.map((pattern) => KeyPattern.make(prefix, pattern)))

  const untyped = EntityCache.make<CacheKey.Input, unknown>({
    backend,
    domain: noEntity,
    now,
    readThrough,
    defaults,
    policy: {},
    onWrite: "invalidate",
    codec: Codec.msgpack,
    keyOf: (key) => wholeKey(CacheKey.parse(key)),
    tagsOf: (_, own = []) => own.map(wholeTag)
  })

  return Cache.of({
    ...untyped,
    increment: (key, options) =>
      counted(
        "increment",
        CacheError.suspend(() => {
          const whole = wholeKey(CacheKey.parse(key))
          return Effect.ensuring(
            backend.increment(whole, { by: options?.by, ttl: options?.ttl ?? defaultTtl }),
            Effect.sync(() => readThrough.onWritten([whole]))
          )
        }),
        () => counters.sets++
      ),
    entity: (entity) => {
      const codec = Secrets.unlock(entity.codec, backend.inProcess === true ? "in-process" : options?.secrets)
      return EntityCache.make({
        backend,
        domain: domains.of(entity.domain, entity.type),
        now,
        readThrough,
        defaults,
        policy: entity.policy,
        onWrite: entity.onWrite,
        codec,
        // nothing can be done with an entity that has no keys
        keyOf: codec.unlock === undefined ? (id) => wholeKey(entity.key(id)) : Secrets.refuse,
        tagsOf: (id, own = []) => [...(entity.tags?.(id) ?? []), ...own].map(wholeTag)
      })
    },
    keys: (pattern) => Stream.unwrap(Effect.map(compile(pattern), backend.scan)).pipe(Stream.map(cacheKey)),
    deletePattern: (patterns, options) =>
      counted(
        "deletePattern",
        Effect.flatMap(
          CacheError.attempt(() =>
            KeyPattern.except(anyOf(Predicate.isString(patterns) ? [patterns] : patterns), anyOf(options?.except ?? []))
          ),
          (compiled) =>
            Effect.ensuring(
              backend.deletePattern(compiled, options),
              Effect.sync(() => compiled.globs.forEach(readThrough.onWrittenPattern))
            )
        ),
        (deleted) => (counters.deletes += deleted)
      ),
    deleteTags: (tags) =>
      counted(
        "deleteTags",
        Effect.suspend(() => backend.deleteTags(tags.map(wholeTag), readThrough.onWritten)),
        (deleted) => (counters.deletes += deleted)
      ),
    keysByTag: (tag) => Stream.map(backend.keysByTag(wholeTag(tag)), cacheKey),
    evalScript: (lua, keys, args = []) =>
      CacheError.suspend(() => {
        const whole = keys.map((key) => wholeKey(CacheKey.parse(key)))
        return backend.run(luaOnly(lua), whole, args)
      }),
    changes: backend.changes,
    health: backend.health,
    metrics: domains.snapshot,
    resetMetrics: domains.reset
  })
})

export const layer = (options?: Options): Layer.Layer<Cache, CacheError.CacheError, CacheBackend.CacheBackend> =>
  Layer.effect(Cache, make(options))

/** The arguments are followed by one for the time, which is none of the user's. On one line, so that errors name the user's lines. */
const OWN_ARGUMENTS = "local ARGV = { unpack(ARGV, 1, #ARGV - 1) } "

const luaOnly = (lua: string) =>
  Script.make<never, ReadonlyArray<string | number>, unknown>({
    name: "evalScript",
    type: "lua",
    lua: OWN_ARGUMENTS + lua,
    args: (args) => args,
    reply: (raw) => raw,
    reducer: () => {
      throw CacheError.make("evalScript", "Unsupported", "Lua runs on Redis only")
    }
  })
