/**
 * The Lua scripts of the backend, and how scripts are run.
 *
 * They are sent by their SHA-1 and in full when Redis does not know them (yet, or after a restart, `SCRIPT FLUSH` or a
 * failover). No command is defined on the client for that: it may be the user's.
 */
import { createHash } from "node:crypto"
import { type CacheError, Envelope } from "@tiercache/core"
import { Effect } from "effect"
import type { RedisValue } from "ioredis"
import type * as RedisConnection from "../RedisConnection.ts"
import * as redisError from "./redisError.ts"

/** The answer of a script that came too late to write. */
export const LATE = "late"

export interface Lua {
  readonly text: string
  readonly sha: string
}

export const lua = (text: string): Lua => ({ text, sha: createHash("sha1").update(text).digest("hex") })

/** Settles by the deadline, of the connection's clock: to be sent in full gives a script no more time. */
export const run = (
  connection: RedisConnection.RedisConnection,
  deadline: number,
  operation: string,
  script: Lua,
  keys: ReadonlyArray<string>,
  args: ReadonlyArray<RedisValue>
): Effect.Effect<unknown, CacheError.CacheError> => {
  const bySha = connection.command(operation, (client) =>
    client
      .evalsha(script.sha, keys.length, ...keys, ...args)
      .catch((error: unknown) => (redisError.isNoScript(error) ? UNKNOWN : Promise.reject(error)))
  )
  const inFull = connection.command(operation, (client) => client.eval(script.text, keys.length, ...keys, ...args))
  return Effect.flatMap(bySha, (reply) =>
    reply === UNKNOWN ? connection.before(deadline, operation, inFull) : Effect.succeed(reply)
  )
}

const UNKNOWN = Symbol("Redis does not know the script")

/**
 * What all writing scripts begin with. ARGV: channel; the time in microseconds after which the script must not write, or
 * nothing; then their own.
 *
 * Messages are collected in parts: a text that grows by one key at a time is copied once per key, which blocks Redis for
 * seconds. Scripts for several keys are not ended by a refusal (`pcall`): what was done before has to be announced.
 *
 * A client that gave up waiting has told its user that the write failed. Such a write may lie in the buffer of a connection
 * for long, and must not happen then: it might undo what was written since.
 */
