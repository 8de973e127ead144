/**
 * What reads through the cache of a process: `EntityCache`, as programs do, and leases that are taken by hand.
 */
import { type CacheBackend, type Entity, EntityCache, Metrics, MonotonicClock, ReadThrough } from "@tiercache/core"
import { DateTime, Effect } from "effect"
import * as LeaseReader from "./LeaseReader.ts"
import type { DatabaseFailed } from "./Loads.ts"
import { codec } from "./Values.ts"

export interface Readers {
  readonly byHand: LeaseReader.LeaseReader
  readonly readThrough: ReadThrough.ReadThrough
  /** What was loaded is announced by its key alone, or pushed. */
  readonly caches: Readonly<Record<Entity.OnWrite, EntityCache.EntityCache<string, number>>>
  readonly load: (key: string) => Effect.Effect<number, DatabaseFailed>
}

interface Parts extends Pick<Readers, "load"> {
  readonly backend: CacheBackend.CacheBackend["Service"]
  /** See `LeaseReader`. */
  readonly looksAgain: boolean
}

/** Listens until the scope closes. */
export const make = Effect.fnUntraced(function* ({ backend, load, looksAgain }: Parts) {
  const domain: Metrics.Domain = { ...Metrics.makeDomain(), measure: (_, effect) => effect }
  const now = yield* MonotonicClock.now
  const byHand = yield* LeaseReader.make({ backend, load, looksAgain })
  const readThrough = yield* ReadThrough.make({ backend, now })
  const cacheOf = (onWrite: Entity.OnWrite) =>
    EntityCache.make<string, number>({
      backend,
      codec,
      policy: {},
      defaults: { ttl: "1 hour", random: () => 0, wallClock: () => DateTime.makeUnsafe(0) },
      onWrite,
      keyOf: (key) => key,
      tagsOf: () => [],
      readThrough,
      domain,
      now
    })
  const caches = { invalidate: cacheOf("invalidate"), update: cacheOf("update") }
  const readers: Readers = { byHand, readThrough, caches, load }
  return readers
})

/** How many calls and keys they have not done with. */
export const waiting = ({ byHand, readThrough }: Readers): number => byHand.waiting() + readThrough.inFlight()
