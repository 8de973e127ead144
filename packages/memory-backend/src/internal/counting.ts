/**
 * Which stored bytes are an integer that can be counted on: the ones that a Lua script on Redis can add to.
 */
import { CacheError, Codec, Snapshot } from "@tiercache/core"

export interface Counted {
  readonly value: number
  /** Another value in the same encoding, so that the same readers understand it. */
  readonly snapshot: (value: number, key: string) => Snapshot.Snapshot<unknown>
}

const inMessagePack = (value: number, key: string) => Snapshot.make(Codec.msgpack, value, key)
const inJson = (value: number, key: string) => Snapshot.make(Codec.json, value, key)

/** Where nothing is, counting starts. */
export const ZERO: Counted = { value: 0, snapshot: inMessagePack }

/** Decimal digits, between two marks if it was written as MessagePack; see `Codec.msgpack`. */
const INTEGER = /^(\xc1?)(0|-?[1-9]\d*)\1$/

/** Throws a `CacheError` with reason `WrongType` for anything but an integer of `Codec.msgpack` or `Codec.json`. */
export const integerIn = (bytes: Uint8Array): Counted => {
  const [isInteger, mark, digits] = INTEGER.exec(Buffer.from(bytes).toString("latin1")) ?? []
  const value = Number(digits)
  if (isInteger === undefined || !Number.isSafeInteger(value)) {
    throw CacheError.make("increment", "WrongType", "the key holds something else than an integer")
  }
  return { value, snapshot: mark === "" ? inJson : inMessagePack }
}
