/**
 * msgpackr, held to "what was stored comes back equal, or storing it fails".
 */
import { createHash } from "node:crypto"
import { addExtension, Packr, Unpackr } from "msgpackr"
import * as Storable from "./storable.ts"

export interface MessagePack {
  /** Throws a `CacheError` for what cannot come back equal. */
  readonly pack: (value: unknown) => Uint8Array
  readonly unpack: (bytes: Uint8Array) => unknown
}

/** msgpackr writes -0 as the integer 0, so it travels as an extension. */
class NegativeZero {}
const negativeZero = new NegativeZero()
addExtension({ Class: NegativeZero, type: 0x7a, pack: () => new Uint8Array(1), unpack: () => -0 })

/** Where its native part is not installed, msgpackr drops U+FEFF from the start of a long string. */
class MarkedText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
const BYTE_ORDER_MARK = 0xfeff
addExtension({
  Class: MarkedText,
  type: 0x7b,
  pack: ({ text }: MarkedText) => Buffer.from(text),
  unpack: (bytes) => Buffer.from(bytes).toString()
})

/**
 * Records keep objects apart from Maps; copied buffers do not hold on to what came from the socket. References between
 * parts of a value and `toJSON` methods are not ours: bytes could build cycles with the first, fields pass for the second.
 */
const OPTIONS = { useRecords: true, moreTypes: true, copyBuffers: true, structuredClone: false, useToJSON: false }

/** Self-contained: an object carries the names of its fields. */
export const make = (): MessagePack => {
  const packr = new Packr(OPTIONS)
  const unpackr = new Unpackr(OPTIONS)
  return {
    pack: (value) => (isInteger(value) ? packInteger(value) : packr.pack(storable(value, []))),
    unpack: (bytes) => (bytes[0] === INTEGER_MARK ? unpackInteger(bytes) : unpackr.unpack(asBuffer(bytes)))
  }
}

/** Readers then get a Buffer where there was one, whoever hands us the bytes. */
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * A byte that begins no MessagePack value. Between two of it an integer stands in decimal digits, so that a Lua script can add
 * to it: `cache.set("visits", 5)`, then `cache.increment("visits")`. The second one shows that no digit was cut off.
 */
const INTEGER_MARK = 0xc1

const isInteger = (value: unknown): value is number => Number.isSafeInteger(value) && !Object.is(value, -0)

const packInteger = (value: number): Uint8Array => Buffer.from(`\xc1${value}\xc1`, "latin1")

const unpackInteger = (bytes: Uint8Array): number => {
  if (bytes.at(-1) !== INTEGER_MARK) throw Storable.unreadable("an integer that was cut off")
  const digits = asBuffer(bytes).toString("latin1", 1, bytes.length - 1)
  const value = Number(digits)
  if (String(value) === digits && isInteger(value)) return value
  throw Storable.unreadable("not an integer")
}

/** Tells apart payloads written with different field lists: a field added in a new deploy must not shift the others. */
const FINGERPRINT_BYTES = 4

/**
 * Objects with exactly these fields, in this order, are written without their names; others as by {@link make}.
 */
export const makePreset = (fields: ReadonlyArray<string>): MessagePack => {
  const fingerprint = createHash("sha256").update(JSON.stringify(fields)).digest().subarray(0, FINGERPRINT_BYTES)
  const packr = new Packr({ ...OPTIONS, structures: [[...fields]], maxSharedStructures: 1 })
  const unpackr = new PresetUnpackr(fields)
  return {
    pack: (value) => {
      const payload = packr.pack(storable(value, []))
      const bytes = Buffer.allocUnsafe(FINGERPRINT_BYTES + payload.length)
      bytes.set(fingerprint)
      bytes.set(payload, FINGERPRINT_BYTES)
      return bytes
    },
    unpack: (bytes) => {
      if (!fingerprint.equals(bytes.subarray(0, FINGERPRINT_BYTES)))
        throw Storable.unreadable("another version of the schema")
      return unpackr.unpack(asBuffer(bytes).subarray(FINGERPRINT_BYTES))
    }
  }
}

