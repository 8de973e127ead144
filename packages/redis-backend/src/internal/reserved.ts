/**
 * A connection that one caller has alone, so that its commands may block.
 */
import { CacheError } from "@tiercache/core"
import { Effect } from "effect"
import type { Redis } from "ioredis"
import type * as RedisConnection from "../RedisConnection.ts"
import { call, keysOf } from "./commands.ts"
import * as redisError from "./redisError.ts"
import type { Server } from "./Server.ts"

export interface Reserved {
  readonly send: (command: string, args: ReadonlyArray<string>) => Effect.Effect<unknown, CacheError.CacheError>
  /** Fails what is in flight. */
  readonly close: Effect.Effect<void>
}

/** Commands may take for ever, and a connection that is lost is not made again: its owner has to know. */
const BLOCKING = {
  lazyConnect: false,
  enableOfflineQueue: true,
  commandTimeout: undefined,
  socketTimeout: undefined,
  maxRetriesPerRequest: null,
  reconnectOnError: null,
  retryStrategy: () => null,
  sentinelRetryStrategy: () => null
} as const

/** Connects when the first command tells where to; in a cluster, to each node that has keys of a command. */
export const make = (connection: RedisConnection.RedisConnection): Effect.Effect<Reserved> =>
  Effect.sync(() => {
    const clients = new Map<Server, Redis>()
    let latest: Server | undefined
    let isClosed = false

    const clientAt = (client: Redis, server: Server): Redis => {
      // whoever asked who has the key may have been interrupted meanwhile: nobody would close what is made now
      if (isClosed) throw redisError.notConnected("reserve", connection.endpoint, "the reserved connection is closed")
      latest = server
      const known = clients.get(server)
      if (known !== undefined) return known
      const made = client.duplicate(BLOCKING).on("error", () => {})
      clients.set(server, made)
      return made
    }

    const find = (key: string | undefined): Effect.Effect<Redis, CacheError.CacheError> => {
      // what has no key belongs to what came before it
      const client = key === undefined && latest !== undefined ? clients.get(latest) : undefined
      if (client !== undefined) return Effect.succeed(client)
      return connection.command("reserve", key, async (client, server) => {
        // asks who has the key: a command that blocks is not to be sent to one after the other
        if (key !== undefined) await client.exists(key)
        return clientAt(client, server)
      })
    }

    return {
      send: (command, args) => {
        const key = connection.isCluster ? keysOf(command, args)[0] : undefined
        return Effect.flatMap(find(key), (client) =>
          Effect.tryPromise({
            try: () => {
              if (isClosed) client.disconnect()
              return call(client, command, args)
            },
            catch: (error) => redisError.toCacheError(command, connection.endpoint, error, undefined)
          })
        )
      },
      close: Effect.sync(() => {
        isClosed = true
        for (const client of clients.values()) client.disconnect()
      })
    }
  })
