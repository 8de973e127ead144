/**
 * What all operations that write have in common: scripts that announce what they do, and do nothing too late.
 */
import { CacheError, Envelope, type MonotonicClock } from "@tiercache/core"
import { Effect } from "effect"
import type { RedisValue } from "ioredis"
import * as BusMessage from "../BusMessage.ts"
import type * as RedisBus from "../RedisBus.ts"
import type * as RedisConnection from "../RedisConnection.ts"
import * as luaParts from "./luaParts.ts"
import * as luaTags from "./luaTags.ts"
import * as scripts from "./scripts.ts"
import type { Server } from "./Server.ts"

/** What is written on a server, by its clock. */
export interface At {
  /** A message without keys, by this process unless another is named. */
  readonly header: (kind: BusMessage.Kind, writeId?: number, origin?: string) => string
  /** When what is written now will have lived for that long, in milliseconds of the server's clock. */
  readonly deadline: (millis: number) => number
  readonly envelope: (payload: Uint8Array, life: Life, tags?: Uint8Array, holds?: "value" | "absence") => Buffer
}

/** How long an entry is fresh, and how much longer it may be served stale. */
export interface Life {
  readonly ttlMillis: number
  readonly graceMillis: number
}

export interface Writing {
  /**
   * Runs a script that begins as `luaParts.BEGIN` does; `args` are its own arguments, for the server that gets them. It has as long as any
   * operation unless it is told another deadline.
   */
  readonly run: (
    operation: string,
    script: scripts.Lua,
    keys: ReadonlyArray<string>,
    args: (at: At) => ReadonlyArray<RedisValue>,
    deadline?: number
  ) => Effect.Effect<scripts.Answer, CacheError.CacheError>
  readonly at: (server: Server) => At
  /**
   * In microseconds of the server's clock, when it is too late for what has to be done by a deadline; `""` if that is not known. The error
   * of the clock is taken off, so that nothing is written after the deadline for certain. It costs no time: it is half a
   * round trip, and so is the way back of an answer.
   */
  readonly notAfter: (server: Server, deadline: number) => number | ""
  /**
   * Fails if what was sent came too late. One that does so although this side still waits shows that the server's clock was set: then
   * it is sent once more, with what the clock shows now.
   */
  readonly inTime: (
    operation: string,
    key: string | undefined,
    deadline: number,
    attempt: Effect.Effect<scripts.Answer, CacheError.CacheError>,
    secondAttempt?: Effect.Effect<scripts.Answer, CacheError.CacheError>
  ) => Effect.Effect<scripts.Answer, CacheError.CacheError>
  /** The first arguments of a script: see `luaParts.BEGIN`. */
  readonly begin: (server: Server, deadline: number) => ReadonlyArray<RedisValue>
}

interface Dependencies {
  readonly connection: RedisConnection.RedisConnection
  readonly now: MonotonicClock.Now
  readonly bus: RedisBus.RedisBus
  /** Replaces the server's clock, in microseconds. */
  readonly time: (() => number) | undefined
}

export const make = ({ bus, connection, now, time }: Dependencies): Writing => {
  const at = ({ clock }: Server): At => {
    const sentAt = now()
    const deadline = (millis: number) => clock.toRedis(sentAt + millis)
    return {
      deadline,
      header: (kind, writeId = 0, origin = bus.invalidation.origin) =>
        BusMessage.header(kind, origin, writeId, clock.toRedis(sentAt)),
      envelope: (payload, { graceMillis, ttlMillis }, tags, holds = "value") => {
        const freshUntil = Math.floor(deadline(ttlMillis))
        return Envelope.encode({
          freshUntil,
          goneAfter: freshUntil + graceMillis,
          version: 0,
          holds,
          lease: undefined,
          tags,
          payload
        })
      }
    }
  }

  const notAfter: Writing["notAfter"] = ({ clock }, deadline) => {
    const millis = clock.toRedis(deadline) - clock.errorMillis()
    return Number.isFinite(millis) ? Math.floor(millis * 1000) : ""
  }

  const again = (
    operation: string,
    key: string | undefined,
    attempt: Effect.Effect<scripts.Answer, CacheError.CacheError>
  ) =>
    Effect.ignore(connection.command("time", key, (client, { clock }) => clock.refresh(client))).pipe(
      Effect.andThen(attempt),
      Effect.flatMap((answer) => (isLate(answer) ? tooLate(operation) : Effect.succeed(answer)))
    )

  const inTime: Writing["inTime"] = (operation, key, deadline, attempt, secondAttempt = attempt) =>
    Effect.flatMap(attempt, (answer) =>
      isLate(answer)
        ? connection.before(deadline, operation, again(operation, key, secondAttempt))
        : Effect.succeed(answer)
    )

  const begin: Writing["begin"] = (server, deadline) => [
    server.channel,
    notAfter(server, deadline),
    time === undefined ? "" : Math.round(time())
  ]

  const placeOf = (asking: boolean) => {
    if (!connection.isCluster) return luaTags.PLACES.single
    return asking ? luaTags.PLACES.next : luaTags.PLACES.owner
  }

  return {
    at,
    notAfter,
    inTime,
    begin,
    run: (operation, script, keys, args, until) =>
      Effect.suspend(() => {
        const deadline = until ?? connection.deadline()
        const [key] = keys
        const attempt = scripts.run(
          scripts.where(connection, operation, key, deadline, keys.length > 1 ? "divisible" : "whole"),
          operation,
          script,
          keys,
          (server, asking) => [
            ...begin(server, deadline),
            ...args(at(server)),
            placeOf(asking),
            luaTags.indexPrefixFor(key, connection.isCluster)
          ]
        )
        return inTime(operation, key, deadline, attempt)
      })
  }
}

const isLate = ({ reply }: scripts.Answer): boolean =>
  reply === luaParts.LATE || (Buffer.isBuffer(reply) && reply.equals(LATE_BYTES))

const LATE_BYTES = Buffer.from(luaParts.LATE)

const tooLate = (operation: string) =>
  Effect.fail(
    CacheError.make(operation, "Timeout", "the command reached Redis after its deadline, and was not executed")
  )
