/**
 * The rows of a frame as a table: one column for each process, as many side by side as the width allows.
 */
import * as Format from "./Format.ts"
import { type Frame, l1HitRateOf, type Row } from "./Frame.ts"
import type { Paint } from "./Paint.ts"

/** A line of the table; a process that has nothing to say about it gets a dash. */
interface Line {
  readonly label: string
  readonly cell: (row: Row) => string | undefined
}

const ifReads = (cell: (row: Row) => string) => (row: Row) => (row.reads ? cell(row) : undefined)

const LINES: ReadonlyArray<Line> = [
  { label: "quotes written/s", cell: (row) => (row.feeds ? Format.speed(row.quotesPerSecond) : undefined) },
  { label: "reads/s", cell: ifReads((row) => Format.speed(row.readsPerSecond)) },
  { label: "  L1 hits", cell: ifReads((row) => Format.count(row.l1Hits)) },
  { label: "  L2 hits", cell: ifReads((row) => Format.count(row.l2Hits)) },
  { label: "  misses", cell: ifReads((row) => Format.count(row.misses)) },
  { label: "L1 hit rate", cell: (row) => optional(Format.percent, l1HitRateOf(row)) },
  { label: "read, p50", cell: ({ readMicros }) => optional(Format.micros, readMicros?.p50) },
  { label: "      p99", cell: ({ readMicros }) => optional(Format.micros, readMicros?.p99) },
  { label: "quote age, p50", cell: ({ ageMillis }) => optional(Format.age, ageMillis?.p50) },
  { label: "           p99", cell: ({ ageMillis }) => optional(Format.age, ageMillis?.p99) },
  { label: "           max", cell: ({ ageMillis }) => optional(Format.age, ageMillis?.max) }
]

const ERRORS: Line = { label: "errors", cell: ({ errors }) => Format.count(errors) }

const optional = (format: (value: number) => string, value: number | undefined): string | undefined =>
  value === undefined ? undefined : format(value)

const NOTHING = "–"
const LABEL_WIDTH = Math.max(...LINES.map(({ label }) => label.length)) + 2
/** Of the widest number, `123,456,789`, and a gap. */
const COLUMN_WIDTH = 13

/** The table as lines no longer than the width, if that is enough for one column. */
export const render = ({ rows, symbol }: Frame, width: number, paint: Paint): ReadonlyArray<string> => {
  const columnWidth = Math.max(COLUMN_WIDTH, ...rows.map(({ process }) => process.length + 2))
  const perBlock = Math.max(1, Math.floor((width - LABEL_WIDTH) / columnWidth))
  const lines = [
    ...LINES,
    { label: `last price ${symbol}`, cell: ({ lastPrice }: Row) => optional(Format.price, lastPrice ?? undefined) },
    ...(rows.some(({ errors }) => errors > 0) ? [ERRORS] : [])
  ]
  return inBlocks(rows, perBlock).flatMap((block, index) => [
    ...(index === 0 ? [] : [""]),
    paint("bold", "".padEnd(LABEL_WIDTH) + block.map(({ process }) => process.padStart(columnWidth)).join("")),
    ...lines.map(({ cell, label }) => {
      const cells = block.map((row) => cell(row) ?? NOTHING).map((text) => text.padStart(columnWidth))
      return paint("dim", label.padEnd(LABEL_WIDTH)) + cells.join("")
    })
  ])
}

const inBlocks = <A>(all: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size))
