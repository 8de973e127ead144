/**
 * The contract that every backend keeps, and that `CacheBackendTest.suite` tests.
 *
 * **Details**
 *
 * - Keys are whole keys, prefix included, as `CacheKey` encodes them. Backends do not interpret them.
 * - Every operation that carries a value takes its `Codec`. Stores of bytes decode with it; stores of live values keep what
 *   the codec would have returned. A reader with another codec than the writer's gets what that one makes of the
 *   bytes; what it cannot read is a miss, and counted.
 * - Absence is `undefined`; `0`, `false`, `""`, `null` and `NaN` are values.
 * - What is gone is not returned, not counted and not listed. Until its TTL is over an entry is fresh, then for its grace
 *   stale, then gone. What is stale is returned by reads, told apart by its deadlines, and counted by deletes; for
 *   `has`, `ttl`, `expire`, `increment` and `only` it is not there any more.
 * - An entry may say that there is no value (`Entry`, value `undefined`). It is returned by reads and counted by deletes; for the
 *   others it is not there. A lease (`Lease`) without an entry is there for nobody.
 * - An entry carries the tags that its last `set` or `fill` gave it, and a lease those that it was taken with. `deleteTags` removes
 *   what carries a tag now. Tags are any text; what `expire` and `increment` change keeps them.
 * - Every write to an entry is announced to the listeners of the store's `Invalidation`, in the same atomic step. What a
 *   script keeps is its own affair and is not announced.
 * - Operations fail with `CacheError` only, and settle within the backend's deadline. Those that go through the keyspace (`scan`,
 *   `deletePattern`, `sweep`) or a tag take many steps, each within it, and can be interrupted between them. What such a step did, it
 *   has announced.
 */
import { Context, type Duration, type Effect, type Scope, type Stream } from "effect"
import type * as CacheError from "./CacheError.ts"
import type * as Codec from "./Codec.ts"
import type * as Entry from "./Entry.ts"
import type * as Invalidation from "./Invalidation.ts"
import type * as KeyPattern from "./KeyPattern.ts"
import type * as Lease from "./Lease.ts"
import type * as LocalStore from "./LocalStore.ts"
import type * as Script from "./Script.ts"
import type * as Ttl from "./Ttl.ts"

export interface GetOptions {
  /** Reads past L1, from the store that all processes share. */
  readonly fresh?: boolean | undefined
  /** What an L1 keeps is fresh for up to this part less of the time that is left, from 0 to 1, so that copies do not expire all at once. */
  readonly jitter?: number | undefined
}

export interface SetOptions {
  readonly ttl: Ttl.Input
  /** How much longer the value may be served stale; not at all unless given. */
  readonly grace?: Ttl.Input | undefined
  /** Write only where nothing is (`absent`), or only over an entry (`present`). */
  readonly only?: "absent" | "present" | undefined
  /**
   * Announces the value, not the key alone, so that those who hold the key need not read it. A backend may announce large values
   * by their key alone.
   */
  readonly push?: boolean | undefined
  /** Told to the listeners of the bus, see `Invalidation.Message`. */
  readonly writeId?: number | undefined
  /** What the entry can be deleted by. Those that it had are gone. */
  readonly tags?: ReadonlyArray<string> | undefined
  /** What the codec has made of the value, if that was done already. A store of bytes then takes it as it is. */
  readonly payload?: Uint8Array | undefined
}

/** What one of many entries has of its own; it counts more than the options of the call, of which a payload is none of many. */
export type OwnOptions = Partial<Pick<SetOptions, "ttl" | "tags" | "payload">>

/** One of many entries. */
export type ManyEntry<A> = readonly [key: string, value: A, own?: OwnOptions | undefined]

export interface IncrementOptions {
  /** An integer, 1 unless given. */
  readonly by?: number | undefined
  /** The life of a counter that the call creates; an existing one keeps its own. */
  readonly ttl: Ttl.Input
}

/** How far an operation is that goes through the keyspace. */
export interface Progress {
  /** Keys that it has looked at so far, those included that do not match. On Redis an estimate: a step of SCAN tells only what matches. */
  readonly scanned: number
  /** How many it has deleted. */
  readonly deleted: number
}

export interface DeletePatternOptions {
  /** Told after each batch. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

export interface SweepOptions {
  /** What the whole keys begin with, without the separator behind it. */
  readonly prefix: string
  /** Keys that begin so are left alone, whatever they hold. */
  readonly spared: ReadonlyArray<string>
  /** How long nobody has read or written what counts as orphaned. */
  readonly maxAge: Ttl.Input
  /** Counts only. */
  readonly dryRun?: boolean | undefined
  /** Told after each batch. */
  readonly onProgress?: ((progress: SweepProgress) => void) | undefined
  /** Told the keys of each batch that are deleted. */
  readonly onDeleted?: ((keys: ReadonlyArray<string>) => void) | undefined
}

