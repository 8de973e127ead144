/**
 * What most users of tiercache need.
 */
export { Cache, CacheBackend, CacheError, CacheKey, Codec, Entity, EntityCache, Metrics, Ttl } from "@tiercache/core"
export { Market } from "@tiercache/domains"
export { Schema } from "effect"
export { createCache } from "./createCache.ts"
export type { PromiseCache, PromiseEntityCache } from "./PromiseCache.ts"
export * as Memory from "./Memory.ts"
export * as Redis from "./Redis.ts"
export * as TierCache from "./TierCache.ts"
export * as Tiered from "./Tiered.ts"
