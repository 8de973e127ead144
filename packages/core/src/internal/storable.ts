/**
 * What no wire format stores, and how that is said.
 */
import * as CacheError from "../CacheError.ts"

/** Deeper values are refused. Far below what overflows the stack of msgpackr or `JSON.stringify`. */
const MAX_DEPTH = 128

/** The error for what would not come back equal. It names the kind of thing, never its content. */
export const refuse = (what: string): CacheError.CacheError =>
  CacheError.make("encode", "Encode", `this value cannot be stored: ${what}`)

/** The error for bytes that no value of ours has. */
export const unreadable = (why: string): CacheError.CacheError =>
  CacheError.make("decode", "Decode", `the stored bytes cannot be read: ${why}`)

/** Visits the parts of an object; `path` holds the objects around it. */
export const descend = <A>(object: object, path: Array<object>, visit: () => A): A => {
  // Not by depth alone: a tree whose nodes know their parents has 2^64 paths of 128 steps.
  if (path.includes(object)) throw refuse("an object that contains itself")
  if (path.length === MAX_DEPTH) throw refuse(`more than ${MAX_DEPTH} levels`)
  path.push(object)
  const result = visit()
  path.pop()
  return result
}

/** Well-formed text, which is what UTF-8 can carry. */
export const text = (value: string): string => {
  if (value.isWellFormed()) return value
  throw refuse("a string with a lone surrogate")
}

export const isPlain = (object: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(object)
  return prototype === Object.prototype || prototype === null
}

/** The fields of a plain object. */
export const fields = (record: object): ReadonlyArray<[name: string, value: unknown]> => {
  if (Object.getOwnPropertySymbols(record).length > 0) throw refuse("an object with a symbol as a key")
  const entries = Object.entries(record)
  for (const [name] of entries) {
    // it sets the prototype of what it is copied to
    if (name === "__proto__") throw refuse("an object with a field named __proto__")
    if (!name.isWellFormed()) throw refuse("an object with a lone surrogate in the name of a field")
  }
  return entries
}

/** The element at an index, if there is one. */
export const element = (array: ReadonlyArray<unknown>, index: number): unknown => {
  const value = array[index]
  if (value === undefined && !(index in array)) throw refuse("an array with holes")
  return value
}

/** What a value is, for a message. */
export const kindOf = (value: unknown): string => {
  if (value === undefined) return "undefined"
  if (typeof value !== "object" || value === null) return `a ${typeof value}`
  const { constructor } = value
  return typeof constructor === "function" ? `an instance of ${constructor.name}` : "an instance of an unnamed class"
}
