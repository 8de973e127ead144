/**
 * What most users of tiercache need.
 */
export {
  Cache,
  CacheBackend,
  CacheError,
  CacheKey,
  Codec,
  Entity,
  EntityCache,
  Loader,
  LoadPolicy,
  Metrics,
  Secrets,
  Switches,
  Tag,
  Ttl
} from "@tiercache/core"
export {
  Account,
  Api,
  ApiResponses,
  Auth,
  Broker,
  CacheConfig,
  Cached,
  Clear,
  Domains,
  Events,
  FencedWrite,
  Ids,
  Lock,
  LockError,
  Maintenance,
  Market,
  OAuthTtl,
  Order,
  Owner,
  Position,
  RateLimit,
  RateLimiter,
  RateLimitHeaders,
  Semaphore,
  Trading,
  Ttls,
  User,
  VirtualBroker
} from "@tiercache/domains"
export { Schema } from "effect"
export { cachedMethod, invalidatesMethod } from "./CachedMethods.ts"
export * as CacheManager from "./CacheManager.ts"
export { createCache } from "./createCache.ts"
export type { DeletePatternOptions, MaintainOptions, PromiseCache } from "./PromiseCache.ts"
export type {
  LoaderContext,
  LoadOptions,
  PromiseEntityCache,
  PromiseLoader,
  PromiseManyLoader
} from "./PromiseEntityCache.ts"
export type { PromiseLimits } from "./PromiseLimits.ts"
export type { PromiseHeld, PromiseLockOptions, PromiseLocks } from "./PromiseLocks.ts"
export * as Memory from "./Memory.ts"
export * as Redis from "./Redis.ts"
export * as TierCache from "./TierCache.ts"
export * as Tiered from "./Tiered.ts"
