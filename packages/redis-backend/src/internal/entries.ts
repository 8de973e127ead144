/**
 * From the bytes in Redis to entries.
 */
import { type Codec, type Entry, Envelope, type MonotonicClock } from "@tiercache/core"
import * as deadlines from "./deadlines.ts"
import type { Server } from "./Server.ts"

export interface Entries {
  /** What is not gone, where a server has given these bytes. */
  readonly read: <A>(
    server: Server,
    bytes: Buffer | null | undefined,
    key: string,
    codec: Codec.Codec<A>
  ) => Entry.Entry<A> | undefined
  /** How many values were found that no codec or envelope here understands. */
  readonly unreadable: () => number
}

export const make = (now: MonotonicClock.Now): Entries => {
  let unreadable = 0
  return {
    unreadable: () => unreadable,
    read: ({ clock }, bytes, key, codec) => {
      if (bytes === null || bytes === undefined) return undefined
      const envelope = Envelope.decode(bytes)
      if (envelope === undefined) return void unreadable++
      const { freshUntil, goneAfter } = deadlines.toMonotonic(clock, envelope)
      // Redis counts from when the command arrived, so it may still have what is gone; and a lease alone was never there
      if (goneAfter <= now()) return undefined
      try {
        return {
          value: envelope.holds === "absence" ? undefined : codec.decode(envelope.payload, key),
          freshUntil,
          goneAfter,
          version: envelope.version,
          tier: "l2"
        }
      } catch {
        return void unreadable++
      }
    }
  }
}
