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
 * - What has expired is not returned, not counted and not listed.
 * - Every write to an entry is announced to the listeners of the store's `Invalidation`, in the same atomic step. What a
 *   script keeps is its own affair and is not announced.
 * - Operations fail with `CacheError` only, and settle within the backend's deadline.
 */
import { Context, type Duration, type Effect, type Stream } from "effect"
import type * as CacheError from "./CacheError.ts"
import type * as Codec from "./Codec.ts"
import type * as Entry from "./Entry.ts"
import type * as Invalidation from "./Invalidation.ts"
import type * as KeyPattern from "./KeyPattern.ts"
import type * as LocalStore from "./LocalStore.ts"
import type * as Script from "./Script.ts"
import type * as Ttl from "./Ttl.ts"

export interface GetOptions {
  /** Reads past L1, from the store that all processes share. */
  readonly fresh?: boolean | undefined
}

export interface SetOptions {
  readonly ttl: Ttl.Input
  /** Write only where nothing is (`absent`), or only over an entry (`present`). */
  readonly only?: "absent" | "present" | undefined
  /**
   * Announces the value, not the key alone, so that those who hold the key need not read it. A backend may announce large values
   * by their key alone.
   */
  readonly push?: boolean | undefined
  /** Told to the listeners of the bus, see `Invalidation.Message`. */
  readonly writeId?: number | undefined
}

export interface IncrementOptions {
  /** An integer, 1 unless given. */
  readonly by?: number | undefined
  /** The life of a counter that the call creates; an existing one keeps its own. */
  readonly ttl: Ttl.Input
}

/** What a backend may lack. Calling it fails with `Unsupported`. */
export type Feature = "increment" | "expire" | "run" | "changes"

/** One announced write, see `Invalidation`. */
export type Change = Invalidation.Message

export interface Health {
  readonly healthy: boolean
  /** Why it is not healthy, for people. */
  readonly problem: string | undefined
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
  /** Keys whose last write was not acknowledged, and that are still to be deleted. */
  readonly unacknowledged: number
  /** Keys that were deleted for that reason. */
  readonly repeatedDeletes: number
}

export class CacheBackend extends Context.Service<
  CacheBackend,
  {
    readonly name: string
    readonly unsupported: ReadonlySet<Feature>
    /** How long after a write has failed without an answer it may still be executed, in milliseconds. */
    readonly lateMillis: number

    /** What this process holds and may serve right now; synchronous. A shared store alone never has anything. */
    readonly peek: <A>(key: string, codec: Codec.Codec<A>) => A | undefined
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
      entries: ReadonlyArray<readonly [key: string, value: A]>,
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
    /** Gives an entry a new TTL, counted from now; false if there is none. Fails with `WrongType` over a script's state. */
    readonly expire: (key: string, ttl: Ttl.Input) => Effect.Effect<boolean, CacheError.CacheError>
    /** The keys that match. A key that lives throughout the scan is listed exactly once; others may be. */
    readonly scan: (pattern: KeyPattern.KeyPattern) => Stream.Stream<string, CacheError.CacheError>
    /** How many were deleted. */
    readonly deletePattern: (pattern: KeyPattern.KeyPattern) => Effect.Effect<number, CacheError.CacheError>
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
     * The writes of all processes, from now on. A reader who fell far behind, or may have missed something while the bus was
     * disconnected, gets a `flush` of no origin in its place.
     */
    readonly changes: Stream.Stream<Change, CacheError.CacheError>
    /** Never fails: what is wrong is in the answer. */
    readonly health: Effect.Effect<Health>
    readonly stats: () => Stats
  }
>()("@tiercache/core/CacheBackend") {}
