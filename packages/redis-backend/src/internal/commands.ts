/**
 * Any command, sent to where its keys are.
 */
import { CacheError } from "@tiercache/core"
import { Effect, Predicate } from "effect"
import { Command, type Redis } from "ioredis"
import type * as RedisConnection from "../RedisConnection.ts"
import * as groups from "./groups.ts"
import * as redisError from "./redisError.ts"
import * as scripts from "./scripts.ts"
import type * as Server from "./Server.ts"

type Reply = Effect.Effect<unknown, CacheError.CacheError>

export interface Commands {
  readonly send: (command: string, args: ReadonlyArray<string>) => Reply
  readonly run: (script: scripts.Lua, keys: ReadonlyArray<string>, args: ReadonlyArray<string>) => Reply
}

/** Keys of one command, where they can be spread over several. */
const MAX_KEYS = 500

export const make = (connection: RedisConnection.RedisConnection): Commands => {
  const at = (key: string | undefined, command: string, args: ReadonlyArray<string>, how?: RedisConnection.How) =>
    writable(connection, command, key, (client) => call(client, command, args), how)

  const inGroups = <A>(command: string, keys: ReadonlyArray<string>, answers: (reply: unknown) => ReadonlyArray<A>) =>
    [
      groups.groups(keys, (key) => key, { size: MAX_KEYS, partOf: connection.partOf }),
      (keys: ReadonlyArray<string>) => Effect.map(at(keys[0], command, keys, "divisible"), answers)
    ] as const

  const everywhere = (command: string, args: ReadonlyArray<string>) =>
    Effect.flatMap(connection.layout(command), (parts) =>
      Effect.forEach(parts, ({ server }) => server.command(command, (client) => call(client, command, args)), {
        concurrency: "unbounded"
      })
    )

  const inCluster = (command: string, args: ReadonlyArray<string>): Reply => {
    const name = command.toLowerCase()
    switch (name) {
      case "del":
      case "unlink":
      case "exists":
      case "touch":
        return Effect.map(groups.allOf(...inGroups(command, args, (count) => [Number(count)])), sum)
      case "mget":
        return groups.eachOf(...inGroups(command, args, (values) => (Array.isArray(values) ? values : [])))
      case "keys":
        return isTagged(args[0])
          ? at(args[0], command, args)
          : Effect.map(everywhere(command, args), (replies) => [...new Set(replies.flat())])
      case "dbsize":
        return Effect.map(everywhere(command, args), (replies) => sum(replies.map(Number)))
      case "script":
      case "flushdb":
      case "flushall":
        return Effect.map(everywhere(command, args), ([reply]) => reply)
      case "scan": {
        const pattern = args[args.findIndex((arg) => arg.toLowerCase() === "match") + 1]
        return isTagged(pattern) ? at(pattern, command, args) : Effect.fail(untagged())
      }
      default:
        return at(keysOf(command, args)[0], command, args)
    }
  }

  return {
    send: (command, args) =>
      Effect.suspend(() => (connection.isCluster ? inCluster(command, args) : at(undefined, command, args))),
    run: (script, keys, args) =>
      Effect.suspend(() => {
        const { inTime } = scripts.where(connection, "eval", keys[0], connection.deadline())
        const target: scripts.Target = {
          command: (operation, send) => writable(connection, operation, keys[0], send),
          inTime
        }
        return Effect.map(
          scripts.run(target, "eval", script, keys, () => args),
          ({ reply }) => reply
        )
      })
  }
}

/** The keys of a command; none of one that Redis would refuse, or that is unknown. */
export const keysOf = (command: string, args: ReadonlyArray<string>): ReadonlyArray<string> => {
  try {
    return new Command(command, [...args]).getKeys().map(String)
  } catch {
    return []
  }
}

/** ioredis gives replies the forms of RESP2 by the names of commands, in lower case; but of HGETALL it makes an object. */
export const call = (client: Redis, command: string, args: ReadonlyArray<string>): Promise<unknown> => {
  const name = command.toLowerCase()
  const reply = client.call(name, [...args])
  return name === "hgetall"
    ? reply.then((fields) => (Predicate.isObject(fields) ? Object.entries(fields).flat() : fields))
    : reply
}

const READ_ONLY = Symbol("READONLY")

/** How soon it is tried again when the server is a replica by now. */
const AGAIN_MILLIS = 10

/** Sends a command; again, on the next connection, if the server has refused it as a replica, for as long as a command may take. */
const writable = <A>(
  connection: RedisConnection.RedisConnection,
  operation: string,
  key: string | undefined,
  send: Server.Send<A>,
  how?: RedisConnection.How
): Effect.Effect<A, CacheError.CacheError> => {
  const attempt = connection.command<A | typeof READ_ONLY>(
    operation,
    key,
    (client, server, asking) =>
      send(client, server, asking).catch((error: unknown) =>
        redisError.isReadOnly(error) ? READ_ONLY : Promise.reject(error)
      ),
    how
  )
  const connected = Effect.sync(() => connection.status() === "connected").pipe(
    Effect.delay(AGAIN_MILLIS),
    Effect.repeat({ until: (isConnected) => isConnected })
  )
  const settled = (reply: A | typeof READ_ONLY): Effect.Effect<A, CacheError.CacheError> =>
    reply === READ_ONLY ? Effect.flatMap(Effect.andThen(connected, attempt), settled) : Effect.succeed(reply)
  return Effect.suspend(() => {
    const deadline = connection.deadline()
    return Effect.flatMap(attempt, (reply) =>
      reply === READ_ONLY ? connection.before(deadline, operation, settled(reply)) : Effect.succeed(reply)
    )
  })
}

/** All that can match lies in one slot: the pattern has a hash tag, and nothing that stands for something else up to its end. */
const isTagged = (pattern: string | undefined): boolean =>
  pattern !== undefined && /^[^*?[\]\\{]*\{[^*?[\]\\}]+\}/.test(pattern)

const untagged = () =>
  CacheError.make(
    "scan",
    "Unsupported",
    "in a cluster, SCAN has a MATCH with a part in braces, whose node it goes through"
  )

const sum = (counts: ReadonlyArray<number>): number => counts.reduce((sum, count) => sum + count, 0)
