/**
 * How values become bytes.
 */
import { Schema, SchemaAST } from "effect"
import * as CacheError from "./CacheError.ts"
import * as messagePack from "./internal/messagePack.ts"

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
}

/** Lifts a pair of functions that may throw anything to a `Codec`. */
export const make = <A>(encode: (value: A, key: string) => Uint8Array, decode: (bytes: Uint8Array, key: string) => A): Codec<A> => ({
  encode: (value, key) => {
    if (value === undefined) throw encodeError("undefined, which stands for absence")
    try {
      return encode(value, key)
    } catch (error) {
      throw encodeError(reasonOf(error))
    }
  },
  decode: (bytes, key) => {
    try {
      return decode(bytes, key)
    } catch (error) {
      throw CacheError.make("decode", "Decode", `the stored bytes cannot be read: ${reasonOf(error)}`)
    }
  }
})

const encodeError = (reason: string) => CacheError.make("encode", "Encode", `this value cannot be stored: ${reason}`)

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const untyped = messagePack.make()

/**
 * MessagePack for any structured value.
 *
 * **Details**
 *
 * null, booleans, numbers (NaN, infinities and -0 included), bigints, strings, Date, Map, Set, typed arrays, ArrayBuffer,
 * arrays and plain objects (undefined fields included), nested up to 128 levels. Anything else is refused: functions,
 * symbols, class instances, cycles, sparse arrays, lone surrogates, keys named `__proto__`.
 */
export const msgpack: Codec<unknown> = make(untyped.pack, untyped.unpack)

/** JSON text, for readers in other languages. Refuses what JSON would change: undefined, NaN, Date, Map and so on. */
export const json: Codec<Schema.Json> = make(
  (value) => Buffer.from(JSON.stringify(Schema.encodeUnknownSync(Schema.Json)(value))),
  (bytes) => Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))(Buffer.from(bytes).toString())
)

/** A schema whose codec needs no services. */
export type ValueSchema<A> = Schema.Codec<A, unknown>

/**
 * MessagePack for the values of a schema, checked on the way in and out.
 *
 * **Details**
 *
 * The value takes the schema's JSON form (`Schema.toCodecJson`), and that is written as MessagePack. If it is a struct, or an
 * array of structs, the names of the fields are left out: 4 bytes tell which fields were meant, so that bytes
 * written with another version of the schema are refused.
 */
export const schema = <A>(schema: ValueSchema<A>): Codec<A> => {
  const codec = Schema.toCodecJson(schema)
  const fields = fieldsOf(Schema.toEncoded(codec).ast)
  const format = fields === undefined ? messagePack.make() : messagePack.makePreset(fields)
  const encode = Schema.encodeUnknownSync(codec)
  const decode = Schema.decodeUnknownSync(codec)
  return make(
    (value) => format.pack(encode(value)),
    (bytes) => decode(format.unpack(bytes))
  )
}

/** JSON text for the values of a schema, checked on the way in and out. */
export const schemaJson = <A>(schema: ValueSchema<A>): Codec<A> => {
  const codec = Schema.fromJsonString(Schema.toCodecJson(schema))
  const encode = Schema.encodeUnknownSync(codec)
  const decode = Schema.decodeUnknownSync(codec)
  return make(
    (value) => Buffer.from(encode(value)),
    (bytes) => decode(Buffer.from(bytes).toString())
  )
}

const fieldsOf = (ast: SchemaAST.AST): ReadonlyArray<string> | undefined => {
  const struct = SchemaAST.isArrays(ast) && ast.elements.length === 0 ? ast.rest[0] : ast
  if (struct === undefined || !SchemaAST.isObjects(struct) || struct.indexSignatures.length > 0) return undefined
  return struct.propertySignatures.map(({ name }) => String(name))
}
