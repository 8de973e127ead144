/**
 * How an entry lies in Redis.
 *
 * | bytes | content                                                                                   |
 * | ----- | ----------------------------------------------------------------------------------------- |
 * | 0     | `0xC1`, which MessagePack never uses: what does not begin with it was not written by us     |
 * | 1     | version of this layout                                                                    |
 * | 2     | flags: 1 it is known that there is no value, the payload is empty; 2 a lease stands before the payload; 4 there is only the lease, the deadlines and the version are 0; 8 somebody waits for the lease; 16 the entry has tags; 32 the lease has tags |
 * | 3-8   | fresh until: milliseconds of the Redis server's clock, unsigned, big-endian                |
 * | 9-14  | gone after: likewise; between the two the value is stale                                  |
 * | 15-22 | version of the entry: 56 bits, 7 in each byte, big-endian, so that Lua can write and compare it as text |
 * | then  | only with flag 2, the lease: until when it lasts, as the deadlines (6 bytes); length of the token (1 byte); the token, in ASCII. Without a token nobody has the lease, because the last load failed: until then nobody is to try again |
 * | then  | only with flag 32, the tags of the lease: their length in bytes (2 bytes, big-endian), not 0; then each tag: its length in bytes (2 bytes), its text in UTF-8 |
 * | then  | only with flag 16, the tags of the entry, likewise                                          |
 * | then  | payload: what the codec made of the value                                                 |
 */

/** The first two bytes of what this version of the layout writes. */
export const MAGIC = 0xc1
export const VERSION = 1

export const FLAGS = { absent: 1, lease: 2, leaseOnly: 4, awaited: 8, tags: 16, leaseTags: 32 } as const

const FLAGS_OFFSET = 2

/** Length of everything before the lease and the payload, in bytes. */
export const HEADER_BYTES = 23

/** Where the two deadlines are, which `expire` overwrites. */
export const DEADLINES_OFFSET = 3

/** Where the version is, which the store sets when it writes the entry. */
export const VERSION_OFFSET = 15

const VERSION_BYTES = HEADER_BYTES - VERSION_OFFSET

/** Length of a moment, in bytes. */
export const TIME_BYTES = 6

/** Length of a lease without its token, in bytes. */
export const LEASE_BYTES = TIME_BYTES + 1

/** Tokens are no longer than one byte can count. */
export const MAX_TOKEN_BYTES = 255

/** Length of what stands before tags, and before each of them, in bytes. */
export const TAGS_LENGTH_BYTES = 2

/** Milliseconds of the store's clock. */
export interface Deadlines {
  readonly freshUntil: number
  readonly goneAfter: number
}

export interface Header extends Deadlines {
  /** See `Entry`; a safe integer. */
  readonly version: number
  /**
   * A value; that it is known that there is none (`absence`); or `nothing` but a lease: then the deadlines and the version are 0. The
   * payload is empty for what is no value.
   */
  readonly holds: "value" | "absence" | "nothing"
}

export interface Envelope extends Header {
  readonly lease: Lease | undefined
  /** As `encodeTags` returns them. */
  readonly tags?: Uint8Array | undefined
  readonly payload: Uint8Array
}

/** See `Lease`. */
export interface Lease {
  /** Milliseconds of the store's clock. */
  readonly endsAt: number
  /** Nobody's if the last load failed: until it ends, nobody is to try again. */
  readonly token: string | undefined
  /** Whether somebody waits for the end of the load. */
  readonly isAwaited: boolean
  /** As `encodeTags` returns them. */
  readonly tags?: Uint8Array | undefined
}

/** Tags as they lie in an envelope, without their length; `undefined` for none. `tags` are no longer than `Tag.MAX_BYTES`. */
export const encodeTags = (tags: ReadonlyArray<string>): Buffer | undefined =>
  tags.length === 0 ? undefined : Buffer.concat(tags.map((tag) => withLength(Buffer.from(tag))))

/** Reads tags from what lies in an envelope. */
export const decodeTags = (bytes: Uint8Array | undefined): ReadonlyArray<string> => {
  const buffer = Buffer.from(bytes ?? [])
  return textsIn(buffer)?.map(([from, to]) => buffer.toString("utf8", from, to)) ?? []
}

/** Bytes after their length. */
export const withLength = (bytes: Uint8Array): Buffer => {
  const length = Buffer.alloc(TAGS_LENGTH_BYTES)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Puts a header, and a lease if there is one, before a payload. */
export const encode = (envelope: Envelope): Buffer => {
  const { lease, payload } = envelope
  const token = lease?.token ?? ""
  const leaseBytes = lease === undefined ? 0 : LEASE_BYTES + token.length
  const tags = Buffer.concat(
    [lease?.tags, envelope.tags].flatMap((tags) => (tags === undefined ? [] : withLength(tags)))
  )
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + leaseBytes + tags.length + payload.length)
  bytes[0] = MAGIC
  bytes[1] = VERSION
  bytes[FLAGS_OFFSET] = flagsOf(envelope)
  writeTime(bytes, DEADLINES_OFFSET, envelope.freshUntil)
  writeTime(bytes, DEADLINES_OFFSET + TIME_BYTES, envelope.goneAfter)
  writeVersion(bytes, envelope.version)
  if (lease !== undefined) {
    writeTime(bytes, HEADER_BYTES, lease.endsAt)
    bytes[HEADER_BYTES + TIME_BYTES] = token.length
    bytes.write(token, HEADER_BYTES + LEASE_BYTES, "latin1")
  }
  bytes.set(tags, HEADER_BYTES + leaseBytes)
  bytes.set(payload, HEADER_BYTES + leaseBytes + tags.length)
  return bytes
}

