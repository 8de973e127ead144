/**
 * What a cache counts about itself: by domain, by operation, and in sum.
 *
 * **Details**
 *
 * A hit in this process costs two additions and no look at the clock: it counts as an operation whose time is not
 * measured. All others are timed from the call to its end, loads included. The same numbers are metrics of Effect, see
 * docs/metrics.md.
 */
import { type Effect, Record } from "effect"
import type * as CacheBackend from "./CacheBackend.ts"
import * as Histogram from "./Histogram.ts"

/**
 * What is counted by its name. `lookup` counts as `getOrLoad` if it was given a loader and as `get` otherwise; of `peek` only hits count,
 * those included with which a Promise facade answers `get` and `getOrLoad`.
 */
export type Operation = keyof ReturnType<typeof makeOperations>

/** The domain of what concerns no entity: untyped keys, and deletions by tag or pattern. */
export const UNTYPED = "untyped"

/** Plain numbers, because a hit must not cost more than an addition. */
export interface Counters {
  l1Hits: number
  l2Hits: number
  misses: number
  errors: number
  sets: number
  deletes: number
  /** Keys for which a loader ran. */
  loads: number
  /** Those that failed. */
  loadErrors: number
  /** Values that were loaded and not stored, because the key was written or deleted meanwhile. */
  supersededLoads: number
  /** Times a stale value was returned. */
  staleHits: number
}

/** What is counted of one operation of a domain. */
export interface OperationCounters {
  /** Calls that were answered from L1 at once: their time is not measured. */
  immediate: number
  /** Calls that failed; with the error of their loader too. */
  errors: number
  /** Calls that were interrupted. */
  interrupted: number
  /** Calls that took as long as `Cache.Options.slowOperation`, or longer. */
  slow: number
  /** All calls that are not immediate. */
  readonly latency: Histogram.Histogram
}

/** What is counted of one domain. */
export interface DomainCounters {
  readonly counters: Counters
  readonly operations: Readonly<Record<Operation, OperationCounters>>
  /** Calls of a loader that succeeded. */
  readonly loadTime: Histogram.Histogram
}

