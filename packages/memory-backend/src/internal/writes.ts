/**
 * Writing to a store, and announcing it.
 */
import {
  type CacheBackend,
  CacheError,
  type Codec,
  type Invalidation,
  type KeyPattern,
  type LocalStore,
  Snapshot,
  Tag,
  Ttl
} from "@tiercache/core"
import { Effect } from "effect"
import type * as InProcessBus from "../InProcessBus.ts"
import type * as MemoryStore from "../MemoryStore.ts"
import { integerIn, ZERO } from "./counting.ts"
import type * as Reads from "./reads.ts"
import { wrongType } from "./wrongType.ts"

type Writes = Pick<
  CacheBackend.CacheBackend["Service"],
  "set" | "setMany" | "delete" | "deleteMany" | "deletePattern" | "deleteTags" | "expire" | "increment"
>

export const make = (
  store: MemoryStore.MemoryStore,
  { publish, publishMissing, publishPatterns }: InProcessBus.Member,
  { present }: Reads.Reads
): Writes => {
  const isAllowed = (only: CacheBackend.SetOptions["only"], key: string): boolean =>
    only === undefined || (present(key) === undefined && store.held(key) === undefined) === (only === "absent")

  const announce = (kind: Invalidation.Kind, keys: ReadonlyArray<string>, details?: InProcessBus.Details) => {
    if (keys.length > 0) publish(kind, keys, details)
  }

  const setAll = (all: ReadonlyMap<string, Entry>, { only, push, writeId }: CacheBackend.SetOptions) => {
    const written = new Set([...all.keys()].filter((key) => isAllowed(only, key)))
    const pushed: Array<Invalidation.Pushed> = []
    for (const [key, { freshUntil, goneAfter, snapshot, tags }] of all) {
      if (!written.has(key)) continue
      const version = store.nextVersion()
      store.set(key, { snapshot, freshUntil, goneAfter, version }, tags)
      if (push === true) pushed.push({ payload: snapshot.encode(key), version, freshUntil, goneAfter })
    }
    announce("set", [...written], { writeId, pushed: push === true ? pushed : undefined })
    return written.size
  }

  /** What a value is as an entry that is written now. Throws a `CacheError`. */
  const entryOf = <A>(
    operation: string,
    codec: Codec.Codec<A>,
    [key, value, own]: CacheBackend.ManyEntry<A>,
    { grace, tags, ttl }: CacheBackend.SetOptions
  ): Entry => {
    const freshUntil = store.now() + Ttl.toMillisUnsafe(operation, own?.ttl ?? ttl)
    return {
      snapshot: Snapshot.make(codec, value, key),
      freshUntil,
      goneAfter: freshUntil + (grace === undefined ? 0 : Ttl.toMillisUnsafe(operation, grace)),
      tags: Tag.distinct(operation, own?.tags ?? tags ?? [])
    }
  }

  const deleteAll = (keys: ReadonlyArray<string>) => {
    const deleted = new Set(keys.filter(store.delete))
    announce("delete", [...deleted])
    const missing = keys.filter((key) => !deleted.has(key))
    if (missing.length > 0) publishMissing(missing)
    return deleted.size
  }

  /** In batches, so that many keys do not keep the process from doing anything else. */
  const deletePattern = Effect.fnUntraced(function* (
    { globs, matches }: KeyPattern.KeyPattern,
    { onProgress }: CacheBackend.DeletePatternOptions = {}
  ) {
    const keys = store.keys()
    let deleted = 0
    for (let start = 0; start < keys.length; start += DELETED_AT_ONCE) {
      if (start > 0) yield* Effect.yieldNow
      const batch = keys.slice(start, start + DELETED_AT_ONCE)
      deleted += deleteAll(batch.filter(matches))
      onProgress?.({ scanned: start + batch.length, deleted })
    }
    publishPatterns(globs)
    return deleted
  })

  const deleteTags = (tags: ReadonlyArray<string>, onDeleted: ((keys: ReadonlyArray<string>) => void) | undefined) => {
    const entries = tags.flatMap((tag) => [...store.tagged(tag)]).filter((key) => store.peek(key) !== undefined)
    const leased = tags.flatMap((tag) => [...store.leasedUnder(tag)]).filter((key) => store.lease(key) !== undefined)
    const keys = [...new Set([...entries, ...leased])]
    const count = deleteAll(keys)
    onDeleted?.(keys)
    return count
  }

  const expire = (key: string, ttl: Ttl.Input) => {
    const freshUntil = store.now() + Ttl.toMillisUnsafe("expire", ttl)
    if (store.held(key) !== undefined) throw wrongType("expire")
    const entry = present(key)
    if (entry === undefined) return false
    const goneAfter = freshUntil + (entry.goneAfter - entry.freshUntil)
    store.amend(key, { snapshot: entry.snapshot, freshUntil, goneAfter, version: store.nextVersion() })
    announce("expire", [key])
    return true
  }

  const increment = (key: string, options: CacheBackend.IncrementOptions) => {
    const ttl = Ttl.toMillisUnsafe("increment", options.ttl)
    const by = options.by ?? 1
    if (!Number.isSafeInteger(by)) throw CacheError.make("increment", "InvalidOption", "`by` is a safe integer")
    if (store.held(key) !== undefined) throw wrongType("increment")
    const entry = present(key)
    const counted = entry === undefined ? ZERO : integerIn(entry.snapshot.encode(key))
    const sum = counted.value + by
    if (!Number.isSafeInteger(sum)) {
      throw CacheError.make("increment", "WrongType", "the sum is beyond the safe integers")
    }
    const deadline = store.now() + ttl
    const { freshUntil, goneAfter } = entry ?? { freshUntil: deadline, goneAfter: deadline }
    const tags = entry === undefined ? [] : store.tags(key)
    store.set(key, { snapshot: counted.snapshot(sum, key), freshUntil, goneAfter, version: store.nextVersion() }, tags)
    announce("set", [key])
    return sum
  }

  return {
    set: (key, codec, value, options) =>
      CacheError.attempt(() => setAll(new Map([[key, entryOf("set", codec, [key, value], options)]]), options) > 0),
    setMany: (entries, codec, options) =>
      CacheError.attempt(() =>
        setAll(new Map(entries.map((entry) => [entry[0], entryOf("setMany", codec, entry, options)])), options)
      ),
    delete: (key) => Effect.sync(() => deleteAll([key]) > 0),
    deleteMany: (keys) => Effect.sync(() => deleteAll(keys)),
    deletePattern,
    deleteTags: (tags, onDeleted) => Effect.sync(() => deleteTags(tags, onDeleted)),
    expire: (key, ttl) => CacheError.attempt(() => expire(key, ttl)),
    increment: (key, options) => CacheError.attempt(() => increment(key, options))
  }
}

/** To look at and delete as many takes less than 1 ms. */
const DELETED_AT_ONCE = 1000

/** What is to be written. */
interface Entry extends Omit<LocalStore.LocalEntry, "version"> {
  readonly tags: ReadonlyArray<string>
}