/** Reads an envelope without copying its payload; `undefined` for anything that this version does not understand. */
export const decode = (bytes: Buffer): Envelope | undefined => {
  const header = decodeHeader(bytes)
  if (header === undefined) return undefined
  if (!header.hasLease) return withRest(header, undefined, bytes, HEADER_BYTES)
  if (bytes.length < HEADER_BYTES + LEASE_BYTES) return undefined
  const end = HEADER_BYTES + LEASE_BYTES + bytes.readUInt8(HEADER_BYTES + TIME_BYTES)
  if (bytes.length < end) return undefined
  const { block: tags, next } = tagsAt(bytes, end, FLAGS.leaseTags)
  const lease: Lease = {
    endsAt: readTime(bytes, HEADER_BYTES),
    token: bytes.toString("latin1", HEADER_BYTES + LEASE_BYTES, end) || undefined,
    isAwaited: (bytes.readUInt8(FLAGS_OFFSET) & FLAGS.awaited) !== 0,
    tags
  }
  return withRest(header, lease, bytes, next)
}

/** Reads what stands before the lease and the payload, of which nothing need be there. */
export const decodeHeader = (bytes: Buffer): (Header & { readonly hasLease: boolean }) | undefined => {
  if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC || bytes[1] !== VERSION) return undefined
  const flags = bytes.readUInt8(FLAGS_OFFSET)
  const holds = heldBy(flags)
  const freshUntil = readTime(bytes, DEADLINES_OFFSET)
  const goneAfter = readTime(bytes, DEADLINES_OFFSET + TIME_BYTES)
  const version = readVersion(bytes)
  if (holds === undefined || version === undefined || freshUntil > goneAfter) return undefined
  if (holds === "nothing" && (goneAfter > 0 || version > 0)) return undefined
  return { freshUntil, goneAfter, version, holds, hasLease: (flags & FLAGS.lease) !== 0 }
}

/** An envelope, if its tags, which begin at this offset, and its payload can be. */
const withRest = (header: Header, lease: Lease | undefined, bytes: Buffer, offset: number): Envelope | undefined => {
  const { freshUntil, goneAfter, holds, version } = header
  const { block: tags, next } = tagsAt(bytes, offset, FLAGS.tags)
  if (next > bytes.length || (holds !== "value" && next < bytes.length)) return undefined
  return { freshUntil, goneAfter, version, holds, lease, tags, payload: bytes.subarray(next) }
}

/** The tags that begin at an offset, if the flag says that there are any, and what comes next; that is nowhere after impossible ones. */
const tagsAt = (bytes: Buffer, offset: number, flag: number): { readonly block?: Buffer; readonly next: number } => {
  if ((bytes.readUInt8(FLAGS_OFFSET) & flag) === 0) return { next: offset }
  const start = offset + TAGS_LENGTH_BYTES
  const next = start > bytes.length ? Infinity : start + bytes.readUInt16BE(offset)
  const block = bytes.subarray(start, next)
  return next <= bytes.length && next > start && textsIn(block) !== undefined ? { block, next } : { next: Infinity }
}

/** From where to where the tags lie; `undefined` if the last of them is cut off. */
const textsIn = (block: Buffer): ReadonlyArray<readonly [from: number, to: number]> | undefined => {
  const texts: Array<readonly [number, number]> = []
  for (let offset = 0; offset < block.length;) {
    const from = offset + TAGS_LENGTH_BYTES
    const to = from > block.length ? Infinity : from + block.readUInt16BE(offset)
    if (to > block.length) return undefined
    texts.push([from, to])
    offset = to
  }
  return texts
}

const flagsOf = ({ holds, lease, tags }: Envelope): number =>
  (holds === "absence" ? FLAGS.absent : 0) |
  (lease === undefined ? 0 : FLAGS.lease) |
  (holds === "nothing" ? FLAGS.leaseOnly : 0) |
  (lease?.isAwaited === true ? FLAGS.awaited : 0) |
  (tags === undefined ? 0 : FLAGS.tags) |
  (lease?.tags === undefined ? 0 : FLAGS.leaseTags)

const heldBy = (flags: number): Header["holds"] | undefined => {
  const hasLease = (flags & FLAGS.lease) !== 0
  const others = hasLease ? flags & ~(FLAGS.lease | FLAGS.awaited | FLAGS.leaseTags) : flags
  const rest = others & ~FLAGS.tags
  if (rest === 0) return "value"
  if (rest === FLAGS.absent) return "absence"
  return others === FLAGS.leaseOnly && hasLease ? "nothing" : undefined
}

const writeTime = (bytes: Buffer, offset: number, millis: number): void => {
  bytes.writeUIntBE(Math.floor(millis), offset, TIME_BYTES)
}

const readTime = (bytes: Buffer, offset: number): number => bytes.readUIntBE(offset, TIME_BYTES)

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