/** Begins every message with the preset alone: bytes that define its number anew would change the meaning of all later ones. */
class PresetUnpackr extends Unpackr {
  readonly #preset: Array<string>
  constructor(fields: ReadonlyArray<string>) {
    super(OPTIONS)
    this.#preset = [...fields]
  }
  get structures(): Array<unknown> {
    return Object.assign([this.#preset], { sharedLength: 1 })
  }
}

/**
 * The value itself if msgpackr writes it exactly, otherwise a copy with extensions in it. Throws for what cannot come back
 * equal.
 */
const storable = (value: unknown, path: Array<object>): unknown => {
  switch (typeof value) {
    case "string":
      return Storable.text(value).charCodeAt(0) === BYTE_ORDER_MARK ? new MarkedText(value) : value
    case "number":
      return Object.is(value, -0) ? negativeZero : value
    case "boolean":
    case "undefined":
    case "bigint":
      return value
    case "object":
      return value === null ? null : storableObject(value, path)
    default:
      throw Storable.refuse(Storable.kindOf(value))
  }
}

const storableObject = (value: object, path: Array<object>): unknown => {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (BINARY_PROTOTYPES.has(prototype)) return value
  return Storable.descend(value, path, () => {
    if (Storable.isPlain(value)) return storableRecord(value, path)
    // subclasses would come back as what they extend
    if (Array.isArray(value) && prototype === Array.prototype) return storableArray(value, path)
    if (value instanceof Map && prototype === Map.prototype) return storableMap(value, path)
    if (value instanceof Set && prototype === Set.prototype) return storableSet(value, path)
    throw Storable.refuse(Storable.kindOf(value))
  })
}

/** Written as bytes. Newer typed arrays, such as Float16Array, are unknown to msgpackr. */
const BINARY_PROTOTYPES: ReadonlySet<unknown> = new Set([
  Date.prototype,
  Buffer.prototype,
  ArrayBuffer.prototype,
  DataView.prototype,
  Int8Array.prototype,
  Uint8Array.prototype,
  Uint8ClampedArray.prototype,
  Int16Array.prototype,
  Uint16Array.prototype,
  Int32Array.prototype,
  Uint32Array.prototype,
  Float32Array.prototype,
  Float64Array.prototype,
  BigInt64Array.prototype,
  BigUint64Array.prototype
])

const storableArray = (array: ReadonlyArray<unknown>, path: Array<object>): ReadonlyArray<unknown> => {
  let copy: Array<unknown> | undefined
  for (let index = 0; index < array.length; index++) {
    const element = Storable.element(array, index)
    const stored = storable(element, path)
    if (!Object.is(stored, element)) (copy ??= [...array])[index] = stored
  }
  return copy ?? array
}

const storableRecord = (record: object, path: Array<object>): object => {
  let copy: Record<string, unknown> | undefined
  for (const [name, field] of Storable.fields(record)) {
    // msgpackr keeps data of its own under this name, and breaks
    if (name === "__keys__") throw Storable.refuse("an object with a field named __keys__")
    if (name.charCodeAt(0) === BYTE_ORDER_MARK) throw Storable.refuse("a byte order mark in the name of a field")
    const stored = storable(field, path)
    if (!Object.is(stored, field)) (copy ??= { ...record })[name] = stored
  }
  return copy ?? record
}

const storableMap = (map: ReadonlyMap<unknown, unknown>, path: Array<object>): ReadonlyMap<unknown, unknown> => {
  let changed = false
  const copy = new Map<unknown, unknown>()
  for (const [key, field] of map) {
    const [storedKey, stored] = [storable(key, path), storable(field, path)]
    changed ||= !Object.is(storedKey, key) || !Object.is(stored, field)
    copy.set(storedKey, stored)
  }
  return changed ? copy : map
}

const storableSet = (set: ReadonlySet<unknown>, path: Array<object>): ReadonlySet<unknown> => {
  const copy = new Set([...set].map((element) => storable(element, path)))
  return [...set].every((element) => copy.has(element)) ? set : copy
}
