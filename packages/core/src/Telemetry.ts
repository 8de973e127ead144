/**
 * Shows numbers that are counted anyway as metrics of Effect, and so to OpenTelemetry and Prometheus.
 *
 * **Details**
 *
 * A series is read when the metrics are, by `Metric.snapshot` and by every exporter, and costs nothing until then. It is
 * in the `Metric.MetricRegistry` of the context in which `make` runs, and has its `Metric.CurrentMetricAttributes`.
 *
 * Several sources may share a series, such as two caches of one program: it is their sum. When a source closes, or is set back to
 * zero, what it had counted stays, so that a counter never goes back while anybody shares it.
 */
import { Effect, Metric, type Scope } from "effect"
import * as Histogram from "./Histogram.ts"

export interface Series {
  /** By the rules of Prometheus: the unit at the end, `_total` for a counter. */
  readonly name: string
  readonly description: string
  /** Of few values, known beforehand: never an id or a key. */
  readonly labels?: Readonly<Record<string, string>> | undefined
}

export interface Telemetry {
  /** What only grows. */
  readonly counter: (series: Series, read: () => number) => void
  /** What goes up and down; the sum of all sources, unless told how else to combine them. */
  readonly gauge: (series: Series, read: () => number, combine?: (one: number, other: number) => number) => void
  /** Times; exported in seconds. */
  readonly histogram: (series: Series, histogram: Histogram.Histogram) => void
  /** To be called before counters and histograms are set back to zero. */
  readonly retain: () => void
}

/** Takes its sources back when the scope closes. */
export const make: Effect.Effect<Telemetry, never, Scope.Scope> = Effect.gen(function* () {
  const context = yield* Effect.context()
  const shared = sharedIn(yield* Metric.MetricRegistry)
  const attributes = yield* Metric.CurrentMetricAttributes
  const sources: Array<Source> = []
  yield* Effect.addFinalizer(() => Effect.sync(() => sources.forEach(({ close }) => close())))

  const keyOf = ({ labels, name }: Series) => JSON.stringify([name, labels, attributes])
  const register = <Input, State>(metric: Metric.Metric<Input, State>, get: () => State) =>
    Metric.registerUnsafe(metric, context, { get, update: doNothing, modify: doNothing })

  return {
    counter: (series, read) => {
      const metric = Metric.counter(series.name, { ...optionsOf(series), incremental: true })
      const show = (get: () => number) => register(metric, () => ({ count: get(), incremental: true }))
      sources.push(share(shared.numbers, keyOf(series), { read, combine: sum, isKept: true }, show))
    },
    gauge: (series, read, combine = sum) => {
      const metric = Metric.gauge(series.name, optionsOf(series))
      const show = (get: () => number) => register(metric, () => ({ value: get() }))
      sources.push(share(shared.numbers, keyOf(series), { read, combine, isKept: false }, show))
    },
    histogram: (series, histogram) => {
      const boundaries = Histogram.BOUNDS_MILLIS.map(toSeconds)
      const metric = Metric.histogram(series.name, { ...optionsOf(series), boundaries })
      const show = (get: () => Histogram.Snapshot) => register(metric, () => stateOf(get()))
      const read = () => Histogram.snapshot(histogram)
      const values = { read, combine: Histogram.combine, isKept: true }
      sources.push(share(shared.histograms, keyOf(series), values, show))
    },
    retain: () => sources.forEach(({ retain }) => retain())
  }
})

/** What one source adds to a series. */
interface Source {
  readonly close: () => void
  readonly retain: () => void
}

interface Values<State> {
  readonly read: () => State
  readonly combine: (one: State, other: State) => State
  /** Whether what it was counts when it is no more. */
  readonly isKept: boolean
}

interface Shared<State> {
  readonly sources: Set<() => State>
  /** What sources had counted that were closed or set back. */
  kept: State | undefined
  readonly registration: Metric.Registration
}

interface AllShared {
  readonly numbers: Map<string, Shared<number>>
  readonly histograms: Map<string, Shared<Histogram.Snapshot>>
}

const byRegistry = new WeakMap<Metric.MetricRegistry, AllShared>()

const sharedIn = (registry: Metric.MetricRegistry): AllShared => {
  const known = byRegistry.get(registry)
  if (known !== undefined) return known
  const shared: AllShared = { numbers: new Map(), histograms: new Map() }
  byRegistry.set(registry, shared)
  return shared
}

/** Adds a source to a series; the first one registers it, the last one takes it back. */
const share = <State>(
  all: Map<string, Shared<State>>,
  key: string,
  { combine, isKept, read }: Values<State>,
  register: (get: () => State) => Metric.Registration
): Source => {
  const open = (): Shared<State> => {
    const sources = new Set<() => State>()
    const get = () => {
      const states = Array.from(sources, (source) => source())
      return (shared.kept === undefined ? states : [shared.kept, ...states]).reduce((one, other) => combine(one, other))
    }
    const shared: Shared<State> = { sources, kept: undefined, registration: register(get) }
    all.set(key, shared)
    return shared
  }
  const shared = all.get(key) ?? open()
  shared.sources.add(read)
  const retain = () => {
    if (isKept) shared.kept = shared.kept === undefined ? read() : combine(shared.kept, read())
  }
  return {
    retain,
    close: () => {
      if (!shared.sources.delete(read)) return
      retain()
      if (shared.sources.size > 0) return
      shared.registration.remove()
      all.delete(key)
    }
  }
}

const optionsOf = ({ description, labels, name }: Series) => ({
  description,
  // exporters know it as the unit and not as a label
  attributes: { ...labels, ...unitOf(name) }
})

const unitOf = (name: string): Readonly<Record<string, string>> => {
  if (name.endsWith("_seconds")) return { unit: "s" }
  return name.endsWith("_bytes") ? { unit: "By" } : {}
}

/** In seconds, and each range with those below it, as Effect has it. */
const stateOf = ({ count, maxMillis, minMillis, ranges, sumMillis }: Histogram.Snapshot): Metric.HistogramState => {
  let below = 0
  const buckets = Histogram.BOUNDS_MILLIS.map((bound, range): [number, number] => [
    toSeconds(bound),
    (below += ranges[range] ?? 0)
  ])
  return { buckets, count, min: toSeconds(minMillis), max: toSeconds(maxMillis), sum: toSeconds(sumMillis) }
}

const toSeconds = (millis: number) => millis / 1000
const sum = (one: number, other: number) => one + other
const doNothing = () => {}
