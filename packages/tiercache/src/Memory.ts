/**
 * The cache in this process' memory.
 */
import { Cache, type CacheBackend, type CacheError } from "@tiercache/core"
import { type LruStore, MemoryBackend } from "@tiercache/memory-backend"
import { Layer } from "effect"

export interface Options extends Cache.Options {
  readonly l1?: LruStore.Options | undefined
}

/**
 * No other process sees it, and it is gone with this one. What tests and laptops need: under `TestClock`, time moves every TTL.
 */
export const layer = (options?: Options): Layer.Layer<Cache.Cache | CacheBackend.CacheBackend, CacheError.CacheError> =>
  Cache.layer(options).pipe(Layer.provideMerge(MemoryBackend.layer(options?.l1)))
