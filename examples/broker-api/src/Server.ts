/**
 * All routes, served from one cache.
 */
import { Layer } from "effect"
import { HttpRouter } from "effect/http"
import { CacheManager, TierCache } from "tiercache"
import * as OperationsRoutes from "./OperationsRoutes.ts"
import * as ReadRoutes from "./ReadRoutes.ts"
import * as WriteRoutes from "./WriteRoutes.ts"

/** The cache, its manager and its rate limits, as the environment says: `CACHE_BACKEND`, `REDIS_URL` and so on. */
const cache = CacheManager.layerConfig.pipe(Layer.provideMerge(TierCache.layerConfig))

/** Serves until its scope closes; then no requests are taken, those under way are answered, and the cache closes. */
export const layer = HttpRouter.serve(Layer.mergeAll(ReadRoutes.layer, WriteRoutes.layer, OperationsRoutes.layer)).pipe(
  Layer.provide(cache)
)
