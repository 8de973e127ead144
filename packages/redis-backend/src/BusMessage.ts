/**
 * How an announcement travels.
 *
 * | bytes | content                                                                                |
 * | ----- | -------------------------------------------------------------------------------------- |
 * | 0     | version of this layout, `1`                                                            |
 * | 1     | kind, a letter                                                                         |
 * | 2-23  | origin: 16 random bytes as base64url                                                   |
 * | 24-   | number of the write, `:`, when it was sent in ms of Redis time, `:`, in decimal digits |
 * | then  | the keys as netstrings: length in bytes, in decimal digits; `:`; the bytes (no comma) |
 *
 * If the kind is `p`, each key is followed by its entry (see `Envelope`), as a netstring too. If it is `b`, whole messages, none of which is
 * such a bundle, stand in place of the keys: what several writers of a process have written in one step.
 *
 * Scripts append the keys that they really wrote, so everything before the bytes of a key is ASCII that Lua can write.
 */
import { randomBytes } from "node:crypto"
import { Envelope, type Invalidation } from "@tiercache/core"

const VERSION = "1"
const ORIGIN_BYTES = 16
const ORIGIN_CHARS = Math.ceil((ORIGIN_BYTES * 4) / 3)

/** What an origin looks like, as a part of a regular expression. */
export const ORIGIN = `[A-Za-z0-9_-]{${ORIGIN_CHARS}}`

/**
 * The kinds on the wire. `missing` is a delete that found nothing: no change of the store, but an L1 may hold what the store
 * has evicted.
 */
export type Kind = Invalidation.Kind | "missing" | "push" | "bundle"

const LETTERS = {
  set: "s",
  push: "p",
  bundle: "b",
  delete: "d",
  missing: "m",
  expire: "e",
  pattern: "g",
  flush: "f",
  released: "r",
  failed: "x",
  woken: "w"
} as const satisfies Record<Kind, string>

const KINDS: ReadonlyMap<string, Exclude<Kind, "bundle">> = new Map([
  [LETTERS.set, "set"],
  [LETTERS.push, "push"],
  [LETTERS.delete, "delete"],
  [LETTERS.missing, "missing"],
  [LETTERS.expire, "expire"],
  [LETTERS.pattern, "pattern"],
  [LETTERS.flush, "flush"],
  [LETTERS.released, "released"],
  [LETTERS.failed, "failed"],
  [LETTERS.woken, "woken"]
])

/** An entry on the bus, with its deadlines in milliseconds of Redis' clock. */
export type Pushed = Pick<Envelope.Envelope, "freshUntil" | "goneAfter" | "version" | "payload">

export interface BusMessage {
  readonly origin: string
  /** What the listeners of the bus are told: a `push` is a `set`, and `missing` is a `delete`. */
  readonly kind: Invalidation.Kind
  readonly keys: ReadonlyArray<string>
  /** 0 if the writer gave none. */
  readonly writeId: number
  /** Milliseconds of Redis' clock. */
  readonly sentAt: number
  /** In the order of the keys. */
  readonly pushed: ReadonlyArray<Pushed> | undefined
  /** Whether the store has changed, which is what the change feed tells. */
  readonly isChange: boolean
}

/** The second byte of messages of these kinds, which the scripts look at, and replace. */
export const LETTER = { set: LETTERS.set, push: LETTERS.push } as const

/** A name that no other process has. */
export const makeOrigin = (): string => randomBytes(ORIGIN_BYTES).toString("base64url")

/** A message up to its keys. */
export const header = (kind: Kind, origin: string, writeId: number, sentAt: number): string =>
  `${VERSION}${LETTERS[kind]}${origin}${writeId}:${Math.floor(sentAt)}:`

/** A whole message, as the scripts make them. */
export const encode = (header: string, parts: ReadonlyArray<string | Uint8Array>): Buffer =>
  Buffer.concat([
    Buffer.from(header),
    ...parts.flatMap((part) => [Buffer.from(`${Buffer.byteLength(part)}:`), Buffer.from(part)])
  ])

