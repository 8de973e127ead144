/**
 * The scripts of others: locks, limits, and what users write.
 */
import { type CacheBackend, CacheError, type Script } from "@tiercache/core"
import { Effect } from "effect"
import type * as RedisConnection from "../RedisConnection.ts"
import * as luaParts from "./luaParts.ts"
import * as scripts from "./scripts.ts"
import type { Server } from "./Server.ts"
import type * as Writing from "./writing.ts"

type Run = CacheBackend.CacheBackend["Service"]["run"]

/** What stands before the body of a script that wakes: its last two arguments are the channel and a message without names. */
const WAKE = `
local function wake(names)
  local parts = { ARGV[#ARGV] }
  for _, name in ipairs(names) do
    parts[#parts + 1] = string.format('%d:', #name)
    parts[#parts + 1] = name
  end
  redis.call('PUBLISH', ARGV[#ARGV - 1], table.concat(parts))
end
`

/** What stands before the body of a script that expires: the argument at an index says when. */
const expiry = (index: string) => `
if ARGV[${index}] ~= '' then
  local time = redis.call('TIME')
  if tonumber(time[1]) * 1000000 + tonumber(time[2]) > tonumber(ARGV[${index}]) then return '${luaParts.LATE}' end
end
`

type Parts = Pick<Script.Script<never, never, never>, "lua" | "expires" | "wakes">

const textOf = ({ expires = false, lua, wakes = false }: Parts): string =>
  (expires ? expiry(wakes ? "#ARGV - 2" : "#ARGV") : "") + (wakes ? WAKE : "") + lua

export interface Options {
  /** Replaces the server's clock, in microseconds. */
  readonly time: (() => number) | undefined
  readonly writing: Writing.Writing
}

export const make = (connection: RedisConnection.RedisConnection, { time, writing }: Options): Run => {
  const texts = new WeakMap<object, scripts.Lua>()
  const luaOf = (script: Parts): scripts.Lua => {
    const known = texts.get(script)
    if (known !== undefined) return known
    const made = scripts.lua(textOf(script))
    texts.set(script, made)
    return made
  }
  return <State, Args, Reply>(script: Script.Script<State, Args, Reply>, keys: ReadonlyArray<string>, args: Args) => {
    const read = ({ reply }: scripts.Answer) => readReply(script, reply)
    return CacheError.suspend(() => {
      const { expires = false, wakes = false } = script
      const values = [...script.args(args), time === undefined ? "" : Math.round(time())]
      const [key] = keys
      const deadline = connection.deadline()
      const where = scripts.where(connection, "run", key, deadline)
      const all = (server: Server) => [
        ...values,
        ...(expires ? [writing.notAfter(server, deadline)] : []),
        ...(wakes ? [server.channel, writing.at(server).header("woken")] : [])
      ]
      // most are sent as they are, whoever gets them
      const sent = scripts.run(where, "run", luaOf(script), keys, expires || wakes ? all : () => values)
      return Effect.flatMap(expires ? writing.inTime("run", key, deadline, sent) : sent, read)
    })
  }
}

const readReply = <Reply>(
  script: Pick<Script.Script<never, never, Reply>, "reply">,
  raw: unknown
): Effect.Effect<Reply, CacheError.CacheError> => {
  try {
    return Effect.succeed(script.reply(raw))
  } catch (error) {
    return CacheError.isCacheError(error) ? Effect.fail(error) : Effect.die(error)
  }
}
