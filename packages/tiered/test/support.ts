/**
 * Tiered caches over one memory store and one in-process bus, as processes over one Redis, on the test clock.
 */
import { CacheBackend, CacheError, Codec, Invalidation, type LocalStore } from "@tiercache/core"
import { type InProcessBus, LruStore, MemoryBackend } from "@tiercache/memory-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Context, Effect, Layer, type Scope } from "effect"

type Backend = CacheBackend.CacheBackend["Service"]

/** A cache of the fleet. */
interface Member {
  readonly backend: Backend
  readonly states: TieredBackend.TrustStates["Service"]
}

export interface Fleet {
  readonly bus: InProcessBus.InProcessBus
  /** Makes the store forget keys, as an eviction does: nobody is told. */
  readonly evict: (keys: ReadonlyArray<string>) => Effect.Effect<void>
  /** `interfere` replaces methods of the store, for this member, to make them fail or wait. */
  readonly join: (
    origin: string,
    options?: TieredBackend.Options,
    interfere?: (l2: Backend) => Backend
  ) => Effect.Effect<Member, CacheError.CacheError, Scope.Scope>
}

/** Makes the store and the bus. */
export const makeFleet: Effect.Effect<Fleet, CacheError.CacheError, Scope.Scope> = Effect.map(
  MemoryBackend.makeShared(),
  (shared) => ({
    bus: shared.bus,
    evict: (keys) => Effect.sync(() => keys.forEach((key) => shared.store.delete(key))),
    join: (origin, options, interfere) =>
      Effect.map(Layer.build(layerOver(shared, origin, options, interfere)), (context) => ({
        backend: Context.get(context, CacheBackend.CacheBackend),
        states: Context.get(context, TieredBackend.TrustStates)
      }))
  })
)

/** A cache alone over a store of its own. */
export const layer: Layer.Layer<CacheBackend.CacheBackend, CacheError.CacheError> = Layer.unwrap(
  Effect.map(MemoryBackend.makeShared(), (shared) => layerOver(shared, "alone"))
)

const layerOver = (
  shared: MemoryBackend.Shared,
  origin: string,
  options?: TieredBackend.Options,
  interfere: (l2: Backend) => Backend = (l2) => l2
) => {
  const store: Layer.Layer<CacheBackend.CacheBackend | Invalidation.Invalidation, CacheError.CacheError> =
    MemoryBackend.layerShared(shared, origin)
  const l2 = Layer.effectContext(
    Effect.map(Layer.build(store), (context) =>
      Context.add(context, CacheBackend.CacheBackend, interfere(Context.get(context, CacheBackend.CacheBackend)))
    )
  )
  const l1: Layer.Layer<LocalStore.LocalStore, CacheError.CacheError> = LruStore.layer()
  return TieredBackend.layer(options).pipe(Layer.provide(Layer.merge(l2, l1)))
}

const LONG = { ttl: "1 hour" } as const

export const get = (backend: Backend, key: string, options?: CacheBackend.GetOptions) =>
  Effect.map(backend.get(key, Codec.msgpack, options), (entry) => entry?.value)

/** What a read finds, and where. */
export const find = (backend: Backend, key: string) =>
  Effect.map(backend.get(key, Codec.msgpack), (entry) => entry && [entry.value, entry.tier])

export const set = (backend: Backend, key: string, value: unknown, options?: Partial<CacheBackend.SetOptions>) =>
  backend.set(key, Codec.msgpack, value, { ...LONG, ...options })

export const peek = (backend: Backend, key: string) => backend.peek(key, Codec.msgpack)

export const unavailable = Effect.fail(CacheError.make("test", "Unavailable", "no Redis"))
