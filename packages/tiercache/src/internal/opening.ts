/**
 * Opening a cache for those who `await`.
 */
import { Cache } from "@tiercache/core"
import { Lock, Maintenance, RateLimiter } from "@tiercache/domains"
import { Context, type Layer, ManagedRuntime } from "effect"
import * as PromiseCache from "../PromiseCache.ts"
import * as PromiseLimits from "../PromiseLimits.ts"
import * as PromiseLocks from "../PromiseLocks.ts"
import * as Running from "./running.ts"

type Needed = Cache.Cache | Lock.Lock | Maintenance.Maintenance | RateLimiter.RateLimiter

interface Opened<R> {
  readonly cache: PromiseCache.PromiseCache
  readonly context: Context.Context<Needed | R>
  readonly running: Running.Running
}

/** Builds a layer, and wraps the cache in it; what else is in it is in the context. Rejects with what the layer fails with. */
export const open = async <R, E>(layer: Layer.Layer<Needed | R, E>): Promise<Opened<R>> => {
  const runtime = ManagedRuntime.make(layer)
  // what was opened before it failed would keep the process alive
  const context = await runtime.context().catch(async (error: unknown) => {
    await runtime.dispose()
    throw error
  })
  const services = {
    cache: Context.get(context, Cache.Cache),
    maintenance: Context.get(context, Maintenance.Maintenance),
    limits: PromiseLimits.make(Context.get(context, RateLimiter.RateLimiter), context),
    locks: PromiseLocks.make(Context.get(context, Lock.Lock), context)
  }
  const running = Running.make(context)
  return { cache: PromiseCache.make(services, running, runtime.dispose), context, running }
}
