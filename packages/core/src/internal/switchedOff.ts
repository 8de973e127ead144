/**
 * A backend that finds nothing, and one that keeps nothing either.
 */
import { Effect, Stream } from "effect"
import type * as CacheBackend from "../CacheBackend.ts"
import type * as Lease from "../Lease.ts"

type Backend = CacheBackend.CacheBackend["Service"]

/** Reads find nothing, and every load runs and is stored nowhere. What else writes does so. */
export const bypass = (backend: Backend): Backend => ({
  ...backend,
  peek: () => undefined,
  peekEntry: () => undefined,
  get: () => Effect.undefined,
  getMany: (keys) => Effect.sync(() => keys.map(() => undefined)),
  has: () => Effect.succeed(false),
  ttl: () => Effect.undefined,
  leases: forNothing(backend.leases)
})

/** As {@link bypass}, and nothing is written, since there is nothing to keep right. Scripts run: they are no entries. */
export const disable = (backend: Backend): Backend => ({
  ...bypass(backend),
  set: () => Effect.succeed(false),
  setMany: () => Effect.succeed(0),
  delete: () => Effect.succeed(false),
  deleteMany: () => Effect.succeed(0),
  expire: () => Effect.succeed(false),
  // from 0, as where nothing is
  increment: (_, { by = 1 }) => Effect.succeed(by),
  scan: () => Stream.empty,
  deletePattern: () => Effect.succeed(0),
  sweep: () => Effect.succeed({ trimmed: 0, orphans: 0, deleted: 0 }),
  deleteTags: () => Effect.succeed(0),
  keysByTag: () => Stream.empty
})

/** Grants every lease, and claims to have stored what was loaded: otherwise it would count as superseded by somebody's write. */
const forNothing = ({ token }: Lease.Leases): Lease.Leases => ({
  token,
  take: (keys) => Effect.sync(() => keys.map(() => ({ _tag: "Granted", previous: undefined }))),
  fill: (loaded) => Effect.sync(() => loaded.map(() => true)),
  renew: (keys) => Effect.sync(() => keys.map(() => true)),
  release: () => Effect.void
})