const BEGIN = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1e6 + tonumber(time[2])
if ARGV[2] ~= '' and now > tonumber(ARGV[2]) then return '${LATE}' end
local function append(parts, part)
  parts[#parts + 1] = string.format('%d:', #part)
  parts[#parts + 1] = part
end
local function announce(parts)
  if #parts > 1 then redis.call('PUBLISH', ARGV[1], table.concat(parts)) end
end
local function failureOf(reply)
  if type(reply) == 'table' and reply.err then return reply end
end
`

/**
 * The version of a new entry: the time in microseconds, or one more than the version of the entry it replaces, of which `entry`
 * has the form. See `Envelope` for how it is written. What another program left there may claim a version after which
 * there is none, and does not count.
 */
const STAMP = `
local function versionFor(key, entry)
  local version = now
  local stored = redis.pcall('GETRANGE', key, 0, ${Envelope.HEADER_BYTES - 1})
  local form = string.sub(entry, 1, ${Envelope.DEADLINES_OFFSET})
  if type(stored) == 'string' and #stored == ${Envelope.HEADER_BYTES} and string.sub(stored, 1, #form) == form then
    local old = 0
    for i = ${Envelope.VERSION_OFFSET + 1}, ${Envelope.HEADER_BYTES} do old = old * 128 + string.byte(stored, i) end
    if old >= version and old < ${Number.MAX_SAFE_INTEGER} then version = old + 1 end
  end
  local bytes = {}
  for i = ${Envelope.HEADER_BYTES - Envelope.VERSION_OFFSET}, 1, -1 do
    bytes[i] = string.char(version % 128)
    version = math.floor(version / 128)
  end
  return table.concat(bytes)
end
`

/**
 * What a script publishes of entries; of what is beyond it, the keys alone are announced. A subscriber that leaves 32 MB
 * unread, or 8 MB for a minute, is disconnected (`client-output-buffer-limit`), and every subscriber gets every message.
 */
const MAX_PUSHED_BYTES = 256 * 1024

/**
 * Writes, and announces what was written.
 *
 * ARGV from 3: message without keys; the same to push the entries with, or nothing; TTL in ms; NX, XX or nothing; an envelope
 * per key. Returns how many were written; a refusal ends it.
 *
 * Every Redis has `struct`. ioredis-mock has not, and its SETRANGE breaks bytes, and bytes are no text to its Lua:
 * there, all versions are 0, and nothing is pushed.
 */
export const set = lua(`${BEGIN}${STAMP}
local keyOnly, pushed, pushedBytes = { ARGV[3] }, { ARGV[4] }, 0
local written, failure = 0, nil
for i = 1, #KEYS do
  local key, entry = KEYS[i], ARGV[i + 6]
  local version = struct and versionFor(key, entry)
  local reply
  if ARGV[6] == '' then
    reply = redis.pcall('SET', key, entry, 'PX', ARGV[5])
  else
    reply = redis.pcall('SET', key, entry, 'PX', ARGV[5], ARGV[6])
  end
  failure = failureOf(reply)
  if reply and not failure then
    written = written + 1
    if version then failure = failureOf(redis.pcall('SETRANGE', key, ${Envelope.VERSION_OFFSET}, version)) end
    if version and not failure and ARGV[4] ~= '' and pushedBytes + #key + #entry <= ${MAX_PUSHED_BYTES} then
      pushedBytes = pushedBytes + #key + #entry
      append(pushed, key)
      append(pushed, string.sub(entry, 1, ${Envelope.VERSION_OFFSET}) .. version .. string.sub(entry, ${Envelope.HEADER_BYTES + 1}))
    else
      append(keyOnly, key)
    end
  end
  if failure then break end
end
announce(pushed)
announce(keyOnly)
return failure or written
`)

/**
 * Deletes, and announces what was there and what was not: some L1 may hold what was evicted from here.
 *
 * ARGV from 3: the messages for the one and the other, without keys. Returns how many there were, or the first refusal.
 */
export const unlink = lua(`${BEGIN}
local deleted, missing = { ARGV[3] }, { ARGV[4] }
local count, failure = 0, nil
for i = 1, #KEYS do
  local reply = redis.pcall('UNLINK', KEYS[i])
  local refused = failureOf(reply)
  if refused then
    failure = failure or refused
  elseif reply == 1 then
    count = count + 1
    append(deleted, KEYS[i])
  else
    append(missing, KEYS[i])
  end
end
announce(deleted)
announce(missing)
return failure or count
`)

/**
 * Publishes a heartbeat where writes happen, and nowhere else: a replica publishes too, but refuses to write. The key never
 * exists, so this changes nothing, and a full memory does not refuse it. ARGV: channel, heartbeat.
 */
export const heartbeat = lua(`
redis.call('UNLINK', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
`)

/**
 * Gives an envelope new deadlines.
 *
 * ARGV from 3: message without keys; TTL in ms; an envelope without payload that has the deadlines. Returns 1, 0 for no
 * entry (one of a layout that we do not know is none), and nil for something else.
 */
export const expire = lua(`${BEGIN}
local header = ARGV[5]
local stored = redis.call('GETRANGE', KEYS[1], 0, #header - 1)
if stored == '' then return 0 end
if string.byte(stored) ~= string.byte(header) then return false end
if #stored < #header or string.sub(stored, 1, ${Envelope.DEADLINES_OFFSET}) ~= string.sub(header, 1, ${Envelope.DEADLINES_OFFSET}) then return 0 end
redis.call('SETRANGE', KEYS[1], ${Envelope.DEADLINES_OFFSET}, string.sub(header, ${Envelope.DEADLINES_OFFSET + 1}, ${Envelope.VERSION_OFFSET}))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local message = { ARGV[3] }
append(message, KEYS[1])
announce(message)
return 1
`)

/**
 * Adds to an integer, which is written as decimal digits, between two marks (MessagePack) or without (JSON).
 *
 * ARGV from 3: message without keys; TTL in ms, and the envelope without payload, of a new entry; the mark; what to add.
 * Returns the sum as text, nil over anything else and beyond 2^53 - 1.
 */
export const increment = lua(`${BEGIN}${STAMP}
local header, mark, value = ARGV[5], ARGV[6], 0
local stored = redis.call('GET', KEYS[1])
if stored then
  if string.sub(stored, 1, 3) ~= string.sub(header, 1, 3) then return false end
  header = string.sub(stored, 1, #header)
  local digits = string.sub(stored, #header + 1)
  if string.sub(digits, 1, #mark) == mark and string.sub(digits, -#mark) == mark then
    digits = string.sub(digits, #mark + 1, -#mark - 1)
  else
    mark = ''
  end
  if digits ~= '0' and not string.match(digits, '^%-?[1-9]%d*$') then return false end
  value = tonumber(digits)
end
local sum = value + tonumber(ARGV[7])
if math.abs(value) > 9007199254740991 or math.abs(sum) > 9007199254740991 then return false end
local text = string.format('%.0f', sum)
header = string.sub(header, 1, ${Envelope.VERSION_OFFSET}) .. versionFor(KEYS[1], header)
if stored then
  redis.call('SET', KEYS[1], header .. mark .. text .. mark, 'KEEPTTL')
else
  redis.call('SET', KEYS[1], header .. mark .. text .. mark, 'PX', ARGV[4])
end
local message = { ARGV[3] }
append(message, KEYS[1])
announce(message)
return text
`)