/** Reads what came over the bus, which may be several messages. */
export const decodeAll = (bytes: Buffer): ReadonlyArray<BusMessage> => {
  if (bytes[1] !== BUNDLE) return [decode(bytes)]
  const header = HEADER.exec(bytes.toString("latin1", 0, MAX_HEADER_BYTES))
  const messages = header === null ? undefined : decodeParts(bytes, header[0].length)
  const decoded = messages?.map(decode) ?? []
  // one flush is enough, and a bundle of nothing is none of ours
  return decoded.length === 0 || decoded.includes(NOT_UNDERSTOOD) ? [NOT_UNDERSTOOD] : decoded
}

const BUNDLE = LETTERS.bundle.charCodeAt(0)

/**
 * Reads one message.
 *
 * **Details**
 *
 * Something that this version does not understand was announced all the same, so it becomes a `flush` of unknown origin.
 */
export const decode = (bytes: Buffer): BusMessage => {
  const start = bytes.toString("latin1", 0, MAX_HEADER_BYTES)
  const header = HEADER.exec(start)
  const parts = header === null ? undefined : decodeParts(bytes, header[0].length)
  const kind = KINDS.get(header?.[1] ?? "")
  if (header === null || parts === undefined || kind === undefined) return NOT_UNDERSTOOD
  const [, , origin = "", writeId, sentAt] = header
  const rest = { origin, writeId: Number(writeId), sentAt: Number(sentAt) }
  if (kind === "push") return decodePush(rest, parts)
  const keys = parts.map((part) => part.toString())
  if (kind === "missing") return { ...rest, kind: "delete", keys, pushed: undefined, isChange: false }
  return { ...rest, kind, keys, pushed: undefined, isChange: !UNCHANGING.has(kind) }
}

const HEADER = new RegExp(`^${VERSION}([a-z])(${ORIGIN})(\\d{1,15}):(\\d{1,15}):`)
const MAX_HEADER_BYTES = 2 + ORIGIN_CHARS + 2 * 16

/** What a pattern has deleted was announced key by key; the others change no value. */
const UNCHANGING: ReadonlySet<Kind> = new Set(["pattern", "released", "failed", "woken"])

const NOT_UNDERSTOOD: BusMessage = {
  origin: "",
  kind: "flush",
  keys: [],
  writeId: 0,
  sentAt: NaN,
  pushed: undefined,
  isChange: true
}

const decodePush = (
  rest: Pick<BusMessage, "origin" | "writeId" | "sentAt">,
  parts: ReadonlyArray<Buffer>
): BusMessage => {
  const keys: Array<string> = []
  const pushed: Array<Pushed> = []
  parts.forEach((part, index) => {
    if (index % 2 === 0) keys.push(part.toString())
    else pushed.push(...pushedOf(Envelope.decode(part)))
  })
  // an entry in a form that is not understood: the key was written all the same
  return { ...rest, kind: "set", keys, pushed: pushed.length === keys.length ? pushed : undefined, isChange: true }
}

const pushedOf = (envelope: Envelope.Envelope | undefined): ReadonlyArray<Pushed> => {
  if (envelope?.holds !== "value") return []
  const { freshUntil, goneAfter, payload, version } = envelope
  return [{ freshUntil, goneAfter, version, payload }]
}

const [COLON, ZERO, NINE] = [0x3a, 0x30, 0x39]

const decodeParts = (bytes: Buffer, from: number): ReadonlyArray<Buffer> | undefined => {
  const parts: Array<Buffer> = []
  let offset = from
  while (offset < bytes.length) {
    const first = offset
    let length = 0
    for (; bytes[offset] !== COLON; offset++) {
      const digit = bytes[offset] ?? 0
      if (digit < ZERO || digit > NINE || offset - first === MAX_LENGTH_DIGITS) return undefined
      length = length * 10 + digit - ZERO
    }
    const start = offset + 1
    if (offset === first || start + length > bytes.length) return undefined
    offset = start + length
    parts.push(bytes.subarray(start, offset))
  }
  return parts
}

const MAX_LENGTH_DIGITS = 9
