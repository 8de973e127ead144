/**
 * Leases in a store: every operation is one synchronous step, so nothing can come between its parts.
 */
import { CacheError, type Codec, type Entry, type Invalidation, Lease, Snapshot, Tag } from "@tiercache/core"
import { Effect } from "effect"
import type * as InProcessBus from "../InProcessBus.ts"
import type * as MemoryStore from "../MemoryStore.ts"
import type * as Reads from "./reads.ts"
import { wrongType } from "./wrongType.ts"

export const make = (
  store: MemoryStore.MemoryStore,
  { invalidation, publish, publishEnded }: InProcessBus.Member,
  { find }: Reads.Reads
): Lease.Leases => {
  const { origin } = invalidation
  let lastToken = 0

  /** The lease, if this is its token; it may have ended, and nobody have taken it over. */
  const leaseOf = (key: string, token: string): MemoryStore.Lease | undefined => {
    const lease = store.lease(key)
    return lease?.token === token ? lease : undefined
  }

  const take = <A>(
    key: string,
    codec: Codec.Codec<A>,
    { millis, token, when }: Lease.TakeOptions,
    tags: ReadonlyArray<string>
  ): Lease.Lease<A> => {
    const previous: Entry.Entry<A> | undefined = find(key, codec)
    const now = store.now()
    if (when === "stale" && previous !== undefined && now < previous.freshUntil) return { _tag: "Hit", entry: previous }
    const lease = store.lease(key)
    if (lease === undefined || now >= lease.until || lease.token === token) {
      const replacesEntry = store.peek(key) !== undefined
      const isAwaited = lease?.token === token && lease.isAwaited
      store.grant(key, { token, until: now + millis, isAwaited, replacesEntry, tags })
      return { _tag: "Granted", previous }
    }
    if (lease.token === undefined) return { _tag: "Failed", millis: lease.until - now, previous }
    store.grant(key, { ...lease, isAwaited: true })
    return { _tag: "Held", token: lease.token, millis: lease.until - now, previous }
  }

  const fill = <A>(loaded: ReadonlyArray<Lease.Loaded<A>>, { push, token, writeId }: Lease.FillOptions) => {
    const silent: Array<string> = []
    const pushed = new Map<string, Invalidation.Pushed>()
    const awaited: Array<string> = []
    const tags = loaded.map(({ tags = [] }) => Tag.distinct("fill", tags))
    const filled = loaded.map(({ graceMillis, key, payload, snapshot, ttlMillis }, index) => {
      const lease = leaseOf(key, token)
      if (lease === undefined) return false
      const mayBeHeld = lease.replacesEntry || store.peek(key) !== undefined
      const freshUntil = store.now() + ttlMillis
      const deadlines = { freshUntil, goneAfter: freshUntil + graceMillis, version: store.nextVersion() }
      store.set(key, { snapshot, ...deadlines }, tags[index] ?? [])
      if (!mayBeHeld) {
        if (lease.isAwaited) awaited.push(key)
        // there is no codec that could read a value that does not exist out of what is pushed
      } else if (push === true && snapshot !== Snapshot.absent) pushed.set(key, { payload, ...deadlines })
      else silent.push(key)
      return true
    })
    if (pushed.size > 0) publish("set", [...pushed.keys()], { writeId, pushed: [...pushed.values()] })
    if (silent.length > 0) publish("set", silent, { writeId })
    if (awaited.length > 0) publishEnded("released", awaited, idOf(token))
    return filled
  }

  const release = (keys: ReadonlyArray<string>, token: string, failedForMillis: number | undefined) => {
    const awaited: Array<string> = []
    for (const key of keys) {
      const lease = leaseOf(key, token)
      if (lease === undefined) continue
      if (lease.isAwaited) awaited.push(key)
      if (failedForMillis === undefined) store.endLease(key)
      else store.grant(key, { ...lease, token: undefined, until: store.now() + failedForMillis })
    }
    if (awaited.length > 0) publishEnded(failedForMillis === undefined ? "released" : "failed", awaited, idOf(token))
  }

  const renew = (key: string, token: string, millis: number) => {
    const lease = leaseOf(key, token)
    if (lease === undefined) return false
    store.grant(key, { ...lease, until: store.now() + millis })
    return true
  }

  /** The number in a token of this member. */
  const idOf = (token: string) => Number(token.slice(Lease.tokenOf(origin, 0).length - 1))

  return {
    token: () => Lease.tokenOf(origin, ++lastToken),
    take: (keys, codec, options) =>
      CacheError.attempt(() => {
        if (keys.some((key) => store.held(key) !== undefined)) throw wrongType("take")
        const tags = keys.map((key) => Tag.distinct("take", options.tags?.get(key) ?? []))
        return keys.map((key, index) => take(key, codec, options, tags[index] ?? []))
      }),
    fill: (loaded, options) => CacheError.attempt(() => fill(loaded, options)),
    renew: (keys, token, millis) => Effect.sync(() => keys.map((key) => renew(key, token, millis))),
    release: (keys, token, options) => Effect.sync(() => release(keys, token, options?.failedForMillis))
  }
}