/** A domain as those see it who count. */
export interface Domain extends DomainCounters {
  /** Counts and times what an operation does, however it ends. */
  readonly measure: <A, E, R>(operation: Operation, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export interface OperationMetrics extends Readonly<Omit<OperationCounters, "latency">> {
  /** All calls. */
  readonly count: number
  readonly latency: Histogram.Snapshot
}

interface Rates {
  /** Of both tiers. */
  readonly hits: number
  /** Hits of all reads, between 0 and 1; 0 before the first read. */
  readonly hitRate: number
}

export interface DomainMetrics extends Readonly<Counters>, Rates {
  readonly operations: Readonly<Record<Operation, OperationMetrics>>
  /** How long loaders took that succeeded. */
  readonly loadTime: Histogram.Snapshot
}

/** Counters since the start, or since `resetMetrics`. */
export interface Metrics extends DomainMetrics {
  /** By domain and type as keys have them, such as `market:quote`, and under `UNTYPED`. There is one for each entity in use. */
  readonly domains: Readonly<Record<string, DomainMetrics>>
  /** Keys that are being loaded, or asked for on behalf of who would load them, at this moment. */
  readonly inFlight: number
  /** Since the start of the backend; not reset. */
  readonly backend: CacheBackend.Stats
  /** Since the start of the cache; not reset. */
  readonly uptimeMillis: number
}

/** The figures that a dashboard shows first. */
export interface Summary {
  readonly hits: number
  readonly misses: number
  readonly errors: number
  /** In per cent. */
  readonly hit_rate: number
  readonly slow_operations: number
  readonly total_operations: number
  /** Of those that were measured, which hits in this process are not; 0 if there were none. */
  readonly avg_latency_ms: number
  /** Calls that delete by tag or pattern. */
  readonly cache_clears: number
  /** Entries that were deleted, by whichever call. */
  readonly keys_deleted: number
  readonly uptime_seconds: number
}

/**
 * A few figures of all that is counted.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Cache, Metrics } from "@tiercache/core"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const cache = yield* Cache.Cache
 *   yield* cache.set("a", 1)
 *   yield* cache.get("a")
 *   yield* cache.get("b")
 *   const { hit_rate, misses, total_operations } = Metrics.summary(cache.metrics())
 *   return { hit_rate, misses, total_operations }
 * })
 * const cacheInMemory = Cache.layer().pipe(Layer.provide(MemoryBackend.layer()))
 *
 * await Effect.runPromise(Effect.provide(program, cacheInMemory)) // => { hit_rate: 50, misses: 1, total_operations: 3 }
 * ```
 */
export const summary = ({ deletes, errors, hitRate, hits, misses, operations, uptimeMillis }: Metrics): Summary => {
  const all = Object.values(operations)
  const sumOf = (figure: (operation: OperationMetrics) => number) =>
    all.reduce((sum, operation) => sum + figure(operation), 0)
  const measured = sumOf(({ latency }) => latency.count)
  return {
    hits,
    misses,
    errors,
    hit_rate: hitRate * 100,
    slow_operations: sumOf(({ slow }) => slow),
    total_operations: sumOf(({ count }) => count),
    avg_latency_ms: measured === 0 ? 0 : sumOf(({ latency }) => latency.sumMillis) / measured,
    cache_clears: operations.deletePattern.count + operations.deleteTags.count,
    keys_deleted: deletes,
    uptime_seconds: uptimeMillis / 1000
  }
}

export const makeCounters = (): Counters => ({
  l1Hits: 0,
  l2Hits: 0,
  misses: 0,
  errors: 0,
  sets: 0,
  deletes: 0,
  loads: 0,
  loadErrors: 0,
  supersededLoads: 0,
  staleHits: 0
})

const makeOperation = (): OperationCounters => ({
  immediate: 0,
  errors: 0,
  interrupted: 0,
  slow: 0,
  latency: Histogram.make()
})

const makeOperations = () => ({
  peek: makeOperation(),
  get: makeOperation(),
  getMany: makeOperation(),
  getOrLoad: makeOperation(),
  getManyOrLoad: makeOperation(),
  refresh: makeOperation(),
  set: makeOperation(),
  setMany: makeOperation(),
  delete: makeOperation(),
  deleteMany: makeOperation(),
  has: makeOperation(),
  ttl: makeOperation(),
  expire: makeOperation(),
  increment: makeOperation(),
  deletePattern: makeOperation(),
  deleteTags: makeOperation()
})

export const makeDomain = (): DomainCounters => ({
  counters: makeCounters(),
  operations: makeOperations(),
  loadTime: Histogram.make()
})

/** In place: whoever counts holds on to what it counts in. */
export const reset = ({ counters, loadTime, operations }: DomainCounters): void => {
  Object.assign(counters, makeCounters())
  Histogram.reset(loadTime)
  for (const operation of Object.values(operations)) {
    Object.assign(operation, { ...makeOperation(), latency: operation.latency })
    Histogram.reset(operation.latency)
  }
}

/** What a cache knows beside what its domains count. */
export type Facts = Pick<Metrics, "inFlight" | "backend" | "uptimeMillis">

export const snapshot = (domains: ReadonlyMap<string, DomainCounters>, facts: Facts): Metrics => {
  const byDomain = Record.map(Object.fromEntries(domains), ofDomain)
  return { ...Object.values(byDomain).reduce(combine, ofDomain(makeDomain())), domains: byDomain, ...facts }
}

const ofDomain = ({ counters, loadTime, operations }: DomainCounters): DomainMetrics => ({
  ...withRates(counters),
  operations: Record.map(operations, ofOperation),
  loadTime: Histogram.snapshot(loadTime)
})

const ofOperation = (operation: OperationCounters): OperationMetrics => ({
  ...operation,
  count: operation.immediate + operation.latency.count,
  latency: Histogram.snapshot(operation.latency)
})

const withRates = (counters: Readonly<Counters>): Readonly<Counters> & Rates => {
  const hits = counters.l1Hits + counters.l2Hits
  const reads = hits + counters.misses
  return { ...counters, hits, hitRate: reads === 0 ? 0 : hits / reads }
}

const combine = (one: DomainMetrics, other: DomainMetrics): DomainMetrics => ({
  ...withRates(Record.map(makeCounters(), (_, name) => one[name] + other[name])),
  operations: Record.map(one.operations, (operation, name) => combineOperations(operation, other.operations[name])),
  loadTime: Histogram.combine(one.loadTime, other.loadTime)
})

const combineOperations = (one: OperationMetrics, other: OperationMetrics): OperationMetrics => ({
  count: one.count + other.count,
  immediate: one.immediate + other.immediate,
  errors: one.errors + other.errors,
  interrupted: one.interrupted + other.interrupted,
  slow: one.slow + other.slow,
  latency: Histogram.combine(one.latency, other.latency)
})
