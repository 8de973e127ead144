/**
 * The parameters of a request as one text: the same for the same parameters, another for any others.
 *
 * **Details**
 *
 * JSON without spaces, with the names of objects in order (of their UTF-16 units) at every depth. Arrays keep theirs. Fields that are
 * undefined are as if they were absent; 1, `"1"` and `1n` differ. A Date or DateTime is its ISO text in UTC, and a
 * BigDecimal its decimal text, since requests send them so: they are the same as those strings. -0 is 0.
 */
import { CacheError } from "@tiercache/core"
import { BigDecimal, DateTime } from "effect"

/** What a parameter may be. */
export type Param =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | DateTime.DateTime
  | BigDecimal.BigDecimal
  | ReadonlyArray<Param>
  | Params

export interface Params {
  readonly [name: string]: Param | undefined
}

/** Far more than requests nest, and far less than overflows the stack. */
const MAX_DEPTH = 64

/**
 * **Details**
 *
 * Throws a `CacheError` with reason `InvalidKey` for what is no {@link Param}: functions, symbols, NaN, infinities, invalid dates,
 * undefined in an array, instances of other classes, cycles and more than 64 levels.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { CanonicalParams } from "@tiercache/domains"
 *
 * CanonicalParams.text({ page: 1, filter: { to: undefined, from: new Date(0) } }) // => '{"filter":{"from":"1970-01-01T00:00:00.000Z"},"page":1}'
 * ```
 */
export const text = (param: Param): string => textOf(param, 0)

const textOf = (param: unknown, depth: number): string => {
  switch (typeof param) {
    case "string":
    case "boolean":
      return JSON.stringify(param)
    case "number":
      if (Number.isFinite(param)) return JSON.stringify(param)
      throw refuse("a number that is not finite")
    case "bigint":
      return `${param}n`
    case "object": {
      if (param === null) return "null"
      const sent = sentAs(param)
      if (sent !== undefined) return JSON.stringify(sent)
      if (depth === MAX_DEPTH) throw refuse(`more than ${MAX_DEPTH} levels, or an object that contains itself`)
      return compositeOf(param, depth)
    }
    default:
      throw refuse(`a parameter of type ${typeof param}`)
  }
}

/** The text as which it is sent, if it is. */
const sentAs = (param: object): string | undefined => {
  if (DateTime.isDateTime(param)) return DateTime.formatIso(param)
  if (BigDecimal.isBigDecimal(param)) return BigDecimal.format(param)
  if (!(param instanceof Date)) return undefined
  if (Number.isNaN(param.getTime())) throw refuse("an invalid date")
  return param.toISOString()
}

const compositeOf = (param: object, depth: number): string => {
  // not `map`, which skips holes
  if (Array.isArray(param)) return `[${Array.from(param, (element) => textOf(element, depth + 1)).join(",")}]`
  const prototype: unknown = Object.getPrototypeOf(param)
  if (prototype !== Object.prototype && prototype !== null) throw refuse("an instance of a class")
  if (Object.getOwnPropertySymbols(param).length > 0) throw refuse("an object with a symbol as a name")
  const fields = Object.entries(param)
    .filter(([, field]) => field !== undefined)
    .toSorted(([self], [that]) => (self < that ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${textOf(field, depth + 1)}`)
  return `{${fields.join(",")}}`
}

/** Says what kind of thing it is, never what is in it. */
const refuse = (what: string): CacheError.CacheError =>
  CacheError.make("key", "InvalidKey", `parameters of a request cannot be a key: ${what}`)
