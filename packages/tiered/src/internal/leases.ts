/**
 * L2's leases, through L1.
 *
 * A lease changes no value, so taking and releasing one is no matter of coherence: what `take` finds is read through L1 as by
 * `get`, stale entries included, and `fill` is an own write. One that is in doubt is not deleted later: if it was
 * executed, nothing had happened to the key since the lease was taken, and what it wrote is as good as what its caller has.
 */
import type { Codec, Entry, Lease } from "@tiercache/core"
import { Effect } from "effect"
import * as Reads from "./reads.ts"
import type * as Writes from "./writes.ts"

export const make = (
  leases: Lease.Leases,
  { findFresh, through }: Reads.Reads,
  { own }: Writes.Writes
): Lease.Leases => {
  const find = <A>(key: string, codec: Codec.Codec<A>, { when }: Lease.TakeOptions): Lease.Hit<A> | undefined => {
    const entry = when === "always" ? undefined : findFresh(key, codec)
    return entry && { _tag: "Hit", entry }
  }

  const ask = <A>(missing: ReadonlyArray<string>, codec: Codec.Codec<A>, options: Lease.TakeOptions) =>
    Effect.map(
      through(missing, codec, options.jitter, () => leases.take(missing, codec, options), entryOf),
      (answers) => answers.map(fromL2)
    )

  return {
    token: leases.token,
    take: (keys, codec, options) => {
      const [key] = keys
      // most often
      if (key !== undefined && keys.length === 1) {
        return Effect.suspend(() => {
          const hit = find(key, codec, options)
          return hit === undefined ? ask(keys, codec, options) : Effect.succeed([hit])
        })
      }
      return Reads.inOrder(
        keys,
        (key) => find(key, codec, options),
        (missing) => ask(missing, codec, options)
      )
    },
    fill: (loaded, options) =>
      own(
        loaded.map(({ key }) => key),
        "keep",
        (writeId) => leases.fill(loaded, { ...options, writeId }),
        (filled, keep) =>
          loaded.forEach((one, index) => {
            if (filled[index] === true && one.local !== false) keep(one.key, one.snapshot, one)
          })
      ),
    renew: leases.renew,
    release: leases.release
  }
}

const entryOf = <A>(lease: Lease.Lease<A>): Entry.Entry<A> | undefined =>
  lease._tag === "Hit" ? lease.entry : lease.previous

const fromL2 = <A>(lease: Lease.Lease<A>): Lease.Lease<A> =>
  lease._tag === "Hit"
    ? { _tag: "Hit", entry: { ...lease.entry, tier: "l2" } }
    : { ...lease, previous: Reads.fromL2(lease.previous) }
