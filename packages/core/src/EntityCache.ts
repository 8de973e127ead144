/**
 * The operations of a cache on one kind of key: typed ids and values for an entity, or untyped ones.
 */
import { Duration, Effect } from "effect"
import type * as CacheBackend from "./CacheBackend.ts"
import * as CacheError from "./CacheError.ts"
import type * as Codec from "./Codec.ts"
import type * as Entity from "./Entity.ts"
import type * as Entry from "./Entry.ts"
import * as Bookmarks from "./internal/bookmarks.ts"
import * as Expiring from "./internal/expiring.ts"
import { Immediate } from "./internal/immediate.ts"
import * as Keyed from "./internal/keyed.ts"
import * as Loads from "./internal/loads.ts"
import * as Lookups from "./internal/lookups.ts"
import { PartialFailure } from "./internal/partialFailure.ts"
import * as Peeks from "./internal/peeks.ts"
import type * as Loader from "./Loader.ts"
import * as LoadPolicy from "./LoadPolicy.ts"
import type * as Metrics from "./Metrics.ts"
import type * as MonotonicClock from "./MonotonicClock.ts"
import type * as ReadThrough from "./ReadThrough.ts"
import * as Snapshot from "./Snapshot.ts"
import type * as Tag from "./Tag.ts"
import * as Ttl from "./Ttl.ts"

export interface SetOptions {
  /** The entity's unless given, then the cache's. */
  readonly ttl?: Ttl.Input | undefined
  /** Write only where nothing is (`absent`), or only over an entry (`present`). */
  readonly only?: "absent" | "present" | undefined
  /** What the entry can be deleted by, beside the tags of the entity. */
  readonly tags?: ReadonlyArray<Tag.Tag> | undefined
}

/** How one call loads; what it leaves out is the entity's. */
export interface LoadOptions<in A> extends LoadPolicy.Options<A> {
  /** What the entry can be deleted by, beside the tags of the entity. Callers who share a load share those of the first. */
  readonly tags?: ReadonlyArray<Tag.Tag> | undefined
}

/** A hit, or what was loaded, with what is known about it. */
export interface Lookup<out A> {
  readonly value: A
  readonly tier: Entry.Tier | "loader"
  /** Its TTL is over, or it may be older than the store promises. */
  readonly stale: boolean
  /** It was loaded and not stored, because the key was written or deleted meanwhile: who asks next gets something newer. */
  readonly superseded: boolean
  /** The time until its TTL is over, zero if it is. */
  readonly expiresIn: Duration.Duration
}

export { PartialFailure }

/**
 * **Details**
 *
 * Values that come back may be shared by all readers and are then deeply frozen. Absence is `undefined`. Operations
 * fail with `CacheError`: an id that cannot be a key is reason `InvalidKey`. Those that load fail with the loader's errors too.
 */
