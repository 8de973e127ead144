/**
 * A new TTL for an entry that is there.
 */
import { Duration, Effect } from "effect"
import type * as CacheBackend from "../CacheBackend.ts"
import * as CacheError from "../CacheError.ts"
import type { Parts } from "../EntityCache.ts"
import type * as LoadPolicy from "../LoadPolicy.ts"
import * as Ttl from "../Ttl.ts"

type Expire = CacheBackend.CacheBackend["Service"]["expire"]

/** As that of the backend; where values end by themselves they are read, and none gets a TTL that goes beyond its end. */
export const make = <Id, A>(
  { backend, codec, policy: { expiresAt } }: Parts<Id, A>,
  policy: LoadPolicy.LoadPolicy<A>
): Expire => {
  if (expiresAt === undefined) return backend.expire
  return (key, ttl) =>
    Effect.flatMap(backend.get(key, codec, { fresh: true }), (entry) =>
      CacheError.suspend(() => {
        // what this process cannot read may end at any time
        if (entry === undefined) return Effect.succeed(false)
        if (entry.value === undefined) return backend.expire(key, ttl)
        const millis = policy.untilExpiry(entry.value, Ttl.toMillisUnsafe("expire", ttl))
        return millis === 0 ? Effect.as(backend.delete(key), false) : backend.expire(key, Duration.millis(millis))
      })
    )
}
