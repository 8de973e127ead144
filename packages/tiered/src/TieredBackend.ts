/**
 * An L1 inside the process in front of an L2 that all processes share.
 *
 * **Details**
 *
 * Reads ask L1, then L2, and keep what L2 has. Writes go to L2, which announces them; L1 takes them over when L2 has
 * acknowledged them. `Coherence` keeps L1 from serving what other processes have replaced, and says how.
 */
import { CacheBackend, CacheError, Invalidation, LocalStore, MonotonicClock, Ttl } from "@tiercache/core"
import { Context, Effect, Layer, Random, type Stream } from "effect"
import * as Coherence from "./Coherence.ts"
import * as Health from "./internal/health.ts"
import * as Leases from "./internal/leases.ts"
import * as Reads from "./internal/reads.ts"
import * as Rules from "./internal/rules.ts"
import * as Writes from "./internal/writes.ts"
import type * as Trust from "./Trust.ts"

export interface Options {
  /**
   * How long after the acknowledgement of a write a read may still return what it replaced, 1 second unless given. Four
   * heartbeats are sent in that time.
   */
  readonly staleness?: Ttl.Input | undefined
  /**
   * What a read does while L1 is not trusted. `"l2"`, the default, asks L2. An age serves what L1 held when trust lapsed, marked
   * distrusted, until the lapse is that long ago: with `staleness` it is the bound on what such a read returns.
   */
  readonly whileDistrusted?: "l2" | { readonly serveStale: Ttl.Input } | undefined
}

const DEFAULT_STALENESS = "1 second"

/** Heartbeats more often than that would be most of what Redis does. */
const MIN_STALENESS_MILLIS = 20

/** Whether L1 is trusted: the state now, and whenever it changes. Beside the backend, for those who want to watch it. */
export class TrustStates extends Context.Service<TrustStates, Stream.Stream<Trust.State>>()(
  "@tiercache/tiered/TrustStates"
) {}

/** With the rules of the protocol and the limits of its tables, for tests that change them. */
export const makeWith = Effect.fnUntraced(function* (options: Options, rules: Rules.Rules, limits: Coherence.Limits) {
  const local = yield* LocalStore.LocalStore
  const l2 = yield* CacheBackend.CacheBackend
  const bus = yield* Invalidation.Invalidation
  const now = yield* MonotonicClock.now
  const random = yield* Random.Random
  const { boundMillis, staleMillis } = yield* CacheError.attempt(() => settingsOf(options))
  const coherence = yield* Coherence.make({ local, l2, bus, now }, { boundMillis, rules, limits })
  const dependencies = { local, l2, coherence, rules, now, random, staleMillis }
  const reads = Reads.make(dependencies)
  const writes = Writes.make(dependencies)

  const backend = CacheBackend.CacheBackend.of({
    name: "tiered",
    unsupported: l2.unsupported,
    lateMillis: l2.lateMillis,
    inProcess: l2.inProcess,
    peek: reads.peek,
    peekEntry: reads.peekEntry,
    get: reads.get,
    getMany: reads.getMany,
    has: reads.has,
    // a copy in L1 may be fresh for a shorter time
    ttl: l2.ttl,
    scan: l2.scan,
    set: writes.set,
    setMany: writes.setMany,
    delete: writes.delete,
    deleteMany: writes.deleteMany,
    deletePattern: writes.deletePattern,
    deleteTags: writes.deleteTags,
    keysByTag: l2.keysByTag,
    sweep: writes.sweep,
    expire: writes.expire,
    increment: writes.increment,
    run: writes.run,
    awaitReplicas: l2.awaitReplicas,
    changes: l2.changes,
    leases: Leases.make(l2.leases, reads, writes),
    // the listener of `coherence` came first, so it is called first
    listen: bus.subscribe,
    health: Effect.map(l2.health, Health.withL1({ local, coherence, now })),
    stats: () => ({ ...l2.stats(), local: local.stats(), coherence: coherence.stats() })
  })
  return Context.make(CacheBackend.CacheBackend, backend).pipe(Context.add(TrustStates, coherence.states))
})

const settingsOf = ({ staleness, whileDistrusted }: Options) => {
  const boundMillis = Ttl.toMillisUnsafe("staleness", staleness ?? DEFAULT_STALENESS)
  if (boundMillis < MIN_STALENESS_MILLIS) {
    throw CacheError.make("make", "InvalidOption", `staleness is at least ${MIN_STALENESS_MILLIS} ms`)
  }
  const staleMillis =
    whileDistrusted === undefined || whileDistrusted === "l2"
      ? 0
      : Ttl.toMillisUnsafe("whileDistrusted", whileDistrusted.serveStale)
  return { boundMillis, staleMillis }
}

export const make = (options?: Options) => makeWith(options ?? {}, Rules.all, Coherence.LIMITS)

/** The tiered backend over an L1, an L2 and the bus on which L2's writes are announced. Fails with `InvalidOption` only. */
export const layer = (
  options?: Options
): Layer.Layer<
  CacheBackend.CacheBackend | TrustStates,
  CacheError.CacheError,
  CacheBackend.CacheBackend | Invalidation.Invalidation | LocalStore.LocalStore
> => Layer.effectContext(make(options))
