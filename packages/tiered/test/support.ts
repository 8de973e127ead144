/** Several tiered caches over one memory store and one in-process bus: processes over one Redis, on the test clock. */
import { CacheBackend, Codec, Invalidation } from "@tiercache/core"
import { InProcessBus, LruStore, MemoryBackend } from "@tiercache/memory-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Context, Effect, Layer } from "effect"

export const layerOver = (shared: MemoryBackend.Shared, origin: string, options?: TieredBackend.Options) =>
  TieredBackend.layer(options).pipe(
    Layer.provide(Layer.merge(MemoryBackend.layerShared(shared, origin), LruStore.layer()))
  )

/** A tiered cache alone over its own store. */
export const layer = Layer.unwrap(Effect.map(MemoryBackend.makeShared(), (shared) => layerOver(shared, "a")))

export interface Fleet {
  readonly shared: MemoryBackend.Shared
  readonly bus: InProcessBus.InProcessBus
  /** The shared store itself, as a process without L1 sees it. */
  readonly store: CacheBackend.CacheBackend["Service"]
  readonly join: (
    origin: string,
    options?: TieredBackend.Options
  ) => Effect.Effect<Context.Context<CacheBackend.CacheBackend | TieredBackend.TrustStates>, never, never>
}

export const codec = Codec.msgpack

export { CacheBackend, Invalidation }
