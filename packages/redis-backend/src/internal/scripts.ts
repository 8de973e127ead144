/**
 * How Lua scripts are run.
 *
 * They are sent by their SHA-1 and in full when Redis does not know them (yet, or after a restart, `SCRIPT FLUSH` or a
 * failover). No command is defined on the client for that: it may be the user's.
 */
import { createHash } from "node:crypto"
import type { CacheError } from "@tiercache/core"
import { Effect } from "effect"
import type { Redis, RedisValue } from "ioredis"
import type * as RedisConnection from "../RedisConnection.ts"
import * as redisError from "./redisError.ts"
import type * as Server from "./Server.ts"

export interface Lua {
  readonly text: string
  readonly sha: string
  /** Whether texts in the reply are bytes. */
  readonly repliesBytes: boolean
}

export const lua = (text: string, repliesBytes = false): Lua => ({
  text,
  sha: createHash("sha1").update(text).digest("hex"),
  repliesBytes
})

/** Where a script is run. */
export interface Target {
  readonly command: <A>(operation: string, send: Server.Send<A>) => Effect.Effect<A, CacheError.CacheError>
  /** Bounds what is sent once more: to be sent in full gives a script no more time. */
  readonly inTime: <A>(effect: Effect.Effect<A, CacheError.CacheError>) => Effect.Effect<A, CacheError.CacheError>
}

/** Where the key is, until a deadline of the connection's clock; see `RedisConnection.command`. */
export const where = (
  connection: RedisConnection.RedisConnection,
  operation: string,
  key: string | undefined,
  deadline: number,
  how?: RedisConnection.How
): Target => ({
  command: (operation, send) => connection.command(operation, key, send, how),
  inTime: (effect) => connection.before(deadline, operation, effect)
})

/** `args` are made for the server that gets them: times in them are by its clock. As to `asking`, see `Server.Send`. */
export const run = (
  { command, inTime }: Target,
  operation: string,
  script: Lua,
  keys: ReadonlyArray<string>,
  args: (server: Server.Server, asking: boolean) => ReadonlyArray<RedisValue>
): Effect.Effect<Answer, CacheError.CacheError> => {
  const bySha = command(operation, (client, server, asking = false) =>
    call(client, script, keys, args(server, asking)).then(
      (reply) => ({ reply, server }),
      (error: unknown) => (redisError.isNoScript(error) ? undefined : Promise.reject(error))
    )
  )
  const inFull = () =>
    command(operation, (client, server, asking = false) =>
      callInFull(client, script, keys, args(server, asking)).then((reply) => ({
        reply,
        server
      }))
    )
  return Effect.flatMap(bySha, (answer) => (answer === undefined ? inTime(inFull()) : Effect.succeed(answer)))
}

/** What a script has answered, and who ran it. */
export interface Answer {
  readonly reply: unknown
  readonly server: Server.Server
}

/** The scripts that were sent in full over a connection, by its stream. */
const sent = new WeakMap<object, Set<string>>()

/** Whether a script is sent over a connection for the first time. */
const isFirst = ({ stream }: Redis, { sha }: Lua): boolean => {
  // ioredis-mock has none
  if (stream === undefined) return false
  const known = sent.get(stream)
  if (known === undefined || known.size >= MAX_KNOWN) sent.set(stream, new Set([sha]))
  return known === undefined || known.size !== known.add(sha).size
}

/** Many more than there are, unless somebody makes a script for each call. */
const MAX_KNOWN = 1000

/**
 * Rejects if Redis does not know the script. It is sent in full for the first time, or what is sent after it would be executed before
 * it.
 */
export const call = (
  client: Redis,
  script: Lua,
  keys: ReadonlyArray<string>,
  args: ReadonlyArray<RedisValue>
): Promise<unknown> =>
  isFirst(client, script)
    ? callInFull(client, script, keys, args)
    : send(client, script.repliesBytes, "evalsha", script.sha, keys, args)

export const callInFull = (
  client: Redis,
  script: Lua,
  keys: ReadonlyArray<string>,
  args: ReadonlyArray<RedisValue>
): Promise<unknown> => send(client, script.repliesBytes, "eval", script.text, keys, args)

const send = (
  client: Redis,
  repliesBytes: boolean,
  command: "eval" | "evalsha",
  script: string,
  keys: ReadonlyArray<string>,
  args: ReadonlyArray<RedisValue>
): Promise<unknown> =>
  repliesBytes
    ? client.callBuffer(command, script, keys.length, ...keys, ...args)
    : client[command](script, keys.length, ...keys, ...args)
