/** A row of a process that does nothing, for tests to say what it does. */
import type { Row } from "../src/Frame.ts"

export const row = (row: Partial<Row>): Row => ({
  process: "feeder",
  elapsed: 1000,
  feeds: false,
  reads: false,
  quotesWritten: 0,
  l1Hits: 0,
  l2Hits: 0,
  misses: 0,
  errors: 0,
  readMicros: null,
  ageMillis: null,
  lastPrice: null,
  month: null,
  quotesPerSecond: 0,
  readsPerSecond: 0,
  ...row
})

export const feeder = row({
  feeds: true,
  quotesWritten: 2000,
  quotesPerSecond: 500,
  lastPrice: 25.94,
  month: "Mar 2004"
})

export const reader = (number: number): Row =>
  row({
    process: `reader ${number}`,
    reads: true,
    l1Hits: 998_000,
    l2Hits: 1_990,
    misses: 10,
    readsPerSecond: 1_234_567,
    readMicros: { p50: 0.21, p99: 1.5, max: 2100 },
    ageMillis: { p50: 5, p99: 11, max: 31 },
    lastPrice: 25.94
  })

export const frame = { elapsed: 4, seconds: 8, symbol: "AAPL", rows: [feeder, reader(1), reader(2)] }

export const headline = {
  symbols: ["MSFT", "AMZN", "IBM", "GOOG", "AAPL"],
  prices: 560,
  stage: "tiered backend, 3 processes, Redis at 127.0.0.1:6379"
}