export interface EntityCache<Id, A> {
  /**
   * What this process holds and may serve at this moment; synchronous. Throws a `CacheError` with reason `InvalidKey`.
   */
  readonly peek: (id: Id) => A | undefined
  /** As `peek`, for those who await it; the same promise for each hit of a value that is shared. */
  readonly peekPromise: (id: Id) => Promise<A> | undefined
  readonly get: (id: Id, options?: CacheBackend.GetOptions) => Effect.Effect<A | undefined, CacheError.CacheError>
  /**
   * The value; if there is none, the one that the loader brings, which is stored for all. See `ReadThrough` for who loads, and
   * `LoadPolicy` for the options. A loader may answer `undefined` if there is no value, and `Loader.notModified` about one that it was told.
   *
   * **Gotchas**
   *
   * Callers who ask at the same time share one load, and its error: loaders of one key should fail alike. Where loaders answer
   * `undefined` and `negativeTtl` is set, give all of them a type that says so.
   */
  readonly getOrLoad: <B extends Loader.Answer<A>, E = never, R = never>(
    id: Id,
    loader: Loader.Loader<A, B, E, R>,
    options?: LoadOptions<A>
  ) => Effect.Effect<Loader.Loaded<A, B>, E | CacheError.CacheError, R>
  /**
   * As `getOrLoad` for many, with one call of the loader for all that is missing; in the order of the ids. Fails with
   * `PartialFailure` if any could not be loaded.
   */
  readonly getManyOrLoad: <E = never, R = never>(
    ids: ReadonlyArray<Id>,
    loader: Loader.ManyLoader<Id, A, E, R>,
    options?: LoadOptions<A>
  ) => Effect.Effect<
    ReadonlyMap<Id, A | undefined>,
    PartialFailure<Id, A | undefined, E | CacheError.CacheError> | CacheError.CacheError,
    R
  >
  /**
   * Loads a value whether there is one or not. Readers have the old one until then.
   *
   * **Gotchas**
   *
   * If the value is being loaded already, by whomever, what that load brings is taken. It may have begun before the call: who has
   * changed the source deletes the key instead.
   */
  readonly refresh: <B extends Loader.Answer<A>, E = never, R = never>(
    id: Id,
    loader: Loader.Loader<A, B, E, R>,
    options?: LoadOptions<A>
  ) => Effect.Effect<Loader.Loaded<A, B>, E | CacheError.CacheError, R>
  readonly lookup: {
    /** As `get`, with tier, staleness and time left; stale values too, while they are kept. */
    (id: Id, options?: CacheBackend.GetOptions): Effect.Effect<Lookup<A | undefined> | undefined, CacheError.CacheError>
    /** As `getOrLoad`, likewise. */
    <B extends Loader.Answer<A>, E = never, R = never>(
      id: Id,
      loader: Loader.Loader<A, B, E, R>,
      options?: LoadOptions<A>
    ): Effect.Effect<Lookup<Loader.Loaded<A, B>>, E | CacheError.CacheError, R>
  }
  /** All ids in the order asked, `undefined` for a miss. */
  readonly getMany: (
    ids: ReadonlyArray<Id>,
    options?: CacheBackend.GetOptions
  ) => Effect.Effect<ReadonlyMap<Id, A | undefined>, CacheError.CacheError>
  /** Whether it was written, which `only` may prevent, and a `ttl` that does not keep the value. */
  readonly set: (id: Id, value: A, options?: SetOptions) => Effect.Effect<boolean, CacheError.CacheError>
  /** How many were written. */
  readonly setMany: (
    entries: ReadonlyArray<readonly [id: Id, value: A]>,
    options?: SetOptions
  ) => Effect.Effect<number, CacheError.CacheError>
  /** Whether there was anything. */
  readonly delete: (id: Id) => Effect.Effect<boolean, CacheError.CacheError>
  /** How many there were. */
  readonly deleteMany: (ids: ReadonlyArray<Id>) => Effect.Effect<number, CacheError.CacheError>
  readonly has: (id: Id) => Effect.Effect<boolean, CacheError.CacheError>
  /** The time left, `undefined` if there is no such entry. */
  readonly ttl: (id: Id) => Effect.Effect<Duration.Duration | undefined, CacheError.CacheError>
  /** Gives an entry a new TTL, counted from now; false if there is none. */
  readonly expire: (id: Id, ttl: Ttl.Input) => Effect.Effect<boolean, CacheError.CacheError>
}

/** What an `EntityCache` is made of. */
export interface Parts<Id, A> {
  readonly backend: CacheBackend.CacheBackend["Service"]
  readonly codec: Codec.Codec<A>
  readonly policy: LoadPolicy.Options<A>
  readonly defaults: LoadPolicy.Defaults
  readonly onWrite: Entity.OnWrite
  /** The whole key. Throws a `CacheError`. */
  readonly keyOf: (id: Id) => string
  /** The whole tags of an entry, `own` being those of the call. Throws a `CacheError`. */
  readonly tagsOf: (id: Id, own: ReadonlyArray<Tag.Tag> | undefined) => ReadonlyArray<string>
  readonly readThrough: ReadThrough.ReadThrough
  readonly domain: Metrics.Domain
  readonly now: MonotonicClock.Now
}

