/**
 * The operations that read.
 */
import { type CacheBackend, Envelope, type MonotonicClock } from "@tiercache/core"
import { Duration, Effect } from "effect"
import type { Redis } from "ioredis"
import type * as RedisConnection from "../RedisConnection.ts"
import * as deadlines from "./deadlines.ts"
import type * as Entries from "./entries.ts"
import { eachOf, groups, type Limits } from "./groups.ts"
import * as Gets from "./gets.ts"
import * as redisError from "./redisError.ts"

type Service = CacheBackend.CacheBackend["Service"]

export type Reads = Pick<Service, "get" | "getMany" | "has" | "ttl">

interface Dependencies {
  readonly connection: RedisConnection.RedisConnection
  readonly now: MonotonicClock.Now
  readonly entries: Entries.Entries
  readonly limits: Limits
}

export const make = ({ connection, entries, limits, now }: Dependencies): Reads => {
  const get = Gets.make(connection, limits)

  /** The header of an entry, and what PTTL says, in this order: what was written between the two is there. */
  const look = (client: Redis, key: string) =>
    Promise.all([
      client
        .getrangeBuffer(key, 0, Envelope.HEADER_BYTES - 1)
        .catch((error: unknown) => (redisError.isWrongType(error) ? NO_TEXT : Promise.reject(error))),
      client.pttl(key)
    ])

  /** For how long there is a value, in milliseconds; 0 if there is none. */
  const left = (operation: string, key: string) =>
    connection.command(operation, key, async (client, { clock }) => {
      const [bytes, reply] = await look(client, key)
      const millis = lifeOf(reply)
      const header = Envelope.decodeHeader(bytes)
      // what is not ours is there as long as Redis has it
      if (header === undefined) return millis
      if (header.holds !== "value") return 0
      // a lease may keep it in Redis for longer; otherwise that is its life, of which the grace is the end
      const { freshUntil, goneAfter } = deadlines.toMonotonic(clock, header)
      return Math.max(0, header.hasLease ? Math.ceil(freshUntil - now()) : millis - (goneAfter - freshUntil))
    })

  return {
    get: (key, codec) => get(key, (server, bytes) => entries.read(server, bytes, key, codec)),
    getMany: (keys, codec) =>
      eachOf(groups(keys, itself, limits), (group) =>
        connection.command(
          "getMany",
          group[0],
          (client, server) =>
            client
              .mgetBuffer([...group])
              .then((values) => group.map((key, index) => entries.read(server, values[index], key, codec))),
          group.length > 1 ? "divisible" : "whole"
        )
      ),
    has: (key) => Effect.map(left("has", key), (millis) => millis > 0),
    ttl: (key) => Effect.map(left("ttl", key), (millis) => (millis > 0 ? Duration.millis(millis) : undefined))
  }
}

const itself = (key: string) => key

const NO_TEXT = Buffer.alloc(0)

/**
 * PTTL answers -2 for no such key, -1 for one that does not expire, which only others write, and 0 for the last moment. A client
 * that is lent may have the option `stringNumbers`.
 */
const lifeOf = (reply: number | string): number => {
  const millis = Number(reply)
  if (millis === -2) return 0
  return millis === -1 ? Infinity : Math.max(1, millis)
}
