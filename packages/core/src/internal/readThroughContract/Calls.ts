/**
 * Counts what a cache asks of its backend.
 */
import { Effect } from "effect"
import type * as CacheBackend from "../../CacheBackend.ts"

type Backend = CacheBackend.CacheBackend["Service"]

const NONE = { get: 0, getMany: 0, take: 0, fill: 0, renew: 0, release: 0 }

type Counts = typeof NONE

export interface Calls {
  readonly counts: () => Counts
  /** How often a lease was found to be another's. */
  readonly held: () => number
  readonly reset: () => void
}

export const counted = (backend: Backend): { readonly backend: Backend; readonly calls: Calls } => {
  const counts = { ...NONE }
  let held = 0
  const count = <A, E>(name: keyof Counts, effect: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      counts[name]++
      return effect
    })
  const { leases } = backend
  return {
    backend: {
      ...backend,
      get: (key, codec, options) => count("get", backend.get(key, codec, options)),
      getMany: (keys, codec, options) => count("getMany", backend.getMany(keys, codec, options)),
      leases: {
        token: leases.token,
        take: (keys, codec, options) =>
          Effect.tap(count("take", leases.take(keys, codec, options)), (found) =>
            Effect.sync(() => {
              held += found.filter(({ _tag }) => _tag === "Held").length
            })
          ),
        fill: (loaded, options) => count("fill", leases.fill(loaded, options)),
        renew: (keys, token, millis) => count("renew", leases.renew(keys, token, millis)),
        release: (keys, token, options) => count("release", leases.release(keys, token, options))
      }
    },
    calls: {
      counts: () => ({ ...counts }),
      held: () => held,
      reset: () => {
        Object.assign(counts, NONE)
        held = 0
      }
    }
  }
}
