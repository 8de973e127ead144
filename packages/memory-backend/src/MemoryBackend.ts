/**
 * A cache backend inside the process: for unit tests, for one process, and as what several in-process caches share.
 */
import { CacheBackend, CacheError, Invalidation, type KeyPattern, Ttl } from "@tiercache/core"
import { Context, Duration, Effect, Layer, type Scope, Stream } from "effect"
import * as InProcessBus from "./InProcessBus.ts"
import * as Leases from "./internal/leases.ts"
import * as Reads from "./internal/reads.ts"
import { runScript } from "./internal/runScript.ts"
import * as Writes from "./internal/writes.ts"
import { wrongType } from "./internal/wrongType.ts"
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
 * - What is evicted is forgotten with its tags: `deleteTags` does not tell an L1 of it, which may hold it for the rest of its TTL.
 * - Scripts run their reducers, with the monotonic clock in microseconds as their time: it is never set back.
 */
export const make = Effect.fnUntraced(function* ({ bus, store }: Shared, origin: string) {
  const member = yield* bus.connect(origin)
  const { invalidation, subscribeToChanges } = member
  const reads = Reads.make(store)
  const { find, present } = reads

  const matching = function* (pattern: KeyPattern.KeyPattern) {
    for (const key of store.keys()) {
      if (pattern.matches(key) && store.goneAfter(key) !== undefined) yield key
    }
  }

  const backend = CacheBackend.CacheBackend.of({
    name: "memory",
    unsupported: new Set(),
    lateMillis: 0,
    inProcess: true,
    peek: reads.peek,
    peekEntry: find,
    get: (key, codec) =>
      CacheError.attempt(() => {
        const entry = find(key, codec)
        if (entry === undefined && store.held(key) !== undefined) throw wrongType("get")
        return entry
      }),
    getMany: (keys, codec) => CacheError.attempt(() => keys.map((key) => find(key, codec))),
    has: (key) => Effect.sync(() => present(key) !== undefined || store.held(key) !== undefined),
    ttl: (key) =>
      Effect.sync(() => {
        const deadline = present(key)?.freshUntil ?? store.held(key)?.goneAfter
        return deadline === undefined ? undefined : Duration.millis(deadline - store.now())
      }),
    scan: (pattern) => Stream.suspend(() => Stream.fromIterable(matching(pattern))),
    keysByTag: (tag) =>
      Stream.suspend(() => Stream.fromIterable([...store.tagged(tag)].filter((key) => store.peek(key) !== undefined))),
    ...Writes.make(store, member, reads),
    // what has a deadline is removed by the store itself, and what a script keeps without one is its own affair
    sweep: ({ maxAge }) =>
      CacheError.attempt(() => {
        Ttl.toMillisUnsafe("sweep", maxAge)
        return { trimmed: 0, orphans: 0, deleted: 0 }
      }),
    run: (script, keys, args) => CacheError.attempt(() => runScript(store, script, keys, args, member.publishWoken)),
    runUnsafe: (script, keys, args) => runScript(store, script, keys, args, member.publishWoken),
    changes: Invalidation.feed(subscribeToChanges),
    leases: Leases.make(store, member, reads),
    listen: invalidation.subscribe,
    health: Effect.sync(() => ({
      healthy: true,
      problem: undefined,
      warnings: [],
      details: { ...store.stats(), states: store.stateCount() }
    })),
    stats: () => ({ unreadable: reads.unreadable(), local: store.stats() })
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
