/**
 * All of them, ours first.
 */
import { asyncCacheDedupe } from "./asyncCacheDedupe.ts"
import { bentocache, bentocacheShared } from "./bentocache.ts"
import { cacheable, cacheableShared } from "./cacheable.ts"
import { cacheManager, cacheManagerShared } from "./cacheManager.ts"
import { cachified } from "./cachified.ts"
import { effectPersistedCache } from "./effectPersistedCache.ts"
import { ioredis } from "./ioredis.ts"
import { layeredLoader } from "./layeredLoader.ts"
import { lruCache, lruCacheOfCopies } from "./lruCache.ts"
import { nodeRedis } from "./nodeRedis.ts"
import type { Rival } from "./Rival.ts"
import { tiercache } from "./tiercache.ts"

/** With the variants of some. */
export const all: ReadonlyArray<Rival> = [
  tiercache,
  lruCache,
  lruCacheOfCopies,
  ioredis,
  layeredLoader,
  bentocache,
  bentocacheShared,
  cacheable,
  cacheableShared,
  cacheManager,
  cacheManagerShared,
  asyncCacheDedupe,
  cachified,
  nodeRedis,
  effectPersistedCache
]

export const rivals: ReadonlyArray<Rival> = all.filter(({ variantOf }) => variantOf === undefined)

/** Those that keep values in Redis. */
export const onRedis = rivals.filter(({ tiers }) => tiers !== "L1")

/** Those with an L1 in front of Redis. */
export const tiered = rivals.filter(({ tiers }) => tiers === "both")

export const rivalNamed = (name: string): Rival => {
  const rival = all.find((one) => one.name === name)
  if (rival === undefined) throw new Error(`there is no ${name}`)
  return rival
}
