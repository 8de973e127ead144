/**
 * What `pnpm start` runs: real prices as a live feed into the cache, and readers that follow it.
 */
import * as Demo from "./Demo.ts"
import type { Display } from "./Display.ts"
import * as JsonDisplay from "./JsonDisplay.ts"
import * as MemoryStage from "./MemoryStage.ts"
import * as Options from "./Options.ts"
import * as PlainDisplay from "./PlainDisplay.ts"
import * as RedisStage from "./RedisStage.ts"
import * as StockPrices from "./StockPrices.ts"
import * as TerminalDisplay from "./TerminalDisplay.ts"

const EXIT_FAILED = 1
const EXIT_WRONG_OPTIONS = 2

/** The exit code that shells expect after a signal. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

const displayFor = ({ json }: Options.Options): Display => {
  if (json) return JsonDisplay.make(process.stdout)
  const canMoveCursor = process.stdout.isTTY && process.env.TERM !== "dumb"
  return canMoveCursor ? TerminalDisplay.make(process.stdout) : PlainDisplay.make(process.stdout)
}

/**
 * Resolves to the exit code if the user wants no more: after a signal, or after a closed pipe as in `| head`. The second
 * signal does not wait for anything.
 */
const interruption = (): Promise<number> =>
  new Promise((resolve) => {
    process.stdout.on("error", () => resolve(EXIT_FAILED))
    for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(EXIT_CODES[signal]))
        resolve(EXIT_CODES[signal])
      })
    }
  })

const play = async (
  options: Options.Options,
  all: StockPrices.StockPrices,
  interrupted: Promise<number>
): Promise<number> => {
  const prices = StockPrices.select(all, options.symbols)
  const url = process.env.REDIS_URL
  await using stage = await (url ? RedisStage.open(url, options, prices) : MemoryStage.open(options, prices))
  using display = displayFor(options)
  const over = new AbortController()
  const finished = Demo.run(stage, display, options, prices, over.signal)
  try {
    return await Promise.race([finished.then((isFine) => (isFine ? 0 : EXIT_FAILED)), interrupted, stage.failure])
  } finally {
    over.abort()
  }
}

const main = async (): Promise<number> => {
  const interrupted = interruption()
  const prices = await StockPrices.load()
  const symbols = [...prices.keys()]
  const options = Options.parse(process.argv.slice(2), symbols)
  if (options !== "help") return play(options, prices, interrupted)
  process.stdout.write(Options.help(symbols))
  return 0
}

/** What went wrong first, in one line. */
const describe = (error: unknown): string => {
  if (error instanceof SuppressedError) return describe(error.suppressed)
  return error instanceof Error ? error.message : String(error)
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`market-quotes: ${describe(error)}\n`)
  process.exitCode = error instanceof Options.OptionError ? EXIT_WRONG_OPTIONS : EXIT_FAILED
}
