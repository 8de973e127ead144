/**
 * How an entry lies in Redis.
 *
 * | bytes | content                                                                                   |
 * | ----- | ----------------------------------------------------------------------------------------- |
 * | 0     | `0xC1`, which MessagePack never uses: what does not begin with it was not written by us     |
 * | 1     | version of this layout                                                                    |
 * | 2     | flags; none is defined yet, so 0                                                          |
 * | 3-8   | fresh until: milliseconds of the Redis server's clock, unsigned, big-endian                |
 * | 9-14  | gone after: likewise; between the two the value is stale                                  |
 * | 15-22 | version of the entry: 56 bits, 7 in each byte, big-endian, so that Lua can write and compare it as text |
 * | 23-   | payload: what the codec made of the value                                                 |
 */

const MAGIC = 0xc1
const VERSION = 1

/** Length of everything before the payload, in bytes. */
export const HEADER_BYTES = 23

/** Where the two deadlines are, which `expire` overwrites. */
export const DEADLINES_OFFSET = 3

/** Where the version is, which the store sets when it writes the entry. */
export const VERSION_OFFSET = 15

const VERSION_BYTES = HEADER_BYTES - VERSION_OFFSET

/** Milliseconds of the store's clock. */
export interface Deadlines {
  readonly freshUntil: number
  readonly goneAfter: number
}

export interface Envelope extends Deadlines {
  /** See `Entry`; a safe integer. */
  readonly version: number
  readonly payload: Uint8Array
}

/** Puts a header before a payload. */
export const encode = (envelope: Envelope): Buffer => {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + envelope.payload.length)
  bytes[0] = MAGIC
  bytes[1] = VERSION
  bytes[2] = 0
  writeDeadlines(bytes, DEADLINES_OFFSET, envelope)
  writeVersion(bytes, envelope.version)
  bytes.set(envelope.payload, HEADER_BYTES)
  return bytes
}

/** Reads an envelope without copying its payload; `undefined` for anything that this version does not understand. */
export const decode = (bytes: Buffer): Envelope | undefined => {
  if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC || bytes[1] !== VERSION || bytes[2] !== 0) return undefined
  const freshUntil = bytes.readUIntBE(DEADLINES_OFFSET, 6)
  const goneAfter = bytes.readUIntBE(DEADLINES_OFFSET + 6, 6)
  const version = readVersion(bytes)
  if (version === undefined || freshUntil > goneAfter) return undefined
  return { freshUntil, goneAfter, version, payload: bytes.subarray(HEADER_BYTES) }
}

const writeDeadlines = (bytes: Buffer, offset: number, deadlines: Deadlines): void => {
  bytes.writeUIntBE(Math.floor(deadlines.freshUntil), offset, 6)
  bytes.writeUIntBE(Math.floor(deadlines.goneAfter), offset + 6, 6)
}

const writeVersion = (bytes: Buffer, version: number): void => {
  let rest = version
  for (let index = VERSION_OFFSET + VERSION_BYTES - 1; index >= VERSION_OFFSET; index--) {
    bytes[index] = rest % 128
    rest = Math.floor(rest / 128)
  }
}

const readVersion = (bytes: Buffer): number | undefined => {
  let version = 0
  for (const byte of bytes.subarray(VERSION_OFFSET, HEADER_BYTES)) {
    if (byte >= 128) return undefined
    version = version * 128 + byte
  }
  return Number.isSafeInteger(version) ? version : undefined
}
