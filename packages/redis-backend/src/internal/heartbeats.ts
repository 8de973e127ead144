/**
 * Heartbeats: published where writes happen, and nowhere else.
 *
 * A replica publishes too, but refuses to write. The key never exists, so this changes nothing, and a full memory does not
 * refuse it.
 */
import type { CacheError } from "@tiercache/core"
import { Effect } from "effect"
import * as scripts from "./scripts.ts"
import type { Server } from "./Server.ts"

/** ARGV: channel, heartbeat. */
export const plain = scripts.lua(`
redis.call('UNLINK', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
`)

/**
 * The same in a cluster, with what the node says about itself: which slots it owns at that moment. A primary without slots has no key
 * that it could write.
 */
export const withSlots = scripts.lua(`
if KEYS[1] then redis.call('UNLINK', KEYS[1]) end
local self = string.match(redis.call('CLUSTER', 'NODES'), '[^\\n]*myself[^\\n]*')
redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. self)
`)

/** What a heartbeat brings back: its number, and behind a space what else was in it. */
export const parse = (payload: string): { readonly id: number; readonly rest: string } => {
  const space = payload.indexOf(" ")
  return space < 0
    ? { id: Number(payload), rest: "" }
    : { id: Number(payload.slice(0, space)), rest: payload.slice(space + 1) }
}

export const send = (
  server: Server,
  script: scripts.Lua,
  keys: ReadonlyArray<string>,
  args: ReadonlyArray<string | number>
): Effect.Effect<void, CacheError.CacheError> =>
  Effect.asVoid(
    scripts.run({ command: server.command, inTime: (effect) => effect }, "heartbeat", script, keys, () => args)
  )
