/**
 * What a cache shows to OpenTelemetry and Prometheus; docs/metrics.md explains each series.
 */
import type * as CacheBackend from "../CacheBackend.ts"
import type * as LocalStore from "../LocalStore.ts"
import type * as Metrics from "../Metrics.ts"
import type { Telemetry } from "../Telemetry.ts"

type Labels = Readonly<Record<string, string>>

/** Shows what a domain counts. */
export const ofDomain = (
  telemetry: Telemetry,
  domain: Labels,
  { counters, loadTime }: Metrics.DomainCounters
): void => {
  const count = (name: string, description: string, read: () => number, labels?: Labels) =>
    telemetry.counter({ name: `tiercache_${name}_total`, description, labels: { ...domain, ...labels } }, read)

  const hits = "Reads that were answered from a tier of the cache."
  count("hits", hits, () => counters.l1Hits, { tier: "l1" })
  count("hits", hits, () => counters.l2Hits, { tier: "l2" })
  count("misses", "Reads for which the cache had no fresh value.", () => counters.misses)
  count("stale_hits", "Stale values that were returned.", () => counters.staleHits)
  count("errors", "Operations and store calls that failed.", () => counters.errors)
  count("sets", "Entries that were written.", () => counters.sets)
  count("deletes", "Entries that were deleted.", () => counters.deletes)
  count("loads", "Keys for which a loader ran.", () => counters.loads)
  count("load_errors", "Keys whose load failed.", () => counters.loadErrors)
  count(
    "superseded_loads",
    "Loaded values that were not stored: their key had changed.",
    () => counters.supersededLoads
  )
  telemetry.histogram(
    { name: "tiercache_load_duration_seconds", description: "Time of loader calls that succeeded.", labels: domain },
    loadTime
  )
}

/** Shows how the calls of an operation ended. */
export const ofCalls = (telemetry: Telemetry, labels: Labels, operation: Metrics.OperationCounters): void => {
  const outcomes = {
    success: () => operation.immediate + operation.latency.count - operation.errors - operation.interrupted,
    error: () => operation.errors,
    interrupted: () => operation.interrupted
  }
  for (const [outcome, read] of Object.entries(outcomes)) {
    const name = "tiercache_operations_total"
    telemetry.counter({ name, description: "Calls of the cache.", labels: { ...labels, outcome } }, read)
  }
}

/** Shows how long they took. */
export const ofTimes = (telemetry: Telemetry, labels: Labels, operation: Metrics.OperationCounters): void => {
  telemetry.counter(
    { name: "tiercache_slow_operations_total", description: "Calls that took longer than they should.", labels },
    () => operation.slow
  )
  telemetry.histogram(
    {
      name: "tiercache_operation_duration_seconds",
      description: "Time of calls, except of those that were answered from L1 at once.",
      labels
    },
    operation.latency
  )
}

/** Shows what the cache as a whole is about. */
export const ofCache = (
  telemetry: Telemetry,
  backend: CacheBackend.CacheBackend["Service"],
  inFlight: () => number
): void => {
  const { coherence, local } = backend.stats()
  telemetry.gauge(
    { name: "tiercache_loads_in_flight", description: "Keys that are being loaded, or asked for to be loaded." },
    inFlight
  )
  telemetry.counter(
    { name: "tiercache_unreadable_values_total", description: "Values in the store that could not be read." },
    () => backend.stats().unreadable
  )
  if (local !== undefined) ofLocal(telemetry, () => backend.stats().local ?? local)
  if (coherence !== undefined) ofCoherence(telemetry, () => backend.stats().coherence ?? coherence)
}

const ofLocal = (telemetry: Telemetry, read: () => LocalStore.Stats) => {
  const name = (rest: string) => `tiercache_l1_${rest}`
  telemetry.gauge({ name: name("entries"), description: "Entries in this process." }, () => read().entries)
  telemetry.gauge({ name: name("bytes"), description: "Their estimated size." }, () => read().bytes)
  telemetry.counter(
    { name: name("evictions_total"), description: "Entries that were evicted to stay within the limits." },
    () => read().evictions
  )
}

const ofCoherence = (telemetry: Telemetry, read: () => CacheBackend.CoherenceStats) => {
  const count = (name: string, description: string, value: (stats: CacheBackend.CoherenceStats) => number) =>
    telemetry.counter({ name: `tiercache_${name}_total`, description }, () => value(read()))
  telemetry.gauge({ name: "tiercache_trusted", description: "1 if L1 may be read, otherwise 0." }, () =>
    read().state === "trusted" ? 1 : 0
  )
  telemetry.gauge(
    { name: "tiercache_heartbeat_seconds", description: "Round trip of the last heartbeat over the bus." },
    () => read().heartbeatMillis / 1000,
    Math.max
  )
  telemetry.gauge(
    { name: "tiercache_bus_lag_seconds", description: "Age of the last announcement when it arrived." },
    () => read().lagMillis / 1000,
    Math.max
  )
  telemetry.gauge(
    { name: "tiercache_unacknowledged", description: "Keys and tags that are still to be deleted: a write failed." },
    () => read().unacknowledged
  )
  telemetry.gauge(
    { name: "tiercache_store_keys_in_flight", description: "Keys that are being read from the store or written." },
    () => read().inFlight
  )
  count("trust_lapses", "Times that L1 could not be read any more.", ({ trustLapses }) => trustLapses)
  count("bus_messages", "Announcements heard.", ({ messages }) => messages)
  count("l1_removals", "Entries that an announcement removed from L1.", ({ removed }) => removed)
  count("l1_updates", "Entries that a pushed value replaced in L1.", ({ updated }) => updated)
  count("refused_fills", "Reads that were not kept: their key had changed.", ({ refusedFills }) => refusedFills)
  count("repeated_deletes", "Keys and tags deleted since a write had failed.", ({ repeatedDeletes }) => repeatedDeletes)
  for (const cause of ["connected", "overflow", "flush"] as const) {
    telemetry.counter(
      { name: "tiercache_l1_epochs_total", description: "Times that L1 was emptied.", labels: { cause } },
      () => read().epochs[cause]
    )
  }
}
