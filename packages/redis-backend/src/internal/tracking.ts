/**
 * What Redis itself tells about writes by anybody, of the keys below a prefix: `CLIENT TRACKING` in broadcasting mode.
 *
 * The connection redirects the messages to itself, which takes RESP2: there they come over pub/sub, as a list of keys, or as nothing
 * if all keys are gone. On RESP3 ioredis drops them. It is part of the connection's state, so each new connection
 * asks for it again.
 */
import type { Invalidation } from "@tiercache/core"
import type { Redis } from "ioredis"
import * as redisError from "./redisError.ts"

/** The channel over which Redis sends them. */
const CHANNEL = "__redis__:invalidate"

/**
 * Makes a new connection hear of writes below the prefix, and what is published on another channel. What Redis refuses can be
 * tried again on the same connection.
 */
export const start = async (client: Redis, prefix: string, channel: string): Promise<void> => {
  const id = await client.client("ID")
  // no connection takes the same prefix twice, and this may not be the first attempt
  await client.client("TRACKING", "OFF")
  await client.client("TRACKING", "ON", "REDIRECT", id, "BCAST", "PREFIX", prefix)
  await client.subscribe(CHANNEL, channel).catch((error: unknown) => {
    // it may have subscribed, and then nothing of this can be repeated
    if (!redisError.isReply(error)) client.disconnect(true)
    throw error
  })
}

/** A message as from nobody: what was written, and by whom, is not told. */
export const messageOf = (payload: unknown): Invalidation.Message => {
  const isList = Array.isArray(payload) && payload.every((key) => Buffer.isBuffer(key))
  return isList
    ? { origin: "", kind: "set", keys: payload.map((key) => key.toString()) }
    : { origin: "", kind: "flush", keys: [] }
}
