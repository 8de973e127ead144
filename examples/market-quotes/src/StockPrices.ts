/**
 * The prices that are replayed: the `stocks` data of the npm package `vega-datasets`, monthly prices of five shares
 * between 2000 and 2010.
 */
import { readFile } from "node:fs/promises"

export interface Price {
  readonly symbol: string
  /** `Mar 2004` */
  readonly month: string
  /** In dollars. */
  readonly price: number
}

/** The prices of each symbol, oldest first; symbols in the order of the file. */
export type StockPrices = ReadonlyMap<string, ReadonlyArray<Price>>

/** Reads the file that came with the package. */
export const load = async (): Promise<StockPrices> => parse(await readFile(file(), "utf8"))

// the package exports its entry only, which lies in a folder beside the data
const file = (): URL => new URL("../data/stocks.csv", import.meta.resolve("vega-datasets"))

/** Reads lines such as `MSFT,Jan 1 2000,39.81` below a header. Throws for anything else, with the number of the line. */
export const parse = (csv: string): StockPrices => {
  const [header, ...lines] = csv.trim().split(/\r?\n/)
  if (header !== HEADER) throw new Error(`the stock prices begin with "${header}" instead of "${HEADER}"`)
  const prices = new Map<string, Array<Price>>()
  lines.forEach((line, index) => {
    const price = parseLine(line)
    if (price === undefined) throw new Error(`line ${index + 2} of the stock prices is not a price: "${line}"`)
    const known = prices.get(price.symbol)
    if (known === undefined) prices.set(price.symbol, [price])
    else known.push(price)
  })
  return prices
}

const HEADER = "symbol,date,price"
const LINE = /^(?<symbol>[A-Z]+),(?<month>[A-Z][a-z]{2}) \d{1,2} (?<year>\d{4}),(?<price>\d+(?:\.\d+)?)$/

const parseLine = (line: string): Price | undefined => {
  const { month, price, symbol, year } = LINE.exec(line)?.groups ?? {}
  if (symbol === undefined) return undefined
  return { symbol, month: `${month} ${year}`, price: Number(price) }
}

/** Only some symbols, in the order given; all must be known. */
export const select = (prices: StockPrices, symbols: ReadonlyArray<string>): StockPrices =>
  new Map(symbols.map((symbol) => [symbol, prices.get(symbol) ?? []]))
