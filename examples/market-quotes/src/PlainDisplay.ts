/**
 * A line a second and the summary: for files, pipes and logs.
 */
import type { Writable } from "node:stream"
import { type Display, title, verdict } from "./Display.ts"
import * as Format from "./Format.ts"
import { type Frame, l1HitRateOf, type Row } from "./Frame.ts"
import * as Paint from "./Paint.ts"
import * as Table from "./Table.ts"

/** In milliseconds. */
const INTERVAL = 1000
const WIDTH = 100

export const make = (stream: Writable): Display => {
  const print = (...lines: ReadonlyArray<string>) => void stream.write(lines.map((line) => `${line}\n`).join(""))
  let isFirst = true
  return {
    interval: INTERVAL,
    begin: (headline) => print(...title(headline, Paint.none), ""),
    show: (frame) => {
      if (isFirst) print(header(frame))
      isFirst = false
      print(line(frame))
    },
    end: (summary) => {
      const { convergence } = summary
      print("", ...Table.render(summary, WIDTH, Paint.none), "")
      if (convergence !== undefined) print(verdict(convergence, Paint.none), "")
    },
    [Symbol.dispose]: () => {}
  }
}

/** One column of the lines; processes that have nothing to say in it take no room. */
interface Column {
  readonly name: string
  readonly width: number
  readonly cell: (row: Row) => string | undefined
}

const COLUMNS: ReadonlyArray<Column> = [
  { name: "quotes/s", width: 8, cell: (row) => (row.feeds ? Format.speed(row.quotesPerSecond) : undefined) },
  { name: "reads/s", width: 7, cell: (row) => (row.reads ? Format.speed(row.readsPerSecond) : undefined) },
  { name: "L1 hits", width: 9, cell: (row) => (row.reads ? Format.percent(l1HitRateOf(row) ?? 0) : undefined) },
  { name: "age p99", width: 7, cell: ({ ageMillis }) => (ageMillis === null ? undefined : Format.age(ageMillis.p99)) },
  { name: "price", width: 6, cell: ({ lastPrice }) => (lastPrice === null ? "" : Format.price(lastPrice)) }
]

const GAP = "   "
const TIME_WIDTH = 7

/** The names of the columns, each as wide as what the processes of this frame put below it. */
const header = (frame: Frame): string => {
  const columns = COLUMNS.map(({ cell, name, width }) => {
    const cells = frame.rows.filter((row) => cell(row) !== undefined).length
    return (name === "price" ? frame.symbol : name).padEnd(width * cells + (cells - 1))
  })
  return ["time".padStart(TIME_WIDTH), ...columns].join(GAP).trimEnd()
}

/** A frame in one line: in each column one value for each process, the feeder first. */
export const line = (frame: Frame): string => {
  const columns = COLUMNS.map(({ cell, width }) =>
    frame.rows.flatMap((row) => cell(row)?.padStart(width) ?? []).join(" ")
  )
  const errors = frame.rows.reduce((sum, row) => sum + row.errors, 0)
  const remark = errors === 0 ? [] : [`errors: ${Format.count(errors)}`]
  return [Format.seconds(frame.elapsed).padStart(TIME_WIDTH), ...columns, ...remark].join(GAP)
}
