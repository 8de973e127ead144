/**
 * How a ciphertext lies in Redis, and in messages of the bus.
 *
 * | bytes | content                                                                                                     |
 * | ----- | ----------------------------------------------------------------------------------------------------------- |
 * | 0     | `0xC1`, with which no MessagePack value begins: a codec without keys does not take a ciphertext for a value |
 * | 1     | version of this layout; neither a digit nor a sign, which may stand there in an integer of `Codec.msgpack`  |
 * | 2     | length of the key's id, in bytes                                                                            |
 * | then  | the id, in ASCII                                                                                            |
 * | then  | the nonce: 96 random bits                                                                                   |
 * | then  | the ciphertext, as long as what the codec made of the value                                                 |
 * | last 16 | the authentication tag, of the ciphertext, of all that stands before the nonce, and of the entry's key   |
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from "node:crypto"
import * as Storable from "./storable.ts"

const ALGORITHM = "aes-256-gcm"
export const KEY_BYTES = 32
/** The only length of which GCM takes the nonce as it is. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

const MAGIC = 0xc1
const VERSION = 1

/** Length of what stands before the id of the key, in bytes. */
const PREFIX_BYTES = 3

/** What stands before the nonce, for a key of this id. */
export const headerOf = (id: string): Buffer => Buffer.from([MAGIC, VERSION, id.length, ...Buffer.from(id, "latin1")])

/** Encrypts what is to be stored under `entryKey`. */
export const encrypt = (header: Buffer, key: KeyObject, bytes: Uint8Array, entryKey: string): Uint8Array => {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(boundTo(header, entryKey))
  const ciphertext = cipher.update(bytes)
  // of a stream cipher there is no rest, but the tag is not known before
  cipher.final()
  return Buffer.concat([header, nonce, ciphertext, cipher.getAuthTag()])
}

/** Throws a `CacheError` with reason `Decode` for what none of the keys has encrypted for this entry. */
export const decrypt = (keys: ReadonlyMap<string, KeyObject>, bytes: Uint8Array, entryKey: string): Uint8Array => {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (all[0] !== MAGIC || all[1] !== VERSION) throw Storable.unreadable("they are not encrypted")
  const nonceAt = PREFIX_BYTES + (all[2] ?? 0)
  const ciphertextAt = nonceAt + NONCE_BYTES
  const tagAt = all.length - TAG_BYTES
  if (tagAt < ciphertextAt) throw Storable.unreadable("they are cut off")
  const key = keys.get(all.toString("latin1", PREFIX_BYTES, nonceAt))
  if (key === undefined) throw Storable.unreadable("they are encrypted with a key that this cache does not have")
  const nonce = all.subarray(nonceAt, ciphertextAt)
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(boundTo(all.subarray(0, nonceAt), entryKey))
  decipher.setAuthTag(all.subarray(tagAt))
  const plain = decipher.update(all.subarray(ciphertextAt, tagAt))
  try {
    decipher.final()
  } catch {
    throw Storable.unreadable("they were changed, or encrypted for another entry")
  }
  return plain
}

/** The header tells its own length, so that no other header and key are the same bytes. */
const boundTo = (header: Buffer, entryKey: string): Buffer => Buffer.concat([header, Buffer.from(entryKey)])
