/**
 * Asks servers how they are.
 */
import type { CacheError, MonotonicClock } from "@tiercache/core"
import { Effect, Result } from "effect"
import type { Server } from "./Server.ts"
import * as ServerInfo from "./serverInfo.ts"

/** What became of it. */
export interface Answer {
  readonly endpoint: string
  /** How long a PING took, or why there was no answer. */
  readonly pingMillis: Result.Result<number, CacheError.CacheError>
  /** A user may have no right to INFO, and a healthy Redis all the same. */
  readonly info: Result.Result<ServerInfo.ServerInfo, CacheError.CacheError>
}

/** All at the same time, on behalf of an operation. */
export const askAll = (
  servers: ReadonlyArray<Server>,
  operation: string,
  now: MonotonicClock.Now
): Effect.Effect<ReadonlyArray<Answer>> =>
  Effect.forEach(servers, (server) => ask(server, operation, now), { concurrency: "unbounded" })

const ask = (server: Server, operation: string, now: MonotonicClock.Now): Effect.Effect<Answer> =>
  Effect.all(
    {
      endpoint: Effect.succeed(server.endpoint),
      pingMillis: Effect.result(
        Effect.suspend(() => {
          const sentAt = now()
          return Effect.map(
            server.command(operation, (client) => client.ping()),
            () => now() - sentAt
          )
        })
      ),
      info: Effect.result(
        Effect.map(
          server.command(operation, (client) => client.info()),
          ServerInfo.parse
        )
      )
    },
    { concurrency: "unbounded" }
  )

/** Why a server cannot be used at all, if so. */
export const problemOf = ({ endpoint, info, pingMillis }: Answer): string | undefined => {
  if (Result.isFailure(pingMillis)) return pingMillis.failure.message
  const isReplica = Result.isSuccess(info) && info.success.role === "replica"
  return isReplica ? `Redis at ${endpoint} is a replica, to which nothing is written` : undefined
}
