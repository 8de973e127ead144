/**
 * The cache in this process' memory.
 */
import type { CacheBackend, CacheError } from "@tiercache/core"
import { type LruStore, MemoryBackend } from "@tiercache/memory-backend"
import { Layer } from "effect"
import { type Options as ServiceOptions, type Services, services } from "./internal/services.ts"

export interface Options extends ServiceOptions {
  readonly l1?: LruStore.Options | undefined
}

/**
 * No other process sees it, and it is gone with this one. What tests and laptops need: under `TestClock`, time moves every TTL.
 */
export const layer = (options?: Options): Layer.Layer<Services | CacheBackend.CacheBackend, CacheError.CacheError> =>
  services(options).pipe(Layer.provideMerge(MemoryBackend.layer(options?.l1)))
