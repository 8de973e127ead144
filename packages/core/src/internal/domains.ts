/**
 * What a cache counts, by domain. Domains are those of entities, never of ids: there are few.
 */
import { Effect, Record, type Scope } from "effect"
import type * as CacheBackend from "../CacheBackend.ts"
import * as Metrics from "../Metrics.ts"
import * as MonotonicClock from "../MonotonicClock.ts"
import * as Telemetry from "../Telemetry.ts"
import * as CacheSeries from "./cacheSeries.ts"
import * as Measuring from "./measuring.ts"

/** Those that L1 may answer at once. They are shown from the start: only what is measured can be shown when it is first used. */
const IMMEDIATE: ReadonlySet<string> = new Set<Metrics.Operation>(["peek", "get", "getOrLoad", "getManyOrLoad"])

export interface Domains {
  /** Always the same for the same names. */
  readonly of: (domain: string, type: string) => Metrics.Domain
  readonly snapshot: () => Metrics.Metrics
  readonly reset: () => void
}

export interface Parts {
  readonly backend: CacheBackend.CacheBackend["Service"]
  readonly slowMillis: number
  readonly inFlight: () => number
}

/** Shows everything as metrics of Effect until the scope closes. */
export const make = Effect.fnUntraced(function* ({
  backend,
  inFlight,
  slowMillis
}: Parts): Effect.fn.Return<Domains, never, Scope.Scope> {
  const now = yield* MonotonicClock.now
  const telemetry = yield* Telemetry.make
  const startedAt = now()
  const domains = new Map<string, Metrics.Domain>()
  // apart: a reset does not set back what the backend counts, so nothing of it is to be retained
  CacheSeries.ofCache(yield* Telemetry.make, backend, inFlight)

  const open = (domain: string, type: string): Metrics.Domain => {
    const labels = { domain, type }
    const counters = Metrics.makeDomain()
    const timers = Record.map(counters.operations, (operation, name) => {
      const own = { ...labels, operation: name }
      const isImmediate = IMMEDIATE.has(name)
      if (isImmediate) CacheSeries.ofCalls(telemetry, own, operation)
      return Measuring.timer(operation, now, slowMillis, () => {
        if (!isImmediate) CacheSeries.ofCalls(telemetry, own, operation)
        CacheSeries.ofTimes(telemetry, own, operation)
      })
    })
    CacheSeries.ofDomain(telemetry, labels, counters)
    return { ...counters, measure: (operation, effect) => Measuring.measured(effect, timers[operation]) }
  }

  return {
    of: (domain, type) => {
      const name = type === "" ? domain : `${domain}:${type}`
      const known = domains.get(name)
      if (known !== undefined) return known
      const opened = open(domain, type)
      domains.set(name, opened)
      return opened
    },
    snapshot: () =>
      Metrics.snapshot(domains, { inFlight: inFlight(), backend: backend.stats(), uptimeMillis: now() - startedAt }),
    reset: () => {
      telemetry.retain()
      domains.forEach(Metrics.reset)
    }
  }
})

/** For a cache that counts nothing: it counts what costs nothing, and tells nobody. */
export const none = (backend: CacheBackend.CacheBackend["Service"]): Domains => {
  const facts = () => ({ inFlight: 0, backend: backend.stats(), uptimeMillis: 0 })
  const domain = { ...Metrics.makeDomain(), measure: Measuring.none }
  return { of: () => domain, snapshot: () => Metrics.snapshot(new Map(), facts()), reset: () => {} }
}
