/**
 * Keys, and codecs that encrypt with them what leaves the process.
 *
 * **Details**
 *
 * A value is encrypted with AES-256-GCM. The whole key of its entry is bound to it, so that a ciphertext that somebody moves to
 * another key does not open there.
 */
import { createSecretKey, type KeyObject } from "node:crypto"
import { Redacted } from "effect"
import * as CacheError from "./CacheError.ts"
import type * as Codec from "./Codec.ts"
import * as Encryption from "./internal/encryption.ts"

/** A key, and the name by which ciphertexts refer to it. The name is no secret. */
export interface Key {
  /** 1 to 16 of `A-Z a-z 0-9 . _ ~ @ -`. A key that is replaced gets another one. */
  readonly id: string
  /** 32 bytes that nobody can guess. */
  readonly key: Redacted.Redacted<Uint8Array>
}

/** One key to encrypt with, and others that still open what was encrypted with them. Shows none of them. */
export interface KeyRing {
  /** The ids of the keys, that of the current one first. */
  readonly ids: ReadonlyArray<string>
  /** Encrypts with the current key what is to be stored under the key of an entry. */
  readonly encrypt: (bytes: Uint8Array, entryKey: string) => Uint8Array
  /** Throws a `CacheError` with reason `Decode` for what none of the keys has encrypted for this entry. */
  readonly decrypt: (bytes: Uint8Array, entryKey: string) => Uint8Array
}

const ID = /^[A-Za-z0-9._~@-]{1,16}$/

/**
 * Makes a key ring of keys, the current one first.
 *
 * **Details**
 *
 * Throws a `CacheError` with reason `InvalidOption` for keys that cannot be. The message says which of them, by its place.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Secrets } from "@tiercache/core"
 * import { Redacted } from "effect"
 * import { randomBytes } from "node:crypto"
 *
 * const ring = Secrets.keyRing([
 *   { id: "2027", key: Redacted.make(randomBytes(32)) },
 *   { id: "2026", key: Redacted.make(randomBytes(32)) }
 * ])
 * ring.ids // => ["2027", "2026"]
 * ```
 */
export const keyRing = (keys: readonly [current: Key, ...older: ReadonlyArray<Key>]): KeyRing =>
  ringOf("Secrets.keyRing", keys)

/**
 * Makes a key ring of text, such as a variable of the environment: `id:key` separated by commas, keys in Base64, the current one
 * first.
 *
 * **Details**
 *
 * As {@link keyRing}. No part of the text stands in a message.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Secrets } from "@tiercache/core"
 *
 * // openssl rand -base64 32
 * const keys = "k2:9GJbLQbYXB5FOQZm4e1sH7GBPcSmBlvYQYcUYNGSBfM=,k1:HjB2a0DLDGwAjyIbbJx1DoWnKWt5tj4qfBMBl3ZjF4o="
 * Secrets.parse(keys).ids // => ["k2", "k1"]
 * ```
 */
export const parse = (text: string | Redacted.Redacted): KeyRing => {
  const plain = Redacted.isRedacted(text) ? Redacted.value(text) : text
  const entries = plain.split(",").map((entry) => entry.trim())
  if (plain.trim() === "") throw invalid("Secrets.parse", "there is no key")
  return ringOf(
    "Secrets.parse",
    entries.map((entry, index) => {
      const separator = entry.indexOf(":")
      if (separator < 0) throw invalid("Secrets.parse", `${nthKey(index)} has no id: write id:key`)
      const base64 = entry.slice(separator + 1)
      const bytes = Buffer.from(base64, "base64")
      // Buffer skips what is not Base64
      if (bytes.toString("base64") !== base64)
        throw invalid("Secrets.parse", `${nthKey(index)} is not Base64 with its padding`)
      return { id: entry.slice(0, separator), key: Redacted.make(bytes) }
    })
  )
}

const ringOf = (operation: string, keys: ReadonlyArray<Key>): KeyRing => {
  const objects = new Map<string, KeyObject>()
  keys.forEach(({ id, key }, index) => {
    const bytes = Redacted.value(key)
    const nth = nthKey(index)
    // an id may be a key in the wrong place, so that it is not quoted either
    if (!ID.test(id)) throw invalid(operation, `the id of ${nth} is not 1 to 16 of A-Z a-z 0-9 . _ ~ @ -`)
    if (bytes.length !== Encryption.KEY_BYTES)
      throw invalid(operation, `${nth} has ${bytes.length} bytes; it needs ${Encryption.KEY_BYTES}`)
    const object = createSecretKey(bytes)
    if (objects.has(id)) throw invalid(operation, `${nth} has the id of another`)
    if ([...objects.values()].some((other) => other.equals(object))) {
      throw invalid(operation, `${nth} is the same as another, under another id`)
    }
    objects.set(id, object)
  })
  const [current] = objects
  if (current === undefined) throw invalid(operation, "there is no key")
  const [currentId, currentKey] = current
  const header = Encryption.headerOf(currentId)
  return {
    ids: [...objects.keys()],
    encrypt: (bytes, entryKey) => Encryption.encrypt(header, currentKey, bytes, entryKey),
    decrypt: (bytes, entryKey) => Encryption.decrypt(objects, bytes, entryKey)
  }
}

const nthKey = (index: number): string => `key ${index + 1}`

const invalid = (operation: string, message: string) => CacheError.make(operation, "InvalidOption", message)

/**
 * The codec of a secret entity: neither encodes nor decodes, lest anything be stored as plain text, until {@link unlock} has
 * given it keys.
 */
export const lock = <A>(codec: Codec.Codec<A>): Codec.Codec<A> => {
  const plain: Codec.Codec<A> = { ...codec, secret: true }
  // one for each ring, since L1 compares codecs by identity
  const encrypted = new WeakMap<KeyRing, Codec.Codec<A>>()
  return {
    ...plain,
    encode: refuse,
    decode: refuse,
    unlock: (keys) => {
      if (keys === "in-process") return plain
      const known = encrypted.get(keys) ?? encryptedWith(keys, plain)
      encrypted.set(keys, known)
      return known
    }
  }
}

const encryptedWith = <A>(ring: KeyRing, codec: Codec.Codec<A>): Codec.Codec<A> => ({
  ...codec,
  encode: (value, key) => ring.encrypt(codec.encode(value, key), key),
  decode: (bytes, key) => codec.decode(ring.decrypt(bytes, key), key)
})

/**
 * The codec to use: one that {@link lock} has made is given keys, or need not encrypt because its bytes stay in the process. Without
 * keys it stays locked.
 */
export const unlock = <A>(codec: Codec.Codec<A>, keys: KeyRing | "in-process" | undefined): Codec.Codec<A> =>
  keys === undefined ? codec : (codec.unlock?.(keys) ?? codec)

/** Throws the `CacheError` of a secret entity in a cache without keys. */
export const refuse = (): never => {
  throw CacheError.make("entity", "InvalidOption", "the entity is secret, and the cache has no keys (option `secrets`)")
}
