/**
 * Keys: `market:quote:AAPL`.
 *
 * A key is a list of parts joined by `:`. A part is percent-encoded, so that no id, however hostile, contains a
 * separator or a character with a meaning in a pattern or in Redis Cluster (`: * ? [ ] { } \`), and so that distinct
 * ids give distinct keys.
 */
import { createHash } from "node:crypto"
import { Predicate } from "effect"
import * as CacheError from "./CacheError.ts"

const TypeId = "~tiercache/CacheKey"

/**
 * A key without the cache's prefix. `String(key)` is its written form.
 *
 * **Details**
 *
 * Made by `Entity`, by {@link parse} and by `cache.keys`; accepted wherever a key is.
 */
export class CacheKey {
  readonly [TypeId] = TypeId
  readonly encoded: string
  constructor(encoded: string) {
    this.encoded = encoded
  }
  toString(): string {
    return this.encoded
  }
}

/** What untyped operations accept: the key as the user writes it, or a `CacheKey`. */
export type Input = string | CacheKey

/** Longer parts, in bytes of UTF-8, are replaced by their hash: keys are held many times in memory and on the bus. */
const MAX_PART_BYTES = 200

/** Marks a hashed part. No encoded part contains it: there, `%` is followed by two upper-case hexadecimal digits. */
const HASH_MARK = "%sha256-"

/** Needs no encoding, and is short enough in any case. */
const PLAIN_PART = /^[A-Za-z0-9._~@-]{1,200}$/

/**
 * Encodes one part of a key.
 *
 * **Details**
 *
 * Characters outside `A-Z a-z 0-9 . _ ~ @ -` become the percent-encoded bytes of their UTF-8 form (RFC 3986, section 2.1).
 * A part above 200 bytes becomes `%sha256-` and its SHA-256 in base64url, which cannot be reversed. Throws a
 * `CacheError` with reason `InvalidKey` for an empty part and for lone surrogates.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { CacheKey } from "@tiercache/core"
 *
 * CacheKey.encodePart("BRK:B") // => "BRK%3AB"
 * ```
 */
export const encodePart = (part: string): string => {
  if (PLAIN_PART.test(part)) return part
  if (part === "") throw CacheError.make("key", "InvalidKey", "a part of a key is empty")
  if (!part.isWellFormed()) throw CacheError.make("key", "InvalidKey", "a part of a key is not well-formed Unicode")
  if (Buffer.byteLength(part) > MAX_PART_BYTES) {
    return HASH_MARK + createHash("sha256").update(part).digest("base64url")
  }
  return encodeText(part)
}

/** Joins ids to a key, each of them one part. */
export const fromParts = (parts: ReadonlyArray<string>): CacheKey => new CacheKey(parts.map(encodePart).join(":"))

/** Reads a key as a user writes it, where `:` separates the parts. */
export const parse = (key: Input): CacheKey => {
  if (key instanceof CacheKey) return key
  // who writes JavaScript may give anything
  if (!Predicate.isString(key)) throw CacheError.make("key", "InvalidKey", "a key is a string or a CacheKey")
  return fromParts(key.split(":"))
}

/**
 * The ids that a key was made of; `undefined` stands for one too long to be kept, and for what tiercache did not write.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { CacheKey } from "@tiercache/core"
 *
 * CacheKey.parts(CacheKey.fromParts(["market", "BRK:B"])) // => ["market", "BRK:B"]
 * ```
 */
export const parts = (key: CacheKey): ReadonlyArray<string | undefined> => key.encoded.split(":").map(decodePart)

const decodePart = (part: string): string | undefined => {
  if (part.startsWith(HASH_MARK)) return undefined
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** Percent-encodes well-formed text of any length. */
export const encodeText = (text: string): string =>
  // encodeURIComponent leaves these alone, of the characters that are not ours
  encodeURIComponent(text)
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%40", "@")