export const make = <Id, A>(given: Parts<Id, A>): EntityCache<Id, A> => {
  const parts = { ...given, ...Bookmarks.make(given.keyOf) }
  const { backend, bookmarkOf, codec, domain, keyOf, now, tagsOf } = parts
  const { counters, operations } = domain
  const { counted, withKey, withKeys, write, writeOne } = Keyed.make(parts)
  const policy = LoadPolicy.resolve("set", parts.policy, parts.defaults)
  const loads = Loads.make(parts)
  const expire = Expiring.make(parts, policy)
  const grace = policy.graceMillis === 0 ? undefined : Duration.millis(policy.graceMillis)

  const withJitter = (options: CacheBackend.GetOptions | undefined) =>
    policy.jitter === 0 ? options : { ...options, jitter: options?.jitter ?? policy.jitter }

  const read = (key: string, options: CacheBackend.GetOptions | undefined) =>
    Effect.map(backend.get(key, codec, withJitter(options)), count)

  /** Counts a read, and returns what it has hit. */
  const count = (entry: Entry.Entry<A> | undefined): Entry.Entry<A> | undefined => {
    if (entry === undefined || !Lookups.isHit(entry, now())) counters.misses++
    else if (entry.tier === "l1") counters.l1Hits++
    else counters.l2Hits++
    return entry
  }

  const valueOf = (entry: Entry.Entry<A> | undefined) =>
    entry !== undefined && Lookups.isHit(entry, now()) ? entry.value : undefined

  /** Throws a `CacheError`: who writes JavaScript may give any text for `only`, and would overwrite. */
  const backendOptionsOf = (ttl: Ttl.Input, options: SetOptions | undefined): CacheBackend.SetOptions => {
    const only = options?.only
    if (only !== undefined && only !== "absent" && only !== "present") {
      throw CacheError.make("set", "InvalidOption", '`only` is "absent" or "present"')
    }
    return { ttl, grace, only, push: parts.onWrite === "update" }
  }

  const ttlMillisOf = (value: A, options: SetOptions | undefined): number =>
    options?.ttl === undefined
      ? policy.ttlMillis(value)
      : policy.ownTtlMillis(value, Ttl.toMillisUnsafe("set", options.ttl))

  /** What a write does with values that are not kept: what they would have replaced is not to be read any more. */
  const replaceByNothing = (keys: ReadonlyArray<string>, options: SetOptions | undefined) =>
    options?.only === "absent" ? Effect.void : Effect.asVoid(backend.deleteMany(keys))

  const written = (count: number) => void (counters.sets += count)
  const deleted = (count: number) => void (counters.deletes += count)

  const peek = Peeks.make(parts)
  const peekToGet = (id: Id) => peek(bookmarkOf(id), operations.get)

  function lookup(
    id: Id,
    options?: CacheBackend.GetOptions
  ): Effect.Effect<Lookup<A | undefined> | undefined, CacheError.CacheError>
  function lookup<B extends Loader.Answer<A>, E = never, R = never>(
    id: Id,
    loader: Loader.Loader<A, B, E, R>,
    options?: LoadOptions<A>
  ): Effect.Effect<Lookup<Loader.Loaded<A, B>>, E | CacheError.CacheError, R>
  function lookup<B extends Loader.Answer<A>, E, R>(
    id: Id,
    second?: CacheBackend.GetOptions | Loader.Loader<A, B, E, R>,
    options?: LoadOptions<A>
  ): Effect.Effect<Lookup<A | undefined> | undefined, E | CacheError.CacheError, R> {
    if (Effect.isEffect(second) || typeof second === "function") return loads.lookupOrLoad(id, second, options)
    return Effect.map(
      withKey("get", id, (key) => read(key, second)),
      (entry) => entry && Lookups.ofEntry(entry, now())
    )
  }

  return {
    getOrLoad: loads.getOrLoad,
    getManyOrLoad: loads.getManyOrLoad,
    refresh: loads.refresh,
    lookup,
    peek: (id) => peek(bookmarkOf(id), operations.peek),
    peekPromise: (id) => {
      const bookmark = bookmarkOf(id)
      const value = peek(bookmark, operations.peek)
      return value === undefined ? undefined : Snapshot.promiseOf(bookmark.entry?.snapshot, codec, value)
    },
    get: (id, options) => {
      const ask = () => CacheError.suspend(() => counted("get", Effect.map(read(keyOf(id), options), valueOf)))
      return options?.fresh === true ? ask() : new Immediate(peekToGet, id, ask)
    },
    getMany: (ids, options) =>
      Effect.map(
        withKeys("getMany", ids, (keys) => backend.getMany(keys, codec, withJitter(options))),
        (entries) => {
          entries.forEach(count)
          return new Map(ids.map((id, index) => [id, valueOf(entries[index])]))
        }
      ),
    set: (id, value, options) =>
      Effect.tap(
        writeOne("set", id, (key) =>
          CacheError.suspend(() => {
            const ttlMillis = ttlMillisOf(value, options)
            const backendOptions = backendOptionsOf(Duration.millis(ttlMillis), options)
            if (ttlMillis === 0) return Effect.as(replaceByNothing([key], options), false)
            const tags = tagsOf(id, options?.tags)
            return backend.set(key, codec, value, { ...backendOptions, tags })
          })
        ),
        (isWritten) => Effect.sync(() => written(isWritten ? 1 : 0))
      ),
    setMany: (entries, options) =>
      Effect.tap(
        write(
          "setMany",
          entries.map(([id]) => id),
          (keys) =>
            CacheError.suspend(() => {
              const backendOptions = backendOptionsOf(options?.ttl ?? parts.defaults.ttl, options)
              const dropped = new Array<string>()
              const kept = entries.flatMap(([id, value], index) => {
                const [key, ttlMillis] = [keys[index] ?? keyOf(id), ttlMillisOf(value, options)]
                if (ttlMillis > 0) {
                  const ttl = Duration.millis(ttlMillis)
                  return [[key, value, { ttl, tags: tagsOf(id, options?.tags) }] as const]
                }
                dropped.push(key)
                return []
              })
              const set = backend.setMany(kept, codec, backendOptions)
              return dropped.length === 0 ? set : Effect.andThen(replaceByNothing(dropped, options), set)
            })
        ),
        (count) => Effect.sync(() => written(count))
      ),
    delete: (id) =>
      Effect.tap(writeOne("delete", id, backend.delete), (existed) => Effect.sync(() => deleted(existed ? 1 : 0))),
    deleteMany: (ids) =>
      Effect.tap(write("deleteMany", ids, backend.deleteMany), (count) => Effect.sync(() => deleted(count))),
    has: (id) => withKey("has", id, backend.has),
    ttl: (id) => withKey("ttl", id, backend.ttl),
    expire: (id, ttl) => writeOne("expire", id, (key) => expire(key, ttl))
  }
}
