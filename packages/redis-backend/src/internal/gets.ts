/**
 * Reads of one key, which those of the same turn share: one `MGET` instead of many `GET`s. See `Joint`.
 */
import type { CacheError } from "@tiercache/core"
import type { Effect } from "effect"
import type { Redis } from "ioredis"
import type * as RedisConnection from "../RedisConnection.ts"
import type { Limits } from "./groups.ts"
import { APART, type Joint, type Part } from "./Joint.ts"
import type { Server } from "./Server.ts"

type Bytes = Buffer | null

/** What the bytes under a key mean, for the server that has given them. */
type Read<A> = (server: Server, bytes: Bytes) => A

export type Get = <A>(key: string, read: Read<A>) => Effect.Effect<A, CacheError.CacheError>

/** An answer of so much does not hold up what is asked at the same time. Larger values are asked for by fewer in a command. */
const MAX_REPLY_BYTES = 512 * 1024

/** How much the last answer says about the next. */
const WEIGHT = 0.2

export const make = (connection: RedisConnection.RedisConnection, { partOf, size }: Limits): Get => {
  const joints = new WeakMap<Server, Joint<Part, Bytes>>()

  const open = (server: Server): Joint<Part, Bytes> => {
    let usualBytes = 0
    return server.jointOf({
      isRepeatable: true,
      size: () => Math.max(1, Math.min(size, Math.floor(MAX_REPLY_BYTES / usualBytes))),
      alone: (client, { key }) => client.getBuffer(key),
      together: async (client, items) => {
        const keys = items.map(({ key }) => key)
        const [values, count] = await Promise.all([client.mgetBuffer(keys), countOf(client, keys)])
        let [found, bytes] = [0, 0]
        for (const value of values) {
          if (value === null) continue
          found++
          bytes += value.length
        }
        usualBytes += (bytes / keys.length - usualBytes) * WEIGHT
        return found === count ? values : values.map((value) => value ?? APART)
      }
    })
  }

  const jointOf = (server: Server) => {
    const known = joints.get(server)
    if (known !== undefined) return known
    const joint = open(server)
    joints.set(server, joint)
    return joint
  }

  return (key, read) =>
    connection.command(
      "get",
      key,
      (client, server, asking = false) => {
        const readThere = (bytes: Bytes) => read(server, bytes)
        return asking
          ? client.getBuffer(key).then(readThere)
          : jointOf(server).add({ key, part: partOf(key), bytes: 0 }, readThere)
      },
      "joined"
    )
}

/** MGET takes what is no text for nothing at all, and GET refuses it. So it has to be known whether what is missing is there. */
const countOf = (client: Redis, keys: ReadonlyArray<string>): Promise<number | undefined> =>
  client.exists(...keys).then(Number, () => undefined)