/** What a sweep has found. */
export interface Swept {
  /** Members of tag indexes whose time was over, and that are removed, or would be. */
  readonly trimmed: number
  /** Keys that would stay for ever, and that nobody has used for long. */
  readonly orphans: number
  /** How many of them are deleted. */
  readonly deleted: number
}

export interface SweepProgress extends Swept {
  /** As in `Progress`. */
  readonly scanned: number
}

/** What a backend may lack. Calling it fails with `Unsupported`. */
export type Feature = "increment" | "expire" | "run" | "changes" | "leases" | "tags"

/** One announced write, see `Invalidation`. */
export type Change = Invalidation.Message

export interface Health {
  readonly healthy: boolean
  /** Why it is not healthy, for people; all reasons in one line. */
  readonly problem: string | undefined
  /** What works and is dangerous all the same, for people. */
  readonly warnings: ReadonlyArray<string>
  /** Facts by name: versions, sizes, connection states. Never a secret. */
  readonly details: Readonly<Record<string, string | number | boolean>>
}

/** Counters since the start. */
export interface Stats {
  /** Values in the store that no codec or envelope of this program understands; they count as misses. */
  readonly unreadable: number
  /** The L1 of a tiered backend, or all of a memory backend. */
  readonly local?: LocalStore.Stats | undefined
  /** How the L1 of a tiered backend is kept coherent. */
  readonly coherence?: CoherenceStats | undefined
}

export interface CoherenceStats {
  /** Whether L1 is read: not yet, yes, not now, not any more. */
  readonly state: "connecting" | "trusted" | "distrusted" | "closed"
  /** How often trust was lost. */
  readonly trustLapses: number
  /** Announcements heard, those of this process included. */
  readonly messages: number
  /** Entries that an announcement removed from L1. */
  readonly removed: number
  /** Entries that a pushed value replaced in L1. */
  readonly updated: number
  /** Reads whose result was returned but not kept, because something happened to the key meanwhile. */
  readonly refusedFills: number
  /** How often L1 was emptied: the bus was connected (again), a bounded table overflowed, a message said so or was not understood. */
  readonly epochs: Readonly<Record<"connected" | "overflow" | "flush", number>>
  /** Round trip of the last heartbeat, in milliseconds; NaN before the first. */
  readonly heartbeatMillis: number
  /** Age of the last announcement on arrival, in milliseconds; NaN before the first. */
  readonly lagMillis: number
  /** Keys with reads or writes under way to the store. */
  readonly inFlight: number
  /** Keys and tags whose last write or deletion was not acknowledged, and that are still to be deleted. */
  readonly unacknowledged: number
  /** Keys and tags that were deleted for that reason. */
  readonly repeatedDeletes: number
}

