/**
 * What every cache offers, over whichever backend.
 */
import { Cache, type CacheBackend, type CacheError, Switches } from "@tiercache/core"
import { FencedWrite, Lock, Maintenance, RateLimiter, Semaphore } from "@tiercache/domains"
import { Layer } from "effect"

export type Services =
  | Cache.Cache
  | FencedWrite.FencedWrite
  | Lock.Lock
  | Maintenance.Maintenance
  | RateLimiter.RateLimiter
  | Semaphore.Semaphore

export interface Options extends Cache.Options {
  /** Turns the cache off, lets it miss, lets it tell what it does; see `Switches`. */
  readonly switches?: Omit<Switches.Options, "keyPrefix"> | undefined
}

/** The backend is that under the switches. */
export const services = (
  options?: Options
): Layer.Layer<Services | CacheBackend.CacheBackend, CacheError.CacheError, CacheBackend.CacheBackend> =>
  Layer.mergeAll(
    Cache.layer(options),
    FencedWrite.layer(options),
    Maintenance.layer(options).pipe(Layer.provideMerge(Lock.layer(options))),
    RateLimiter.layer(options),
    Semaphore.layer(options)
  ).pipe(Layer.provideMerge(Switches.layer({ ...options?.switches, keyPrefix: options?.prefix })))
