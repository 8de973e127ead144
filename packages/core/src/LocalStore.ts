/**
 * A synchronous, bounded store inside the process: what L1 is made of.
 */
import { Context } from "effect"
import type * as Snapshot from "./Snapshot.ts"

/** Deadlines are in milliseconds of the process' monotonic clock. */
export interface LocalEntry {
  readonly snapshot: Snapshot.Snapshot<unknown>
  readonly freshUntil: number
  readonly goneAfter: number
  /** See `Entry`. */
  readonly version: number
}

/**
 * **Details**
 *
 * It evicts by its own policy to stay within its limits. It does not look at deadlines: who reads compares them with the
 * time, because the reader has it at hand.
 */
export class LocalStore extends Context.Service<
  LocalStore,
  {
    /** As a use of the entry, which puts off its eviction. */
    readonly get: (key: string) => LocalEntry | undefined
    readonly peek: (key: string) => LocalEntry | undefined
    /** Returns false, and holds nothing under the key, if the entry alone exceeds the limit in bytes. */
    readonly set: (key: string, entry: LocalEntry) => boolean
    readonly delete: (key: string) => boolean
    readonly clear: () => void
    readonly keys: () => Iterable<string>
    readonly stats: () => Stats
  }
>()("@tiercache/core/LocalStore") {}

export interface Stats {
  readonly entries: number
  /** Estimated, see `Snapshot`. */
  readonly bytes: number
  readonly evictions: number
}
