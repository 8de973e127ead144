/**
 * The operations that read.
 */
import { type CacheBackend, type Codec, type Entry, Envelope, type MonotonicClock } from "@tiercache/core"
import { Duration, Effect } from "effect"
import type * as RedisClock from "../RedisClock.ts"
import type * as RedisConnection from "../RedisConnection.ts"
import * as deadlines from "./deadlines.ts"
import { groups } from "./groups.ts"

type Service = CacheBackend.CacheBackend["Service"]

export interface Reads extends Pick<Service, "get" | "getMany" | "has" | "ttl"> {
  /** How many values were found that no codec or envelope here understands. */
  readonly unreadable: () => number
}

interface Dependencies {
  readonly connection: RedisConnection.RedisConnection
  readonly clock: RedisClock.RedisClock
  readonly now: MonotonicClock.Now
  readonly maxKeysPerCommand: number
}

export const make = ({ clock, connection, maxKeysPerCommand, now }: Dependencies): Reads => {
  let unreadable = 0

  const entryOf = <A>(
    bytes: Buffer | null | undefined,
    key: string,
    codec: Codec.Codec<A>
  ): Entry.Entry<A> | undefined => {
    if (bytes === null || bytes === undefined) return undefined
    const envelope = Envelope.decode(bytes)
    if (envelope === undefined) return void unreadable++
    const { freshUntil, goneAfter } = deadlines.toMonotonic(clock, envelope)
    // Redis counts from when the command arrived, so it may still have what is gone
    if (goneAfter <= now()) return undefined
    try {
      return {
        value: codec.decode(envelope.payload, key),
        freshUntil,
        goneAfter,
        version: envelope.version,
        tier: "l2"
      }
    } catch {
      return void unreadable++
    }
  }

  return {
    unreadable: () => unreadable,
    get: (key, codec) =>
      Effect.map(
        connection.command("get", (client) => client.getBuffer(key)),
        (bytes) => entryOf(bytes, key, codec)
      ),
    getMany: (keys, codec) => {
      const mget = (group: ReadonlyArray<string>) =>
        Effect.map(
          connection.command("getMany", (client) => client.mgetBuffer([...group])),
          (values) => group.map((key, index) => entryOf(values[index], key, codec))
        )
      const found = Effect.forEach(groups(keys, maxKeysPerCommand), mget, { concurrency: "unbounded" })
      return Effect.map(found, (entries) => entries.flat())
    },
    has: (key) =>
      Effect.map(
        connection.command("has", (client) => client.exists(key)),
        (count) => numberOf(count) > 0
      ),
    ttl: (key) =>
      Effect.map(
        connection.command("ttl", (client) => client.pttl(key)),
        (reply) => ttlOf(numberOf(reply))
      )
  }
}

/** A client that is lent may have the option `stringNumbers`. */
const numberOf = (reply: number | string): number => Number(reply)

/** PTTL answers -2 for no such key, and -1 for one that does not expire, which only others write. */
const ttlOf = (millis: number): Duration.Duration | undefined => {
  if (millis === -2) return undefined
  return millis === -1 ? Duration.infinity : Duration.millis(millis)
}
