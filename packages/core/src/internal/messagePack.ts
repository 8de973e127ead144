/**
 * msgpackr, held to "what was stored comes back equal, or storing it fails".
 */
import { createHash } from "node:crypto"
import { Predicate } from "effect"
import { addExtension, Packr } from "msgpackr"

export interface MessagePack {
  readonly pack: (value: unknown) => Uint8Array
  readonly unpack: (bytes: Uint8Array) => unknown
}

/** Deeper values are refused, and with them all cycles. Far below what overflows the stack of msgpackr. */
const MAX_DEPTH = 128

/** msgpackr writes -0 as the integer 0, so it travels as an extension. */
class NegativeZero {}
const negativeZero = new NegativeZero()
addExtension({ Class: NegativeZero, type: 0x7a, pack: () => new Uint8Array(1), unpack: () => -0 })

/** Records keep objects apart from Maps; copied buffers do not hold on to what came from the socket. */
const OPTIONS = { useRecords: true, moreTypes: true, copyBuffers: true }

/** Self-contained: an object carries the names of its fields. */
export const make = (): MessagePack => {
  const packr = new Packr(OPTIONS)
  return {
    pack: (value) => (isInteger(value) ? packInteger(value) : packr.pack(storable(value, 0))),
    unpack: (bytes) => (bytes[0] === INTEGER_MARK ? unpackInteger(bytes) : packr.unpack(bytes))
  }
}

/**
 * A byte that begins no MessagePack value. Behind it an integer stands in decimal digits, so that a Lua script can add
 * to it: `cache.set("visits", 5)`, then `cache.increment("visits")`.
 */
const INTEGER_MARK = 0xc1

const isInteger = (value: unknown): value is number => Number.isSafeInteger(value) && !Object.is(value, -0)

const packInteger = (value: number): Uint8Array => Buffer.from(`\xc1${value}`, "latin1")

const unpackInteger = (bytes: Uint8Array): number => {
  const digits = Buffer.from(bytes).toString("latin1", 1)
  if (/^(0|-?[1-9]\d{0,15})$/.test(digits)) return Number(digits)
  throw new Error("not an integer")
}

/** Tells apart payloads written with different field lists: a field added in a new deploy must not shift the others. */
const FINGERPRINT_BYTES = 4

/**
 * Objects with exactly these fields, in this order, are written without their names; others as by {@link make}.
 */
export const makePreset = (fields: ReadonlyArray<string>): MessagePack => {
  const fingerprint = createHash("sha256").update(JSON.stringify(fields)).digest().subarray(0, FINGERPRINT_BYTES)
  const makePackr = () =>
    new Packr({ ...OPTIONS, structures: [[...fields]], maxSharedStructures: 1 })
  let packr = makePackr()
  let preset = structures(packr)[0]
  return {
    pack: (value) => {
      const payload = packr.pack(storable(value, 0))
      const bytes = Buffer.allocUnsafe(FINGERPRINT_BYTES + payload.length)
      bytes.set(fingerprint)
      bytes.set(payload, FINGERPRINT_BYTES)
      return bytes
    },
    unpack: (bytes) => {
      if (!fingerprint.equals(bytes.subarray(0, FINGERPRINT_BYTES))) throw new Error("another version of the schema")
      try {
        return packr.unpack(bytes.subarray(FINGERPRINT_BYTES))
      } finally {
        // bytes that define a record under the preset's number would change the meaning of all later ones
        if (structures(packr)[0] !== preset) {
          packr = makePackr()
          preset = structures(packr)[0]
        }
      }
    }
  }
}

const structures = (packr: Packr): ReadonlyArray<unknown> =>
  Predicate.hasProperty(packr, "structures") && Array.isArray(packr.structures) ? packr.structures : []

/**
 * The value itself if msgpackr writes it exactly, a copy if it contains -0. Throws for what cannot come back equal.
 */
const storable = (value: unknown, depth: number): unknown => {
  switch (typeof value) {
    case "string":
      if (value.isWellFormed()) return value
      throw new Error("a string with a lone surrogate")
    case "number":
      return Object.is(value, -0) ? negativeZero : value
    case "boolean":
    case "undefined":
    case "bigint":
      return value
    case "object":
      return value === null ? null : storableObject(value, depth + 1)
    default:
      throw new Error(`a ${typeof value}`)
  }
}

const storableObject = (value: object, depth: number): unknown => {
  if (depth > MAX_DEPTH) throw new Error(`a cycle, or more than ${MAX_DEPTH} levels`)
  if (Array.isArray(value)) return storableArray(value, depth)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return storableRecord(value, depth)
  if (value instanceof Map) return storableMap(value, depth)
  if (value instanceof Set) return storableSet(value, depth)
  if (value instanceof Date || value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return value
  throw new Error(`an instance of ${value.constructor.name}`)
}

const storableArray = (array: ReadonlyArray<unknown>, depth: number): ReadonlyArray<unknown> => {
  let copy: Array<unknown> | undefined
  for (let index = 0; index < array.length; index++) {
    const element = array[index]
    if (element === undefined && !(index in array)) throw new Error("an array with holes")
    const stored = storable(element, depth)
    if (stored !== element) (copy ??= [...array])[index] = stored
  }
  return copy ?? array
}

const storableRecord = (record: object, depth: number): object => {
  if (Object.getOwnPropertySymbols(record).length > 0) throw new Error("an object with a symbol as a key")
  let copy: Record<string, unknown> | undefined
  for (const [key, field] of Object.entries(record)) {
    if (key === "__proto__" || !key.isWellFormed()) throw new Error("an object with a key that is no plain name")
    const stored = storable(field, depth)
    if (stored !== field) (copy ??= { ...record })[key] = stored
  }
  return copy ?? record
}

const storableMap = (map: ReadonlyMap<unknown, unknown>, depth: number): ReadonlyMap<unknown, unknown> => {
  let changed = false
  const copy = new Map<unknown, unknown>()
  for (const [key, field] of map) {
    const [storedKey, stored] = [storable(key, depth), storable(field, depth)]
    changed ||= storedKey !== key || stored !== field
    copy.set(storedKey, stored)
  }
  return changed ? copy : map
}

const storableSet = (set: ReadonlySet<unknown>, depth: number): ReadonlySet<unknown> => {
  const copy = new Set([...set].map((element) => storable(element, depth)))
  return [...set].every((element) => copy.has(element)) ? set : copy
}
