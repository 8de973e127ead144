/**
 * A view that is redrawn in place, and gives way to the summary.
 */
import { stripVTControlCharacters } from "node:util"
import { type Display, type Headline, title, verdict } from "./Display.ts"
import type { Frame } from "./Frame.ts"
import * as Paint from "./Paint.ts"
import * as Table from "./Table.ts"

export interface Terminal extends NodeJS.WritableStream {
  readonly columns: number
  readonly rows: number
}

const HIDE_CURSOR = "\u001B[?25l"
const SHOW_CURSOR = "\u001B[?25h"
const CLEAR_LINE = "\u001B[K"
const CLEAR_BELOW = "\u001B[J"
const CLEAR_SCREEN = "\u001B[2J\u001B[H"
const up = (lines: number) => (lines === 0 ? "" : `\u001B[${lines}A\r`)

/** Smooth enough for numbers, in milliseconds. */
const INTERVAL = 250
/** Some terminals do not say how large they are. */
const DEFAULT_COLUMNS = 80
const DEFAULT_ROWS = 24
/** Wider lines are harder to read, not easier. */
const MAX_WIDTH = 80

export const make = (terminal: Terminal): Display => {
  const paint = Paint.forTerminal(terminal)
  const width = () => Math.min(terminal.columns || DEFAULT_COLUMNS, MAX_WIDTH)
  let headline: Headline = { symbols: [], prices: 0, stage: "" }
  /** Lines on the screen, below which the cursor is. */
  let drawn = 0
  let drawnFor = terminal.columns

  const showCursor = () => void terminal.write(SHOW_CURSOR)
  process.once("exit", showCursor)

  const draw = (lines: ReadonlyArray<string>) => {
    // lines that were wrapped by a narrower terminal cannot be counted
    const back = terminal.columns === drawnFor ? up(drawn) : CLEAR_SCREEN
    terminal.write(`${HIDE_CURSOR}${back}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join("")}${CLEAR_BELOW}`)
    drawn = lines.length
    drawnFor = terminal.columns
  }

  return {
    interval: INTERVAL,
    begin: (given) => {
      headline = given
      draw([...shortTitle(headline, width(), paint), "", "starting ..."])
    },
    show: (frame) => draw(live(headline, frame, width(), paint).slice(0, (terminal.rows || DEFAULT_ROWS) - 1)),
    end: (summary) => {
      draw([])
      const { convergence } = summary
      const sections = [
        title(headline, paint),
        Table.render(summary, width(), paint),
        convergence === undefined ? [] : [verdict(convergence, paint)]
      ]
      terminal.write(`${sections.flatMap((lines) => (lines.length === 0 ? [] : [...lines, ""])).join("\n")}\n`)
    },
    [Symbol.dispose]: () => {
      process.off("exit", showCursor)
      showCursor()
    }
  }
}

/** The lines of the view. None is longer than the width, or the terminal would wrap it. */
export const live = (headline: Headline, frame: Frame, width: number, paint: Paint.Paint): ReadonlyArray<string> => [
  ...shortTitle(headline, width, paint),
  "",
  bar(frame, width, paint),
  "",
  ...Table.render(frame, width, paint)
]

const shortTitle = (headline: Headline, width: number, paint: Paint.Paint): ReadonlyArray<string> =>
  title(headline, paint).map((line) => shorten(line, width))

const bar = ({ elapsed, rows, seconds, symbol }: Frame, width: number, paint: Paint.Paint): string => {
  const month = rows.find(({ feeds }) => feeds)?.month
  const caption = `  ${elapsed.toFixed(1)} of ${seconds} s  ${symbol} ${month ?? ""}`
  const text = caption.padEnd(CAPTION_WIDTH).slice(0, width)
  const length = Math.max(0, width - text.length)
  const done = Math.min(length, Math.round((length * elapsed) / seconds))
  return paint("cyan", "█".repeat(done)) + paint("dim", "░".repeat(length - done)) + text
}

/** Of `  1234.5 of 3600 s  AAPL Mar 2004`: the bar must not jump when a number grows. */
const CAPTION_WIDTH = 33

const shorten = (line: string, width: number): string => {
  if (stripVTControlCharacters(line).length <= width) return line
  return `${stripVTControlCharacters(line).slice(0, width - 1)}…`
}
