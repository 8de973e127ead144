/**
 * The operations of a cache on one kind of key: typed ids and values for an entity, or untyped ones.
 */
import { Duration, Effect } from "effect"
import type * as CacheBackend from "./CacheBackend.ts"
import * as CacheError from "./CacheError.ts"
import type * as Codec from "./Codec.ts"
import type * as Entity from "./Entity.ts"
import type * as Entry from "./Entry.ts"
import type * as Metrics from "./Metrics.ts"
import type * as MonotonicClock from "./MonotonicClock.ts"
import type * as Ttl from "./Ttl.ts"

export interface SetOptions {
  /** The entity's unless given, then the cache's. */
  readonly ttl?: Ttl.Input | undefined
  /** Write only where nothing is (`absent`), or only over an entry (`present`). */
  readonly only?: "absent" | "present" | undefined
}

/** A hit with what is known about it. */
export interface Lookup<out A> {
  readonly value: A
  readonly tier: Entry.Tier
  /** Past its TTL, and within the time that a stale value may be served. */
  readonly stale: boolean
  /** The time until it is gone. */
  readonly expiresIn: Duration.Duration
}

/**
 * **Details**
 *
 * Values that come back may be shared by all readers and are then deeply frozen. Absence is `undefined`. Every operation
 * fails with `CacheError` only: an id that cannot be a key is reason `InvalidKey`.
 */
export interface EntityCache<Id, A> {
  /**
   * What this process holds and may serve at this moment; synchronous. Throws a `CacheError` with reason `InvalidKey`.
   */
  readonly peek: (id: Id) => A | undefined
  readonly get: (id: Id, options?: CacheBackend.GetOptions) => Effect.Effect<A | undefined, CacheError.CacheError>
  /** As `get`, with tier, staleness and time left. */
  readonly lookup: (
    id: Id,
    options?: CacheBackend.GetOptions
  ) => Effect.Effect<Lookup<A> | undefined, CacheError.CacheError>
  /** All ids in the order asked, `undefined` for a miss. */
  readonly getMany: (
    ids: ReadonlyArray<Id>,
    options?: CacheBackend.GetOptions
  ) => Effect.Effect<ReadonlyMap<Id, A | undefined>, CacheError.CacheError>
  /** Whether it was written, which `only` may prevent. */
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
  readonly defaultTtl: Ttl.Input
  readonly onWrite: Entity.OnWrite
  /** The whole key. Throws a `CacheError`. */
  readonly keyOf: (id: Id) => string
  readonly counters: Metrics.Counters
  readonly now: MonotonicClock.Now
}

export const make = <Id, A>(parts: Parts<Id, A>): EntityCache<Id, A> => {
  const { backend, codec, counters, keyOf, now } = parts

  const read = (key: string, options: CacheBackend.GetOptions | undefined) =>
    Effect.tap(backend.get(key, codec, options), (entry) => Effect.sync(() => count(entry)))

  const count = (entry: Entry.Entry<A> | undefined) => {
    if (entry === undefined) counters.misses++
    else if (entry.tier === "l1") counters.l1Hits++
    else counters.l2Hits++
  }

  const counted = <B>(effect: Effect.Effect<B, CacheError.CacheError>) =>
    Effect.tapError(effect, () => Effect.sync(() => counters.errors++))

  /** Runs an operation on one key; an id that is no key fails it. */
  const withKey = <B>(id: Id, operation: (key: string) => Effect.Effect<B, CacheError.CacheError>) =>
    counted(CacheError.suspend(() => operation(keyOf(id))))

  const withKeys = <B>(
    ids: ReadonlyArray<Id>,
    operation: (keys: ReadonlyArray<string>) => Effect.Effect<B, CacheError.CacheError>
  ) => counted(CacheError.suspend(() => operation(ids.map(keyOf))))

  /** Throws a `CacheError`: who writes JavaScript may give any text for `only`, and would overwrite. */
  const backendOptions = (options: SetOptions | undefined) => {
    const only = options?.only
    if (only !== undefined && only !== "absent" && only !== "present") {
      throw CacheError.make("set", "InvalidOption", '`only` is "absent" or "present"')
    }
    return { ttl: options?.ttl ?? parts.defaultTtl, only, push: parts.onWrite === "update" }
  }

  const written = (count: number) => {
    counters.sets += count
  }
  const deleted = (count: number) => {
    counters.deletes += count
  }

  const peek = (key: string) => {
    const value = backend.peek(key, codec)
    if (value !== undefined) counters.l1Hits++
    return value
  }

  return {
    peek: (id) => peek(keyOf(id)),
    // a hit takes no more than this: `withKey` would cost several steps of the fiber
    get: (id, options) =>
      CacheError.suspend(() => {
        const key = keyOf(id)
        const value = options?.fresh === true ? undefined : peek(key)
        return value === undefined
          ? counted(Effect.map(read(key, options), (entry) => entry?.value))
          : Effect.succeed(value)
      }),
    lookup: (id, options) =>
      Effect.map(
        withKey(id, (key) => read(key, options)),
        (entry) => entry && describe(entry, now())
      ),
    getMany: (ids, options) =>
      Effect.map(
        withKeys(ids, (keys) => backend.getMany(keys, codec, options)),
        (entries) => {
          entries.forEach(count)
          return new Map(ids.map((id, index) => [id, entries[index]?.value]))
        }
      ),
    set: (id, value, options) =>
      Effect.tap(
        withKey(id, (key) => backend.set(key, codec, value, backendOptions(options))),
        (isWritten) => Effect.sync(() => written(isWritten ? 1 : 0))
      ),
    setMany: (entries, options) =>
      Effect.tap(
        withKeys(
          entries.map(([id]) => id),
          (keys) =>
            backend.setMany(
              entries.map(([, value], index) => [keys[index]!, value] as const),
              codec,
              backendOptions(options)
            )
        ),
        (count) => Effect.sync(() => written(count))
      ),
    delete: (id) => Effect.tap(withKey(id, backend.delete), (existed) => Effect.sync(() => deleted(existed ? 1 : 0))),
    deleteMany: (ids) => Effect.tap(withKeys(ids, backend.deleteMany), (count) => Effect.sync(() => deleted(count))),
    has: (id) => withKey(id, backend.has),
    ttl: (id) => withKey(id, backend.ttl),
    expire: (id, ttl) => withKey(id, (key) => backend.expire(key, ttl))
  }
}

const describe = <A>(entry: Entry.Entry<A>, now: number): Lookup<A> => ({
  value: entry.value,
  tier: entry.tier,
  stale: now >= entry.freshUntil,
  expiresIn: Duration.millis(Math.max(0, entry.goneAfter - now))
})
