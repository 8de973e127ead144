/**
 * What a memory backend keeps: entries, bounded, and the states of scripts, apart from them.
 *
 * **Details**
 *
 * A key holds an entry or a state. States (locks, limits) do not count towards the limits and are not evicted: a lock
 * that vanished because many quotes were stored would not be a lock. They live until their deadline.
 *
 * Dead entries are removed when they are met. Those that nobody asks for any more would push living ones out of the
 * bounded store, so each write also looks at `SWEPT_PER_WRITE` others. Only writes fill a store, so writes clean it: there is no
 * timer that would keep a process alive, and a store of n entries has been swept through after n / 4 writes.
 */
import { type CacheError, type LocalStore, MonotonicClock } from "@tiercache/core"
import { Effect } from "effect"
import * as LruStore from "./LruStore.ts"

/** What a script keeps under a key. `Infinity` is no deadline. */
export interface Held<out State> {
  readonly type: string
  readonly state: State
  readonly goneAfter: number
}

/** Except for `keys`, nothing of it tells of what has expired. */
export interface MemoryStore {
  /** Milliseconds of the monotonic clock that all deadlines are measured with. */
  readonly now: MonotonicClock.Now
  /** The version of the next entry: above all earlier ones. */
  readonly nextVersion: () => number
  /** The living entry, as a use of it. */
  readonly use: (key: string) => LocalStore.LocalEntry | undefined
  /** The living entry, not counted as use. */
  readonly peek: (key: string) => LocalStore.LocalEntry | undefined
  readonly held: (key: string) => Held<unknown> | undefined
  /** When the entry or state under the key is gone; `undefined` if there is none. */
  readonly goneAfter: (key: string) => number | undefined
  readonly set: (key: string, entry: LocalStore.LocalEntry) => void
  readonly hold: (key: string, held: Held<unknown>) => void
  /** Whether there was anything. */
  readonly delete: (key: string) => boolean
  /** All keys at this moment, those included that have expired and were not met since. */
  readonly keys: () => ReadonlyArray<string>
  readonly stats: () => LocalStore.Stats
  /** How many states there are. */
  readonly stateCount: () => number
}

/** More than one, so that a sweep ends although each write may add an entry. */
const SWEPT_PER_WRITE = 4

/** Makes an empty store, on the clock of the running fiber. */
export const make = Effect.fnUntraced(function* (
  options?: LruStore.Options
): Effect.fn.Return<MemoryStore, CacheError.CacheError> {
  const now = yield* MonotonicClock.now
  const entries = yield* LruStore.make(options)
  const states = new Map<string, Held<unknown>>()
  let lastVersion = 0

  const living = (key: string, entry: LocalStore.LocalEntry | undefined) => {
    if (entry === undefined || now() < entry.goneAfter) return entry
    entries.delete(key)
    return undefined
  }
  const peek = (key: string) => living(key, entries.peek(key))
  const held = (key: string) => {
    const state = states.get(key)
    if (state === undefined || now() < state.goneAfter) return state
    states.delete(key)
    return undefined
  }
  const goneAfter = (key: string) => (peek(key) ?? held(key))?.goneAfter
  // from the most to the least recently used: entries that are used or added meanwhile move behind the sweep, so it ends
  const sweepEntries = makeSweep(entries.keys, peek)
  const sweepStates = makeSweep(() => states.keys(), held)

  return {
    now,
    nextVersion: () => ++lastVersion,
    use: (key) => living(key, entries.get(key)),
    peek,
    held,
    goneAfter,
    set: (key, entry) => {
      states.delete(key)
      entries.set(key, entry)
      sweepEntries()
    },
    hold: (key, held) => {
      entries.delete(key)
      states.set(key, held)
      sweepStates()
    },
    delete: (key) => goneAfter(key) !== undefined && (entries.delete(key) || states.delete(key)),
    keys: () => [...entries.keys(), ...states.keys()],
    stats: entries.stats,
    stateCount: () => states.size
  }
})

/** Looks at a few keys, where the last call stopped; `look` removes what is dead. */
const makeSweep = (keys: () => Iterable<string>, look: (key: string) => unknown) => {
  let cursor = keys()[Symbol.iterator]()
  let next = cursor.next()
  return () => {
    for (let looked = 0; looked < SWEPT_PER_WRITE; looked++) {
      if (next.done === true) cursor = keys()[Symbol.iterator]()
      const current = next
      // lru-cache's iterators lose their place when the key under them is removed, so they move on first
      next = cursor.next()
      if (current.done !== true) look(current.value)
    }
  }
}
