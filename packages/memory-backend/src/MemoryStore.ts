/**
 * What a memory backend keeps: entries, bounded, and the states of scripts and the leases, apart from them.
 *
 * **Details**
 *
 * A key holds an entry or a state. States (locks, limits) do not count towards the limits and are not evicted: a lock
 * that vanished because many quotes were stored would not be a lock. They live until their deadline.
 *
 * A key without a state may have a lease, which every write to the key voids. Nor is a lease evicted, and it outlives the eviction
 * of the entry that it is to replace. It is there until its end, and after it for as long as that entry is, see `lease`.
 *
 * Dead entries are removed when they are met. Those that nobody asks for any more would push living ones out of the
 * bounded store, so each write also looks at `SWEPT_PER_WRITE` others. Only writes fill a store, so writes clean it: there is no
 * timer that would keep a process alive, and a store of n entries has been swept through after n / 4 writes. A state that
 * replaces one fills nothing: it looks at one other.
 *
 * Entries and leases have tags, each their own, which are forgotten with them.
 */
import { type CacheError, type LocalStore, MonotonicClock } from "@tiercache/core"
import { Effect } from "effect"
import * as TagIndex from "./internal/TagIndex.ts"
import * as LruStore from "./LruStore.ts"

/** What a script keeps under a key. `Infinity` is no deadline. */
export interface Held<out State> {
  readonly type: string
  readonly state: State
  readonly goneAfter: number
}

/** The right to load a value, see `Lease` in core. */
export interface Lease {
  /** None if the last load failed: nobody has the lease, and nobody gets it until its end. */
  readonly token: string | undefined
  readonly until: number
  readonly isAwaited: boolean
  /** Whether there was an entry when it was taken. It may be evicted since, which an L1 that holds a copy does not hear. */
  readonly replacesEntry: boolean
  readonly tags: ReadonlyArray<string>
}

/** Except for `keys`, nothing of it tells of what has expired. */
export interface MemoryStore {
  /** Milliseconds of the monotonic clock that all deadlines are measured with. */
  readonly now: MonotonicClock.Now
  /** The version of the next entry: above all earlier ones. */
  readonly nextVersion: () => number
  /** The entry, living or not, as a use of it: for who compares its deadlines with the time anyway. */
  readonly meet: LocalStore.LocalStore["Service"]["get"]
  /** The living entry, as a use of it. */
  readonly use: (key: string) => LocalStore.LocalEntry | undefined
  /** The living entry, not counted as use. */
  readonly peek: (key: string) => LocalStore.LocalEntry | undefined
  /** `at` spares reading the clock once more. */
  readonly held: (key: string, at?: number) => Held<unknown> | undefined
  /** When the entry or state under the key is gone; `undefined` if there is none. */
  readonly goneAfter: (key: string) => number | undefined
  /** The lease of the key. One that has ended is there for its holder only, as long as there is an entry that nobody replaced. */
  readonly lease: (key: string) => Lease | undefined
  readonly set: (key: string, entry: LocalStore.LocalEntry, tags: ReadonlyArray<string>) => void
  /** As `set`, but leaves the lease and the tags of the entry alone. */
  readonly amend: (key: string, entry: LocalStore.LocalEntry) => void
  readonly hold: (key: string, held: Held<unknown>, at?: number) => void
  readonly grant: (key: string, lease: Lease) => void
  readonly endLease: (key: string) => void
  /** Whether there was anything but a lease. */
  readonly delete: (key: string) => boolean
  /** The keys whose entry carries a tag, each once, those included that have expired and were not met since. */
  readonly tagged: (tag: string) => Iterable<string>
  /** The keys whose lease carries it, likewise. */
  readonly leasedUnder: (tag: string) => Iterable<string>
  /** The tags of an entry. */
  readonly tags: (key: string) => ReadonlyArray<string>
  /** All keys at this moment, each once, those included that have expired and were not met since, and those with a lease only. */
  readonly keys: () => ReadonlyArray<string>
  readonly stats: () => LocalStore.Stats
  /** How many states there are. */
  readonly stateCount: () => number
  /** How many tags there are of entries, and of leases. */
  readonly tagCounts: () => { readonly entries: number; readonly leases: number }
}

