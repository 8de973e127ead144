/**
 * Nothing but one JSON document at the end: for programs.
 */
import type { Writable } from "node:stream"
import type { Display, Summary } from "./Display.ts"
import { l1HitRateOf, readsOf, type Row } from "./Frame.ts"

/** Nobody looks, but speeds of the last second need a look now and then; in milliseconds. */
const INTERVAL = 1000

export const make = (stream: Writable): Display => {
  let stage = ""
  let symbols: ReadonlyArray<string> = []
  return {
    interval: INTERVAL,
    begin: (headline) => {
      stage = headline.stage
      symbols = headline.symbols
    },
    show: () => {},
    end: (summary) => {
      stream.write(`${JSON.stringify({ stage, symbols, ...documentOf(summary) }, null, 2)}\n`)
    },
    [Symbol.dispose]: () => {}
  }
}

const documentOf = ({ convergence, elapsed, rows }: Summary) => ({
  seconds: round(elapsed),
  quotesWritten: rows.reduce((sum, { quotesWritten }) => sum + quotesWritten, 0),
  reads: rows.reduce((sum, row) => sum + readsOf(row), 0),
  errors: rows.reduce((sum, { errors }) => sum + errors, 0),
  processes: rows.map(processOf),
  convergence: convergence === undefined ? null : { converged: convergence.differences.length === 0, ...convergence }
})

const processOf = (row: Row) => ({
  name: row.process,
  quotesWritten: row.quotesWritten,
  quotesPerSecond: round(row.quotesPerSecond),
  reads: readsOf(row),
  readsPerSecond: round(row.readsPerSecond),
  l1Hits: row.l1Hits,
  l2Hits: row.l2Hits,
  misses: row.misses,
  errors: row.errors,
  l1HitRate: l1HitRateOf(row) ?? null,
  readMicros: row.readMicros,
  quoteAgeMillis: row.ageMillis,
  lastPrice: row.lastPrice
})

const round = (value: number): number => Math.round(value * 100) / 100
