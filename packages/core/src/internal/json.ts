/**
 * JSON, held to "what was stored comes back equal, or storing it fails".
 */
import type { Schema } from "effect"
import * as Storable from "./storable.ts"

/** Throws a `CacheError` for what cannot come back equal. */
export const stringify = (value: unknown): string => (check(value, []) ? write(value) : JSON.stringify(value))

export const parse = (text: string): Schema.Json => {
  const value: Schema.Json = JSON.parse(text)
  if (MAY_NAME_PROTO.test(text)) check(value, [])
  return value
}

/** A field of this name, in clear or with escaped letters, changes the prototype of what it is copied to. */
const MAY_NAME_PROTO = /__proto__|\\u00[4-7]/

/** Throws for what is no JSON value; returns whether -0 is in it, which `JSON.stringify` writes as 0. */
const check = (value: unknown, path: Array<object>): boolean => {
  switch (typeof value) {
    case "string":
      Storable.text(value)
      return false
    case "number":
      if (Number.isFinite(value)) return Object.is(value, -0)
      throw Storable.refuse("NaN or an infinity, for which JSON has no form")
    case "boolean":
      return false
    case "object":
      return value !== null && Storable.descend(value, path, () => checkObject(value, path))
    default:
      throw Storable.refuse(`${Storable.kindOf(value)}, for which JSON has no form`)
  }
}

const checkObject = (object: object, path: Array<object>): boolean => {
  let negativeZero = false
  if (Array.isArray(object) && Object.getPrototypeOf(object) === Array.prototype) {
    for (let index = 0; index < object.length; index++) {
      if (check(Storable.element(object, index), path)) negativeZero = true
    }
  } else if (Storable.isPlain(object)) {
    for (const [, field] of Storable.fields(object)) {
      if (check(field, path)) negativeZero = true
    }
  } else {
    throw Storable.refuse(`${Storable.kindOf(object)}, for which JSON has no form`)
  }
  return negativeZero
}

const write = (value: unknown): string => {
  if (Object.is(value, -0)) return "-0"
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`
  return `{${Object.entries(value)
    .map(([name, field]) => `${JSON.stringify(name)}:${write(field)}`)
    .join(",")}}`
}
