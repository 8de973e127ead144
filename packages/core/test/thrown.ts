import { CacheError } from "@tiercache/core"

/** The `CacheError` that a function throws; anything else that it throws passes on. */
export const cacheErrorOf = (f: () => unknown): CacheError.CacheError => {
  try {
    f()
  } catch (error) {
    if (CacheError.isCacheError(error)) return error
    throw error
  }
  throw new Error("nothing was thrown")
}
