/**
 * A value as memory holds it: nobody else has it, and nobody can change it.
 *
 * **Details**
 *
 * Kept is the codec's round trip of what was stored: the caller's object stays the caller's, and memory hands out the
 * types that Redis would. If the result can be frozen it is, deeply, and every reader gets the same object. Date, Map,
 * Set and typed arrays cannot be frozen, nor can instances of classes that we do not know, a URL for one: a value that
 * contains one stays encoded, and each reader gets its own copy.
 */
import { BigDecimal, DateTime, Duration, Option, Result, Schema } from "effect"
import * as CacheError from "./CacheError.ts"
import type * as Codec from "./Codec.ts"

export interface Snapshot<out A> {
  /** The `Codec` it was made with, for comparison. */
  readonly codec: object
  /** Set if the value is shared; then `bytes` is undefined. */
  readonly value: A | undefined
  /** The shared value for those who await it; the same promise for all. */
  readonly promise: Promise<A> | undefined
  readonly bytes: Uint8Array | undefined
  /** Estimated size in memory, in bytes. */
  readonly size: number
  /** The encoded form. */
  readonly encode: (key: string) => Uint8Array
  /** Another value of the same codec, from its encoded form; `undefined` if that cannot be read. */
  readonly decode: (bytes: Uint8Array, key: string) => Snapshot<A> | undefined
}

/** Takes a copy of a value. Throws the codec's `CacheError`. */
export const make = <A>(codec: Codec.Codec<A>, value: A, key: string): Snapshot<A> =>
  own(codec, codec.decode(codec.encode(value, key), key), key)

/**
 * Takes a value that was just decoded, and that nobody else will change; freezes it if it can be frozen. Throws a
 * `CacheError` with reason `Decode` for one that its codec could not have encoded.
 */
export const own = <A>(codec: Codec.Codec<A>, value: A, key: string): Snapshot<A> => {
  const size = freeze(value)
  if (size !== undefined) return new Shared(codec, value, size)
  const bytes = encodeDecoded(codec, value, key)
  if (codec.share === true) return new Shared(codec, value, bytes.length * 2 + OBJECT_BYTES)
  // a copy: the encoder's buffer is larger than what it returned
  return new Encoded(codec, Uint8Array.from(bytes))
}

const encodeDecoded = <A>(codec: Codec.Codec<A>, value: A, key: string): Uint8Array => {
  try {
    return codec.encode(value, key)
  } catch {
    throw CacheError.make("decode", "Decode", "the stored bytes hold a value that its codec does not write")
  }
}

/** Takes a value as it is, neither copied nor frozen. */
export const shared = <A>(codec: Codec.Codec<A>, value: A): Snapshot<A> => new Shared(codec, value, OBJECT_BYTES)

/**
 * The value for a reader who asks with this codec. Throws a `CacheError` with reason `Decode` if it was stored with another
 * that this one does not understand.
 */
export const read = <A>(snapshot: Snapshot<unknown>, codec: Codec.Codec<A>, key: string): A => {
  if (wasMadeWith(snapshot, codec) && snapshot.value !== undefined) return snapshot.value
  return codec.decode(snapshot.encode(key), key)
}

/** Whether a read with this codec needs no decoding. */
export const wasMadeWith = <A>(snapshot: Snapshot<unknown>, codec: Codec.Codec<A>): snapshot is Snapshot<A> =>
  snapshot.codec === codec

/** A value that was read from a snapshot, as a promise: the snapshot's own if all readers share the value. */
export const promiseOf = <A>(snapshot: Snapshot<unknown> | undefined, codec: Codec.Codec<A>, value: A): Promise<A> => {
  const isShared = snapshot !== undefined && wasMadeWith(snapshot, codec) && snapshot.value === value
  return (isShared ? snapshot.promise : undefined) ?? Promise.resolve(value)
}

/** Stands for a value that is known not to exist. No codec made it, so that no reader takes it for a value. */
export const absent: Snapshot<never> = {
  codec: {},
  value: undefined,
  promise: undefined,
  bytes: undefined,
  size: 0,
  encode: () => new Uint8Array(),
  decode: () => undefined
}

/** Stands where a value was, in an entry that its store has let go. */
export const gone: Snapshot<never> = { ...absent, codec: {} }

abstract class Held<A> {
  readonly codec: Codec.Codec<A>
  readonly size: number
  constructor(codec: Codec.Codec<A>, size: number) {
    this.codec = codec
    this.size = size
  }
  decode(bytes: Uint8Array, key: string): Snapshot<A> | undefined {
    try {
      return own(this.codec, this.codec.decode(bytes, key), key)
    } catch {
      return undefined
    }
  }
}

class Shared<A> extends Held<A> implements Snapshot<A> {
  readonly value: A | undefined
  #promise: Promise<A> | undefined
  constructor(codec: Codec.Codec<A>, value: A, size: number) {
    super(codec, size)
    this.value = value
  }
  get promise(): Promise<A> | undefined {
    if (this.value !== undefined) this.#promise ??= Promise.resolve<A>(this.value)
    return this.#promise
  }
  get bytes(): undefined {
    return undefined
  }
  encode(key: string): Uint8Array {
    return this.value === undefined ? new Uint8Array() : this.codec.encode(this.value, key)
  }
}

class Encoded<A> extends Held<A> implements Snapshot<A> {
  readonly bytes: Uint8Array
  constructor(codec: Codec.Codec<A>, bytes: Uint8Array) {
    super(codec, bytes.length + OBJECT_BYTES)
    this.bytes = bytes
  }
  get value(): undefined {
    return undefined
  }
  get promise(): undefined {
    return undefined
  }
  encode(): Uint8Array {
    return this.bytes
  }
}

// Rough sizes on V8 with 8-byte slots: a cache needs their sum to be of the right order, not exact.
const OBJECT_BYTES = 56
const SLOT_BYTES = 8

/** Deeper values than this stay encoded. No codec of ours writes them, but bytes from elsewhere may nest to any depth. */
const MAX_DEPTH = 128

/** Freezes a value deeply; returns its estimated size in bytes, or `undefined` if a part of it cannot be frozen. */
const freeze = (value: unknown, depth = 0): number | undefined => {
  if (typeof value === "string") return SLOT_BYTES * 2 + value.length * 2
  if (typeof value === "bigint") return SLOT_BYTES * 3
  if (typeof value !== "object" || value === null) return SLOT_BYTES
  if (isImmutable(value)) return OBJECT_BYTES
  if (depth > MAX_DEPTH || !isFreezable(value)) return undefined
  let size = OBJECT_BYTES
  for (const key of Object.keys(value)) {
    const field = freeze(Reflect.get(value, key), depth + 1)
    if (field === undefined) return undefined
    size += SLOT_BYTES + field
  }
  Object.freeze(value)
  return size
}

/** Effect's own value types never change, but some keep a derived form in a field, which freezing would break. */
const isImmutable = (value: object): boolean =>
  DateTime.isDateTime(value) || BigDecimal.isBigDecimal(value) || Duration.isDuration(value)

/** Whether all that an object holds is in its fields. */
const isFreezable = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === Array.prototype || prototype === null) return true
  return Schema.isSchema(value.constructor) || Option.isOption(value) || Result.isResult(value)
}
