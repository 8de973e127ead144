/**
 * A cache backend inside the process: for unit tests, for one process, and as what several in-process caches share.
 */
import {
  CacheBackend,
  CacheError,
  type Codec,
  type Entry,
  Invalidation,
  type KeyPattern,
  type LocalStore,
  Snapshot,
  Ttl
} from "@tiercache/core"
import { Context, Duration, Effect, Layer, type Scope, Stream } from "effect"
import * as InProcessBus from "./InProcessBus.ts"
import { integerIn, ZERO } from "./internal/counting.ts"
import { runScript } from "./internal/runScript.ts"
import type * as LruStore from "./LruStore.ts"
import * as MemoryStore from "./MemoryStore.ts"

/** What plays the server: backends over the same store and bus are like processes over one Redis. */
export interface Shared {
  readonly store: MemoryStore.MemoryStore
  readonly bus: InProcessBus.InProcessBus
}

export const makeShared = (options?: LruStore.Options): Effect.Effect<Shared, CacheError.CacheError, Scope.Scope> =>
  Effect.all({ store: MemoryStore.make(options), bus: InProcessBus.make })

/**
 * One backend over what is shared, under a name of its own.
 *
 * **Details**
 *
 * - Values are kept as `Snapshot`s: a hit hands out one frozen value to all readers, where that is possible.
 * - A value larger than `maxBytes` is written and at once evicted: `set` is true, and a read finds nothing.
 * - Scripts run their reducers, with the monotonic clock in microseconds as their time: it is never set back.
 */
export const make = Effect.fnUntraced(function* ({ bus, store }: Shared, origin: string) {
  const { invalidation, publish, publishMissing, publishPattern, subscribeToChanges } = yield* bus.connect(origin)
  let unreadable = 0

  const read = <A>(entry: LocalStore.LocalEntry, codec: Codec.Codec<A>, key: string): A | undefined => {
    try {
      return Snapshot.read(entry.snapshot, codec, key)
    } catch (error) {
      if (!CacheError.isCacheError(error) || error.reason !== "Decode") throw error
      unreadable++
      return undefined
    }
  }

  const find = <A>(key: string, codec: Codec.Codec<A>): Entry.Entry<A> | undefined => {
    const entry = store.use(key)
    const value = entry && read(entry, codec, key)
    if (entry === undefined || value === undefined) return undefined
    const { freshUntil, goneAfter, version } = entry
    return { value, freshUntil, goneAfter, version, tier: "l1" }
  }

  const isAllowed = (only: CacheBackend.SetOptions["only"], key: string): boolean =>
    only === undefined || (store.goneAfter(key) === undefined) === (only === "absent")

  const write = (key: string, snapshot: Snapshot.Snapshot<unknown>, goneAfter: number) => {
    const entry = { snapshot, freshUntil: goneAfter, goneAfter, version: store.nextVersion() }
    store.set(key, entry)
    return entry
  }

  const announce = (kind: Invalidation.Kind, keys: ReadonlyArray<string>, details?: InProcessBus.Details) => {
    if (keys.length > 0) publish(kind, keys, details)
  }

  const setAll = (
    snapshots: ReadonlyMap<string, Snapshot.Snapshot<unknown>>,
    goneAfter: number,
    { only, push, writeId }: CacheBackend.SetOptions
  ) => {
    const written = new Set([...snapshots.keys()].filter((key) => isAllowed(only, key)))
    const pushed: Array<Invalidation.Pushed> = []
    for (const [key, snapshot] of snapshots) {
      if (!written.has(key)) continue
      const { freshUntil, version } = write(key, snapshot, goneAfter)
      if (push === true) pushed.push({ payload: snapshot.encode(key), version, freshUntil, goneAfter })
    }
    announce("set", [...written], { writeId, pushed: push === true ? pushed : undefined })
    return written.size
  }

  const deleteAll = (keys: ReadonlyArray<string>) => {
    const deleted = new Set(keys.filter(store.delete))
    announce("delete", [...deleted])
    const missing = keys.filter((key) => !deleted.has(key))
    if (missing.length > 0) publishMissing(missing)
    return deleted.size
  }

  const increment = (key: string, options: CacheBackend.IncrementOptions) => {
    const ttl = Ttl.toMillisUnsafe("increment", options.ttl)
    const by = options.by ?? 1
    if (!Number.isSafeInteger(by)) throw CacheError.make("increment", "InvalidOption", "`by` is a safe integer")
    if (store.held(key) !== undefined) throw wrongType("increment")
    const entry = store.use(key)
    const counted = entry === undefined ? ZERO : integerIn(entry.snapshot.encode(key))
    const sum = counted.value + by
    if (!Number.isSafeInteger(sum)) {
      throw CacheError.make("increment", "WrongType", "the sum is beyond the safe integers")
    }
    write(key, counted.snapshot(sum, key), entry?.goneAfter ?? store.now() + ttl)
    announce("set", [key])
    return sum
  }

  const matching = function* (pattern: KeyPattern.KeyPattern) {
    for (const key of store.keys()) {
      if (pattern.matches(key) && store.goneAfter(key) !== undefined) yield key
    }
  }

  const backend = CacheBackend.CacheBackend.of({
    name: "memory",
    unsupported: new Set(),
    lateMillis: 0,
    peek: (key, codec) => {
      const entry = store.use(key)
      return entry && read(entry, codec, key)
    },
    get: (key, codec) =>
      CacheError.attempt(() => {
        const entry = find(key, codec)
        if (entry === undefined && store.held(key) !== undefined) throw wrongType("get")
        return entry
      }),
    getMany: (keys, codec) => CacheError.attempt(() => keys.map((key) => find(key, codec))),
    set: (key, codec, value, options) =>
      CacheError.attempt(() => {
        const goneAfter = store.now() + Ttl.toMillisUnsafe("set", options.ttl)
        const snapshot = Snapshot.make(codec, value, key)
        return setAll(new Map([[key, snapshot]]), goneAfter, options) > 0
      }),
    setMany: (entries, codec, options) =>
      CacheError.attempt(() => {
        const goneAfter = store.now() + Ttl.toMillisUnsafe("setMany", options.ttl)
        const snapshots = new Map(entries.map(([key, value]) => [key, Snapshot.make(codec, value, key)]))
        return setAll(snapshots, goneAfter, options)
      }),
    delete: (key) => Effect.sync(() => deleteAll([key]) > 0),
    deleteMany: (keys) => Effect.sync(() => deleteAll(keys)),
    has: (key) => Effect.sync(() => store.goneAfter(key) !== undefined),
    ttl: (key) =>
      Effect.sync(() => {
        const goneAfter = store.goneAfter(key)
        return goneAfter === undefined ? undefined : Duration.millis(goneAfter - store.now())
      }),
    expire: (key, ttl) =>
      CacheError.attempt(() => {
        const goneAfter = store.now() + Ttl.toMillisUnsafe("expire", ttl)
        const entry = store.peek(key)
        if (entry === undefined && store.held(key) !== undefined) throw wrongType("expire")
        if (entry === undefined) return false
        write(key, entry.snapshot, goneAfter)
        announce("expire", [key])
        return true
      }),
    scan: (pattern) => Stream.suspend(() => Stream.fromIterable(matching(pattern))),
    deletePattern: (pattern) =>
      Effect.sync(() => {
        const count = deleteAll([...matching(pattern)])
        publishPattern(pattern.glob)
        return count
      }),
    increment: (key, options) => CacheError.attempt(() => increment(key, options)),
    run: (script, keys, args) => CacheError.attempt(() => runScript(store, script, keys, args)),
    changes: Invalidation.feed(subscribeToChanges),
    health: Effect.sync(() => ({
      healthy: true,
      problem: undefined,
      details: { ...store.stats(), states: store.stateCount() }
    })),
    stats: () => ({ unreadable, local: store.stats() })
  })
  return { backend, invalidation }
})

