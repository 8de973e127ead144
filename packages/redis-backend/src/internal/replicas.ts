/**
 * Waiting for replicas, by `WAIT`.
 *
 * It blocks its connection, so it has one of its own to each server, made when it is first needed. What it waits for is all that the
 * server had written when the command before it on the same connection was executed, by whomever.
 */
import type { CacheBackend } from "@tiercache/core"
import { Effect } from "effect"
import type { Redis } from "ioredis"
import type * as RedisConnection from "../RedisConnection.ts"
import * as redisOptions from "./redisOptions.ts"

type AwaitReplicas = NonNullable<CacheBackend.CacheBackend["Service"]["awaitReplicas"]>

/** Of the time of a command, so that the answer comes before that is over. */
const PART_OF_COMMAND = 0.5

export const make = Effect.fnUntraced(function* (connection: RedisConnection.RedisConnection) {
  const reserved = new Map<Redis, Redis>()
  yield* Effect.addFinalizer(() => Effect.sync(() => reserved.forEach((client) => client.disconnect())))

  // the client's own are off while it is connected, see `Watchdog`
  const timeouts = redisOptions.timeouts(connection.commandMillis)

  const reservedFor = (client: Redis): Redis => {
    const known = reserved.get(client)
    if (known !== undefined) return known
    const made = client.duplicate({ enableOfflineQueue: true, ...timeouts }).on("error", () => {})
    reserved.set(client, made)
    client.once("end", () => {
      reserved.delete(client)
      made.disconnect()
    })
    return made
  }

  const awaitReplicas: AwaitReplicas = (key, replicas) =>
    connection.command("awaitReplicas", key, async (client) => {
      const own = reservedFor(client)
      const millis = Math.ceil(connection.commandMillis * PART_OF_COMMAND)
      const [, count] = await Promise.all([own.time(), own.wait(replicas, millis)])
      return count
    })
  return awaitReplicas
})
