/**
 * Writes and leases of one key, which those of the same turn share a script with. See `Joint` and `singleScripts`.
 */
import { CacheError } from "@tiercache/core"
import { Effect } from "effect"
import type { Redis, RedisValue } from "ioredis"
import type * as RedisConnection from "../RedisConnection.ts"
import type { Limits } from "./groups.ts"
import { APART, type Joint, type Part } from "./Joint.ts"
import * as redisError from "./redisError.ts"
import * as scripts from "./scripts.ts"
import type { Server } from "./Server.ts"
import * as singleScripts from "./singleScripts.ts"
import type * as Writing from "./writing.ts"

/** One key, and what a script is told about it. */
export interface Single {
  readonly key: string
  /** What is sent of it, beside the key; it counts for how much comes together. */
  readonly bytes: number
  readonly args: (at: Writing.At) => ReadonlyArray<RedisValue>
}

/** Runs a script on a key; what it answers for that. Until the deadline, or for as long as any operation. */
export type Run = (
  operation: string,
  single: Single,
  deadline?: number
) => Effect.Effect<scripts.Answer, CacheError.CacheError>

interface Item extends Part, Pick<Single, "args"> {
  readonly deadline: number
}

interface Dependencies {
  readonly connection: RedisConnection.RedisConnection
  readonly writing: Writing.Writing
  readonly limits: Limits
}

/** For one script; `shared` are its arguments that are the same for all keys. */
export const make = (
  { connection, limits: { partOf, size }, writing }: Dependencies,
  script: scripts.Lua,
  shared: (at: Writing.At) => ReadonlyArray<RedisValue> = () => []
): Run => {
  const joints = new WeakMap<Server, Joint<Item, unknown>>()

  /** In one command; in full if Redis does not know the script. What is in it, is in time for the first of the deadlines. */
  const send = <A>(
    client: Redis,
    server: Server,
    items: ReadonlyArray<Item>,
    read: (reply: unknown) => A
  ): Promise<A> => {
    const at = writing.at(server)
    const deadline = items.reduce((least, { deadline }) => Math.min(least, deadline), Infinity)
    const keys = items.map(({ key }) => key)
    const args: Array<RedisValue> = [...writing.begin(server, deadline), at.header("bundle"), ...shared(at)]
    for (const item of items) args.push(...item.args(at))
    return scripts
      .call(client, script, keys, args)
      .then(read, (error: unknown) =>
        redisError.isNoScript(error) ? scripts.callInFull(client, script, keys, args).then(read) : Promise.reject(error)
      )
  }

  const sendOne = (client: Redis, server: Server, item: Item) => send(client, server, [item], answerToOne)

  const open = (server: Server) =>
    server.jointOf<Item, unknown>({
      isRepeatable: false,
      size: () => size,
      alone: (client, item) => sendOne(client, server, item),
      // it may come too late for all of them
      together: (client, items) =>
        send(client, server, items, (reply) =>
          Array.isArray(reply) ? reply.map(answerToEach) : items.map(() => reply)
        )
    })

  const jointOf = (server: Server) => {
    const known = joints.get(server)
    if (known !== undefined) return known
    const joint = open(server)
    joints.set(server, joint)
    return joint
  }

  return (operation, { args, bytes, key }, until) =>
    Effect.suspend(() => {
      const deadline = until ?? connection.deadline()
      const item: Item = { key, bytes, args, deadline, part: partOf(key) }
      const attempt = connection.command(
        operation,
        key,
        (client, server, asking = false) => {
          const answered = (reply: unknown) => ({ reply, server })
          return asking ? sendOne(client, server, item).then(answered) : jointOf(server).add(item, answered)
        },
        "joined"
      )
      // what came too late may have done so because of another
      const again = connection.command(operation, key, (client, server) =>
        sendOne(client, server, item).then((reply) => ({ reply, server }))
      )
      return writing.inTime(operation, key, deadline, attempt, again)
    })
}

const answerToEach = (answer: unknown): unknown =>
  // a client that is lent may have the option `stringNumbers`
  !Array.isArray(answer) && Number(answer) === singleScripts.APART ? APART : answer

/** Throws it if it is a refusal. */
const answerToOne = (reply: unknown): unknown => {
  const answer: unknown = Array.isArray(reply) ? reply[0] : reply
  if (answer instanceof Error) throw answer
  return answer
}
