/**
 * What a process has of locks.
 */
import { CacheBackend, type CacheError } from "@tiercache/core"
import { FencedWrite, Lock, Semaphore } from "@tiercache/domains"
import { Context, Effect, Layer } from "effect"

type Backend = CacheBackend.CacheBackend["Service"]

export interface Process {
  readonly backend: Backend
  readonly lock: Lock.Lock["Service"]
  readonly semaphore: Semaphore.Semaphore["Service"]
  readonly fenced: FencedWrite.FencedWrite["Service"]
}

/** The services over a backend, which `change` may have made different. */
export const processOver = Effect.fnUntraced(function* (
  backendLayer: Layer.Layer<CacheBackend.CacheBackend, CacheError.CacheError>,
  change: (backend: Backend) => Backend = (backend) => backend
) {
  const changed = Layer.effect(CacheBackend.CacheBackend, Effect.map(CacheBackend.CacheBackend, change)).pipe(
    Layer.provide(backendLayer)
  )
  const services = Layer.mergeAll(Lock.layer(), Semaphore.layer(), FencedWrite.layer()).pipe(
    Layer.provideMerge(changed)
  )
  const context = yield* Layer.build(services)
  const self: Process = {
    backend: Context.get(context, CacheBackend.CacheBackend),
    lock: Context.get(context, Lock.Lock),
    semaphore: Context.get(context, Semaphore.Semaphore),
    fenced: Context.get(context, FencedWrite.FencedWrite)
  }
  return self
})
