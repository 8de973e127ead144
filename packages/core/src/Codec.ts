/**
 * How values become bytes.
 */
import { Schema } from "effect"
import * as CacheError from "./CacheError.ts"
import * as Json from "./internal/json.ts"
import * as messagePack from "./internal/messagePack.ts"
import { toCodecNative } from "./internal/nativeForm.ts"
import * as schemaForm from "./internal/schemaForm.ts"
import * as Storable from "./internal/storable.ts"
import type * as Secrets from "./Secrets.ts"

/**
 * A two-way translation between values and bytes, for the value of one key.
 *
 * **Details**
 *
 * `encode` throws a `CacheError` with reason `Encode` for a value that would not come back equal. `decode` throws a
 * `CacheError` with reason `Decode` for bytes that `encode` did not make; readers take that as a miss. The key is the
 * whole key of the entry; a codec may bind the bytes to it. Codecs are compared by identity: make one per kind of value,
 * not one per call, or L1 decodes at every hit.
 */
export interface Codec<A> {
  readonly encode: (value: A, key: string) => Uint8Array
  readonly decode: (bytes: Uint8Array, key: string) => A
  /** Lets memory hand out one instance to all readers although it cannot be frozen. */
  readonly share?: boolean | undefined
  /** Neither keys nor values of what it encodes may be logged. */
  readonly secret?: boolean | undefined
  /** `false` keeps its values out of L1. */
  readonly local?: boolean | undefined
  /** Of a codec that has to be given keys before it encodes anything, see `Secrets.lock`. */
  readonly unlock?: ((keys: Secrets.KeyRing | "in-process") => Codec<A>) | undefined
}

/**
 * Lifts a pair of functions that may throw anything to a `Codec`.
 *
 * **Gotchas**
 *
 * Of what they throw, only a `CacheError` with the reason `Encode` or `Decode` is passed on. The text of any other error
 * is dropped, because it may quote the value.
 */
export const make = <A>(
  encode: (value: A, key: string) => Uint8Array,
  decode: (bytes: Uint8Array, key: string) => A
): Codec<A> => ({
  encode: (value, key) => {
    if (value === undefined) throw Storable.refuse("undefined, which stands for absence")
    try {
      return encode(value, key)
    } catch (error) {
      throw isCacheError(error, "Encode") ? error : Storable.refuse(`its codec threw ${Storable.kindOf(error)}`)
    }
  },
  decode: (bytes, key) => {
    const value = attemptDecode(decode, bytes, key)
    if (value === undefined) throw Storable.unreadable("they hold undefined, which stands for absence")
    return value
  }
})

const attemptDecode = <A>(decode: (bytes: Uint8Array, key: string) => A, bytes: Uint8Array, key: string): A => {
  try {
    return decode(bytes, key)
  } catch (error) {
    throw isCacheError(error, "Decode") ? error : Storable.unreadable(`their codec threw ${Storable.kindOf(error)}`)
  }
}

const isCacheError = (error: unknown, reason: CacheError.Reason): boolean =>
  CacheError.isCacheError(error) && error.reason === reason

const untyped = messagePack.make()

/**
 * MessagePack for any structured value.
 *
 * **Details**
 *
 * null, booleans, numbers (NaN, infinities and -0 included), bigints, strings, Date, Map, Set, typed arrays, Buffer,
 * ArrayBuffer, DataView, arrays and plain objects (undefined fields included), nested up to 128 levels. Anything else is
 * refused: functions, symbols, class instances, cycles, sparse arrays, lone surrogates, fields named `__proto__` or `__keys__`.
 *
 * **Gotchas**
 *
 * An object without a prototype comes back as a plain one, an object that occurs twice as two. What hangs on an array, a Map
 * or a Date besides its content (`matches.index`) is not stored.
 */
export const msgpack: Codec<unknown> = make(untyped.pack, untyped.unpack)

/**
 * JSON text, for readers in other languages.
 *
 * **Details**
 *
 * Refuses what JSON would change: undefined, NaN, bigints, Date, Map and so on. -0 is written as `-0`.
 */
export const json: Codec<Schema.Json> = make(
  (value) => Buffer.from(Json.stringify(value)),
  (bytes) => Json.parse(Buffer.from(bytes).toString())
)

/** A schema whose codec needs no services. */
export type ValueSchema<A> = Schema.Codec<A, unknown>

/**
 * MessagePack for the values of a schema, checked on the way in and out.
 *
 * **Details**
 *
 * The value takes the schema's JSON form (`Schema.toCodecJson`), except that undefined, numbers, bigints and what stands
 * under `Schema.Unknown` stay what they are, and that is written as MessagePack. If it is a struct, or an array of structs,
 * the names of the fields are left out: 4 bytes tell which fields were meant, so that bytes written with another
 * version of the schema are refused.
 *
 * **Gotchas**
 *
 * Fields that the schema does not have are dropped, as everywhere in Schema; of a union, the first member that fits counts.
 * A value is refused if it would come back as another member: in `Schema.Union([Schema.Date, Schema.String])`, a string
 * that reads as a date.
 */
export const schema = <A>(schema: ValueSchema<A>): Codec<A> => {
  const form = schemaForm.make(schema, toCodecNative(schema))
  const format = form.fields === undefined ? messagePack.make() : messagePack.makePreset(form.fields)
  return make(
    (value) => format.pack(form.encode(value)),
    (bytes) => form.decode(format.unpack(bytes))
  )
}

/**
 * JSON text for the values of a schema, checked on the way in and out.
 *
 * **Details**
 *
 * The value takes the schema's JSON form (`Schema.toCodecJson`).
 *
 * **Gotchas**
 *
 * As with {@link schema}; and since JSON writes undefined as null, `Schema.NullishOr` refuses undefined.
 */
export const schemaJson = <A>(schema: ValueSchema<A>): Codec<A> => {
  const form = schemaForm.make(schema, Schema.toCodecJson(schema))
  return make(
    (value) => Buffer.from(Json.stringify(form.encode(value))),
    (bytes) => form.decode(Json.parse(Buffer.from(bytes).toString()))
  )
}
