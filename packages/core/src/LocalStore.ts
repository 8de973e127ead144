/**
 * A synchronous, bounded store inside the process: what L1 is made of.
 */
import { Context } from "effect"
import type * as Snapshot from "./Snapshot.ts"

/** Deadlines are in milliseconds of the process' monotonic clock. Once it is given to a store, it is that store's. */
export interface LocalEntry {
  /** `Snapshot.gone` as soon as the store does not hold the entry any more: evicted, deleted or replaced. */
  snapshot: Snapshot.Snapshot<unknown>
  readonly freshUntil: number
  readonly goneAfter: number
  /** See `Entry`. */
  readonly version: number
}

/**
 * Where a reader who asks for one key again and again lets the store note what it found, so that it need not look it up each time.
 *
 * **Details**
 *
 * It is for one key of one store. What it notes counts as long as the store holds that entry, which the entry itself tells.
 */
export class Bookmark {
  readonly key: string
  entry: LocalEntry | undefined = undefined
  /** When the entry was last marked as used; the store's own count. */
  usedAt = 0
  constructor(key: string) {
    this.key = key
  }
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
    /** As a use of the entry, which puts off its eviction. A bookmark of the key spares looking it up, if the store minds it. */
    readonly get: (key: string, bookmark?: Bookmark) => LocalEntry | undefined
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