/**
 * A backend that shares its store with nobody.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Cache } from "@tiercache/core"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const cache = yield* Cache.Cache
 *   yield* cache.set("greeting", "hello", { ttl: "1 minute" })
 *   return yield* cache.get("greeting")
 * })
 * const cacheInMemory = Cache.layer().pipe(Layer.provide(MemoryBackend.layer({ maxEntries: 1000 })))
 *
 * await Effect.runPromise(Effect.provide(program, cacheInMemory)) // => "hello"
 * ```
 */
export const layer = (
  options?: LruStore.Options
): Layer.Layer<CacheBackend.CacheBackend | Invalidation.Invalidation, CacheError.CacheError> =>
  Layer.effectContext(Effect.flatMap(makeShared(options), (shared) => makeContext(shared, "memory")))

/**
 * One of several backends over a store and a bus; `origin` is its name on the bus.
 *
 * **Example** (Two processes in one test)
 *
 * ```ts import.meta.vitest
 * import { CacheBackend, Codec } from "@tiercache/core"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect } from "effect"
 *
 * const { CacheBackend: Backend } = CacheBackend
 * const program = Effect.gen(function* () {
 *   const shared = yield* MemoryBackend.makeShared()
 *   const set = Backend.use((backend) => backend.set("key", Codec.msgpack, 1, { ttl: "1 minute" }))
 *   const get = Backend.use((backend) => backend.get("key", Codec.msgpack))
 *   yield* Effect.provide(set, MemoryBackend.layerShared(shared, "one process"))
 *   const entry = yield* Effect.provide(get, MemoryBackend.layerShared(shared, "another"))
 *   return entry?.value
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => 1
 * ```
 */
export const layerShared = (
  shared: Shared,
  origin: string
): Layer.Layer<CacheBackend.CacheBackend | Invalidation.Invalidation, CacheError.CacheError> =>
  Layer.effectContext(makeContext(shared, origin))

const makeContext = (shared: Shared, origin: string) =>
  Effect.map(make(shared, origin), ({ backend, invalidation }) =>
    Context.make(CacheBackend.CacheBackend, backend).pipe(Context.add(Invalidation.Invalidation, invalidation))
  )

const wrongType = (operation: string) => CacheError.make(operation, "WrongType", "the key holds the state of a script")
