/**
 * The right to load the value of a key, which one process of a fleet has at a time.
 *
 * **Details**
 *
 * A lease lies in the entry's own key, beside the value that it may replace. So whatever writes or removes the key (a set, a
 * delete, a deleted tag or pattern, a flush, an eviction) voids the lease in the same step, and what was loaded under it can no
 * longer be stored. This is the lease of Nishtala et al., "Scaling Memcache at Facebook" (NSDI 2013), section 3.2.1.
 *
 * Who cannot have the lease waits until it is settled, which the bus tells (`Invalidation`, kinds `released`, `failed` and `set`).
 */
import type { Effect } from "effect"
import type * as CacheError from "./CacheError.ts"
import type * as Codec from "./Codec.ts"
import type * as Entry from "./Entry.ts"
import type * as Invalidation from "./Invalidation.ts"
import type * as Snapshot from "./Snapshot.ts"

/** What there is under a key for somebody who would load its value. */
export type Lease<A> = Hit<A> | Granted<A> | Held<A> | Failed<A>

/** There is nothing to load. */
export interface Hit<out A> {
  readonly _tag: "Hit"
  readonly entry: Entry.Entry<A>
}

/** The caller is to load. */
export interface Granted<out A> {
  readonly _tag: "Granted"
  readonly previous: Entry.Entry<A> | undefined
}

/** Somebody else loads. */
export interface Held<out A> {
  readonly _tag: "Held"
  /** The token of who does. */
  readonly token: string
  /** How long the lease lasts unless it is renewed, in milliseconds. */
  readonly millis: number
  readonly previous: Entry.Entry<A> | undefined
}

/** The last load failed, and nobody is to try again yet. */
export interface Failed<out A> {
  readonly _tag: "Failed"
  /** For how long, in milliseconds. */
  readonly millis: number
  readonly previous: Entry.Entry<A> | undefined
}

export interface TakeOptions {
  /** Names the lease; from `Leases.token`. */
  readonly token: string
  /** How long the lease lasts unless it is renewed. */
  readonly millis: number
  /**
   * Whether to load what is gone or stale only, or in any case. What was granted to others is not taken from them; what was granted
   * under the same token is granted again.
   */
  readonly when: "stale" | "always"
  /** See `CacheBackend.GetOptions`. */
  readonly jitter?: number | undefined
  /** By key: what the lease can be voided by, with `CacheBackend.deleteTags`. The entry beside it keeps its own. */
  readonly tags?: ReadonlyMap<string, ReadonlyArray<string>> | undefined
}

/** What was loaded for a key. */
export interface Loaded<A> {
  readonly key: string
  /** `Snapshot.absent` for a value that does not exist. */
  readonly snapshot: Snapshot.Snapshot<A>
  /** What the codec made of the value; empty for one that does not exist. */
  readonly payload: Uint8Array
  /** How long it is fresh, and how much longer it may be served stale. */
  readonly ttlMillis: number
  readonly graceMillis: number
  /** See `CacheBackend.SetOptions`. */
  readonly tags?: ReadonlyArray<string> | undefined
  /** See `Codec`. */
  readonly local?: boolean | undefined
}

export interface FillOptions {
  readonly token: string
  /** See `CacheBackend.SetOptions`. Nothing is announced of a key that had no value. */
  readonly push?: boolean | undefined
  readonly writeId?: number | undefined
}

export interface ReleaseOptions {
  /** The load failed: who waits fails too, and for that long, which may be 0, nobody tries again. */
  readonly failedForMillis?: number | undefined
}

/** All operations take several keys and one token; their answers are in the order of the keys. */
export interface Leases {
  /** A new one, which no other process has. */
  readonly token: () => string
  /**
   * Finds what is there, or takes the lease, in one step. Fails with `WrongType` over a script's state. What it takes is not
   * announced. A value that no codec or envelope here understands is none.
   */
  readonly take: <A>(
    keys: ReadonlyArray<string>,
    codec: Codec.Codec<A>,
    options: TakeOptions
  ) => Effect.Effect<ReadonlyArray<Lease<A>>, CacheError.CacheError>
  /** Stores what was loaded wherever the lease is still there; whether it was. That ends the lease. */
  readonly fill: <A>(
    loaded: ReadonlyArray<Loaded<A>>,
    options: FillOptions
  ) => Effect.Effect<ReadonlyArray<boolean>, CacheError.CacheError>
  /** Lets leases last that long from now; whether each was still there. */
  readonly renew: (
    keys: ReadonlyArray<string>,
    token: string,
    millis: number
  ) => Effect.Effect<ReadonlyArray<boolean>, CacheError.CacheError>
  /** Ends leases without a value. What was there before stays. Does nothing where the lease is no longer there. */
  readonly release: (
    keys: ReadonlyArray<string>,
    token: string,
    options?: ReleaseOptions
  ) => Effect.Effect<void, CacheError.CacheError>
}

/** A token, from the name of a process on the bus and a number that it uses once. */
export const tokenOf = (origin: string, id: number): string => `${origin}:${id}`

/** The lease that a message of kind `released` or `failed` is about. */
export const tokenOfMessage = ({ origin, writeId }: Invalidation.Message): string => tokenOf(origin, writeId ?? 0)
