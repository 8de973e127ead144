/**
 * What the command line says.
 */
import { parseArgs } from "node:util"

export interface Options {
  readonly symbols: ReadonlyArray<string>
  readonly seconds: number
  readonly readers: number
  /** Quotes per second. */
  readonly rate: number
  /** Prints nothing but one JSON document. */
  readonly json: boolean
}

/** A command line that makes no sense; the message is one line, for the user. */
export class OptionError extends Error {
  override readonly name = "OptionError"
}

const DEFAULTS = { seconds: 8, readers: 2, rate: 500 } as const

export const help = (symbols: ReadonlyArray<string>): string => `
Replays real stock prices as a live feed of quotes into a cache, and shows how
readers follow it.

  npx pnpm@12 start [options]
  node examples/market-quotes/src/main.ts [options]

  --symbols LIST  of ${symbols.join(",")}; all unless given
  --seconds N     how long the feed lasts, ${DEFAULTS.seconds} unless given
  --readers N     how many readers there are, ${DEFAULTS.readers} unless given
  --rate N        quotes per second, ${DEFAULTS.rate} unless given
  --json          print one JSON document at the end, and nothing else
  --help          print this

  REDIS_URL       where set (redis://127.0.0.1:6379), the feeder and each reader
                  are processes of their own, with an L1 in front of that Redis;
                  otherwise all share the memory of one process
  NO_COLOR        where set, no colours

Exit code: 0; 1 if Redis cannot be used or a process does not see the last
quotes; 2 for wrong options.
`

/** Reads the arguments after the script's name. Throws an `OptionError`. */
export const parse = (args: ReadonlyArray<string>, known: ReadonlyArray<string>): Options | "help" => {
  const { values } = parseStrictly(args)
  if (values.help) return "help"
  return {
    symbols: values.symbols === undefined ? known : symbols(values.symbols, known),
    seconds: number("--seconds", values.seconds, { default: DEFAULTS.seconds, min: 0.1, max: 3600 }),
    readers: integer("--readers", values.readers, { default: DEFAULTS.readers, min: 1, max: 8 }),
    rate: integer("--rate", values.rate, { default: DEFAULTS.rate, min: 1, max: 100_000 }),
    json: values.json
  }
}

const parseStrictly = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      // pnpm passes a "--" on that it was given
      args: args[0] === "--" ? args.slice(1) : [...args],
      options: {
        symbols: { type: "string" },
        seconds: { type: "string" },
        readers: { type: "string" },
        rate: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false }
      }
    })
  } catch (error) {
    // further sentences explain the syntax of command lines
    const message = error instanceof Error ? error.message : String(error)
    throw new OptionError(message.split(/\.\s/)[0])
  }
}

const symbols = (list: string, known: ReadonlyArray<string>): ReadonlyArray<string> => {
  const chosen = new Set(list.split(",").map((symbol) => symbol.trim().toUpperCase()))
  const unknown = [...chosen].find((symbol) => !known.includes(symbol))
  if (unknown === undefined) return [...chosen]
  throw new OptionError(`--symbols takes some of ${known.join(",")}, and not "${unknown}"`)
}

interface Range {
  readonly default: number
  readonly min: number
  readonly max: number
}

const number = (option: string, text: string | undefined, range: Range): number => {
  if (text === undefined) return range.default
  const value = text.trim() === "" ? Number.NaN : Number(text)
  if (value >= range.min && value <= range.max) return value
  throw new OptionError(`${option} takes a number from ${range.min} to ${range.max}, and not "${text}"`)
}

const integer = (option: string, text: string | undefined, range: Range): number => {
  const value = number(option, text, range)
  if (Number.isInteger(value)) return value
  throw new OptionError(`${option} takes a whole number, and not "${text}"`)
}
