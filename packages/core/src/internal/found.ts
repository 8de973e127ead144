/**
 * Values as flights hand them to their callers, and as they are stored.
 */
import type * as Codec from "../Codec.ts"
import type * as Entry from "../Entry.ts"
import type * as Lease from "../Lease.ts"
import type * as LoadPolicy from "../LoadPolicy.ts"
import * as Snapshot from "../Snapshot.ts"
import type { Found } from "./flights.ts"

/** An entry that a store has returned. */
export const ofEntry = <A>(key: string, entry: Entry.Entry<A>, codec: Codec.Codec<A>): Found => {
  const { freshUntil, goneAfter, tier, value } = entry
  return { snapshot: snapshotOf(key, value, codec), freshUntil, goneAfter, tier, isSuperseded: false }
}

/** Isolated from what its callers do with it, where that can be: what its codec reads and would not write is shared as it is. */
const snapshotOf = <A>(key: string, value: A | undefined, codec: Codec.Codec<A>): Snapshot.Snapshot<A> => {
  if (value === undefined) return Snapshot.absent
  try {
    return Snapshot.own(codec, value, key)
  } catch {
    return Snapshot.shared(codec, value)
  }
}

/** What there is, for callers who might be served it stale. */
export const kept = <A>(key: string, entry: Entry.Entry<A> | undefined, codec: Codec.Codec<A>): Found | undefined =>
  entry?.value === undefined ? undefined : ofEntry(key, entry, codec)

/** What a loader has brought; a TTL of 0 if it is not to be kept. Throws the codec's or the policy's `CacheError`. */
export const loaded = <A>(
  key: string,
  value: A | undefined,
  codec: Codec.Codec<A>,
  policy: LoadPolicy.LoadPolicy<A>
): Lease.Loaded<A> => {
  const { local } = codec
  if (value === undefined) {
    const ttlMillis = policy.negativeMillis() ?? 0
    return { key, snapshot: Snapshot.absent, payload: new Uint8Array(), ttlMillis, graceMillis: 0, local }
  }
  const payload = codec.encode(value, key)
  const snapshot = Snapshot.own(codec, codec.decode(payload, key), key)
  return { key, snapshot, payload, ttlMillis: policy.ttlMillis(value), graceMillis: policy.graceMillis, local }
}

/** The value for a caller. Throws a `CacheError` with reason `Decode` if it was found with a codec that this one does not understand. */
export const read = <A>(key: string, { snapshot }: Found, codec: Codec.Codec<A>): A | undefined =>
  snapshot === Snapshot.absent ? undefined : Snapshot.read(snapshot, codec, key)
