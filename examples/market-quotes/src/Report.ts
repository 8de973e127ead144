/**
 * What one process says about its part in the demo. Reports travel between processes, so they are data with a schema.
 */
import { Schema } from "effect"

const Percentiles = Schema.Struct({ p50: Schema.Finite, p99: Schema.Finite, max: Schema.Finite })

export const Report = Schema.Struct({
  process: Schema.String,
  /** Milliseconds since this process started its part. */
  elapsed: Schema.Finite,
  feeds: Schema.Boolean,
  reads: Schema.Boolean,
  quotesWritten: Schema.Finite,
  l1Hits: Schema.Finite,
  l2Hits: Schema.Finite,
  misses: Schema.Finite,
  errors: Schema.Finite,
  /** How long a read took. */
  readMicros: Schema.NullOr(Percentiles),
  /** How old the quotes were when they were served. */
  ageMillis: Schema.NullOr(Percentiles),
  /** The last price of the first symbol that this process wrote or read. */
  lastPrice: Schema.NullOr(Schema.Finite),
  /** The month that price was paid in, which only the feeder knows. */
  month: Schema.NullOr(Schema.String)
})

/** Counters since the start. */
export type Report = typeof Report.Type

/** What a process serves for each symbol, as JSON; null for nothing. Equal views serve equal quotes. */
export const View = Schema.Record(Schema.String, Schema.NullOr(Schema.String))

/** @see {@link View} */
export type View = typeof View.Type
