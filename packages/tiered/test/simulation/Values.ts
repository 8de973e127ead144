/**
 * The values of a simulation: numbers, each written once, so that a value that was read tells which write it was.
 */
import { Codec } from "@tiercache/core"

export const write = (value: number): Uint8Array => {
  const bytes = new Uint8Array(2)
  new DataView(bytes.buffer).setUint16(0, value)
  return bytes
}

export const read = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint16(0)

export const codec: Codec.Codec<number> = Codec.make(write, read)