export class CacheBackend extends Context.Service<
  CacheBackend,
  {
    readonly name: string
    readonly unsupported: ReadonlySet<Feature>
    /** How long after a write has failed without an answer it may still be executed, in milliseconds. */
    readonly lateMillis: number
    /** Whether all that is stored stays in this process. Then secrets need not be encrypted. */
    readonly inProcess?: boolean | undefined

    /**
     * What this process holds and may serve right now; synchronous. A shared store alone never has anything. A bookmark of the key
     * spares a backend that minds it the look-up.
     */
    readonly peek: <A>(key: string, codec: Codec.Codec<A>, bookmark?: LocalStore.Bookmark) => A | undefined
    /** As `peek`, with all that is known of it, and stale entries too. */
    readonly peekEntry: <A>(key: string, codec: Codec.Codec<A>) => Entry.Entry<A> | undefined
    /** Fails with `WrongType` over a script's state. */
    readonly get: <A>(
      key: string,
      codec: Codec.Codec<A>,
      options?: GetOptions
    ) => Effect.Effect<Entry.Entry<A> | undefined, CacheError.CacheError>
    /** In the order of the keys. What is no entry is a miss. */
    readonly getMany: <A>(
      keys: ReadonlyArray<string>,
      codec: Codec.Codec<A>,
      options?: GetOptions
    ) => Effect.Effect<ReadonlyArray<Entry.Entry<A> | undefined>, CacheError.CacheError>
    /** Whether it was written, which `only` may prevent. What was written may be evicted at once. */
    readonly set: <A>(
      key: string,
      codec: Codec.Codec<A>,
      value: A,
      options: SetOptions
    ) => Effect.Effect<boolean, CacheError.CacheError>
    /** How many keys were written. A value that cannot be encoded fails the call before anything is written. Of a repeated key the last value counts. */
    readonly setMany: <A>(
      entries: ReadonlyArray<ManyEntry<A>>,
      codec: Codec.Codec<A>,
      options: SetOptions
    ) => Effect.Effect<number, CacheError.CacheError>
    /** Whether there was anything. If not, listeners of the bus are told all the same: they may hold what was evicted. */
    readonly delete: (key: string) => Effect.Effect<boolean, CacheError.CacheError>
    /** How many there were. */
    readonly deleteMany: (keys: ReadonlyArray<string>) => Effect.Effect<number, CacheError.CacheError>
    readonly has: (key: string) => Effect.Effect<boolean, CacheError.CacheError>
    /** The time left, `undefined` if there is no such key. */
    readonly ttl: (key: string) => Effect.Effect<Duration.Duration | undefined, CacheError.CacheError>
    /** Gives an entry a new TTL, counted from now, and leaves it its grace; false if there is none. Fails with `WrongType` over a script's state. */
    readonly expire: (key: string, ttl: Ttl.Input) => Effect.Effect<boolean, CacheError.CacheError>
    /** The keys that match. A key that lives throughout the scan is listed exactly once; others may be. */
    readonly scan: (pattern: KeyPattern.KeyPattern) => Stream.Stream<string, CacheError.CacheError>
    /** How many were deleted, as far as the store has said so. */
    readonly deletePattern: (
      pattern: KeyPattern.KeyPattern,
      options?: DeletePatternOptions
    ) => Effect.Effect<number, CacheError.CacheError>
    /**
     * Removes what nobody else would: members of tag indexes whose time is over, and orphans, which are keys under a prefix that have
     * neither a TTL nor, for long, a user. Only what looks like a value of a cache is one: on Redis a string.
     */
    readonly sweep: (options: SweepOptions) => Effect.Effect<Swept, CacheError.CacheError>
    /**
     * Deletes the entries and leases that carry any of the tags; how many entries there were. What gets such a tag meanwhile may be
     * deleted or not. `onDeleted` is told all that is gone, what the store had evicted included, before the call ends.
     */
    readonly deleteTags: (
      tags: ReadonlyArray<string>,
      onDeleted?: (keys: ReadonlyArray<string>) => void
    ) => Effect.Effect<number, CacheError.CacheError>
    /** The keys of the entries that carry the tag. One that does so throughout is listed exactly once; others may be. */
    readonly keysByTag: (tag: string) => Stream.Stream<string, CacheError.CacheError>
    /**
     * The new value. Fails with `WrongType` over anything but an integer, as `Codec.msgpack` or JSON text, and beyond
     * ±(2^53 - 1).
     */
    readonly increment: (key: string, options: IncrementOptions) => Effect.Effect<number, CacheError.CacheError>
    readonly run: <State, Args, Reply>(
      script: Script.Script<State, Args, Reply>,
      keys: ReadonlyArray<string>,
      args: Args
    ) => Effect.Effect<Reply, CacheError.CacheError>
    /**
     * As `run`, at once; throws a `CacheError`. Only where the store is in this process, so that there is nothing to wait for. Who
     * wraps a backend and replaces `run` leaves this out, or limits go past the wrapper.
     */
    readonly runUnsafe?:
      | (<State, Args, Reply>(
          script: Script.Script<State, Args, Reply>,
          keys: ReadonlyArray<string>,
          args: Args
        ) => Reply)
      | undefined
    /**
     * Waits until so many replicas have what was written under a key before, for half the time of an operation at most; how many have.
     * Only where there are replicas.
     */
    readonly awaitReplicas?:
      | ((key: string, replicas: number) => Effect.Effect<number, CacheError.CacheError>)
      | undefined
    /**
     * The writes of all processes, from now on. A reader who fell far behind, or may have missed something while the bus was
     * disconnected, gets a `flush` of no origin in its place.
     */
    readonly changes: Stream.Stream<Change, CacheError.CacheError>
    /** Who loads what is missing. */
    readonly leases: Lease.Leases
    /** Listens to the bus until the scope closes, see `Invalidation`. The backend's own copies are corrected before. */
    readonly listen: (listener: Invalidation.Listener) => Effect.Effect<void, CacheError.CacheError, Scope.Scope>
    /** Never fails: what is wrong is in the answer. */
    readonly health: Effect.Effect<Health>
    readonly stats: () => Stats
  }
>()("@tiercache/core/CacheBackend") {}