/** More than one, so that a sweep ends although each write may add an entry. */
const SWEPT_PER_WRITE = 4

/** Makes an empty store, on the clock of the running fiber. */
export const make = Effect.fnUntraced(function* (
  options?: LruStore.Options
): Effect.fn.Return<MemoryStore, CacheError.CacheError> {
  const now = yield* MonotonicClock.now
  const entryTags = TagIndex.make()
  const leaseTags = TagIndex.make()
  const entries = yield* LruStore.makeWith(options, entryTags.delete)
  const states = new Map<string, Held<unknown>>()
  const leases = new Map<string, Lease>()
  let lastVersion = 0

  const remove = (key: string) => {
    entryTags.delete(key)
    return entries.delete(key)
  }
  const endLease = (key: string) => {
    leaseTags.delete(key)
    leases.delete(key)
  }
  const living = (key: string, entry: LocalStore.LocalEntry | undefined) => {
    if (entry === undefined || now() < entry.goneAfter) return entry
    remove(key)
    return undefined
  }
  const peek = (key: string) => living(key, entries.peek(key))
  const held = (key: string, at = now()) => {
    const state = states.get(key)
    if (state === undefined || at < state.goneAfter) return state
    states.delete(key)
    return undefined
  }
  const lease = (key: string) => {
    const lease = leases.get(key)
    if (lease === undefined || now() < lease.until) return lease
    if (lease.token !== undefined && peek(key) !== undefined) return lease
    endLease(key)
    return undefined
  }
  const goneAfter = (key: string) => (peek(key) ?? held(key))?.goneAfter
  // from the most to the least recently used: entries that are used or added meanwhile move behind the sweep, so it ends
  const sweepEntries = makeSweep(entries.keys, peek)
  const sweepStates = makeSweep(() => states.keys(), held)
  const sweepLeases = makeSweep(() => leases.keys(), lease)
  const amend = (key: string, entry: LocalStore.LocalEntry) => {
    if (!entries.set(key, entry)) entryTags.delete(key)
    sweepEntries()
  }

  return {
    now,
    nextVersion: () => ++lastVersion,
    meet: entries.get,
    use: (key) => living(key, entries.get(key)),
    peek,
    held,
    goneAfter,
    lease,
    set: (key, entry, tags) => {
      states.delete(key)
      endLease(key)
      // first, so that they go if the entry finds no room
      entryTags.set(key, tags)
      amend(key, entry)
    },
    amend,
    hold: (key, held, at) => {
      const isNew = !states.has(key)
      // where a state is, no entry is
      if (isNew) remove(key)
      if (leases.has(key)) endLease(key)
      states.set(key, held)
      sweepStates(isNew ? SWEPT_PER_WRITE : 1, at)
    },
    grant: (key, lease) => {
      leases.set(key, lease)
      leaseTags.set(key, lease.tags)
      sweepLeases()
    },
    endLease,
    delete: (key) => {
      endLease(key)
      return goneAfter(key) !== undefined && (remove(key) || states.delete(key))
    },
    tagged: entryTags.keys,
    leasedUnder: leaseTags.keys,
    tags: entryTags.tags,
    keys: () => [...new Set([...entries.keys(), ...states.keys(), ...leases.keys()])],
    stats: entries.stats,
    stateCount: () => states.size,
    tagCounts: () => ({ entries: entryTags.size(), leases: leaseTags.size() })
  }
})

/** Looks at a few keys, where the last call stopped; `look` removes what is dead. */
const makeSweep = (keys: () => Iterable<string>, look: (key: string, at?: number) => unknown) => {
  let cursor = keys()[Symbol.iterator]()
  let next = cursor.next()
  return (count = SWEPT_PER_WRITE, at?: number) => {
    for (let looked = 0; looked < count; looked++) {
      if (next.done === true) cursor = keys()[Symbol.iterator]()
      const current = next
      // lru-cache's iterators lose their place when the key under them is removed, so they move on first
      next = cursor.next()
      if (current.done !== true) look(current.value, at)
    }
  }
}
