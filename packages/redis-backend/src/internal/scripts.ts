/**
 * The Lua scripts of the backend, and how scripts are run.
 *
 * They are sent by their SHA-1 and in full when Redis does not know them (yet, or after a restart, `SCRIPT FLUSH` or a
 * failover). No command is defined on the client for that: it may be the user's.
 */
import { createHash } from "node:crypto"
import { Envelope } from "@tiercache/core"
import type { Redis, RedisValue } from "ioredis"
import * as redisError from "./redisError.ts"

/** The answer of a script that came too late to write. */
export const LATE = "late"

export interface Lua {
  readonly text: string
  readonly sha: string
}

export const lua = (text: string): Lua => ({ text, sha: createHash("sha1").update(text).digest("hex") })

export const run = (
  client: Redis,
  script: Lua,
  keys: ReadonlyArray<string>,
  args: ReadonlyArray<RedisValue>
): Promise<unknown> =>
  client
    .evalsha(script.sha, keys.length, ...keys, ...args)
    .catch((error: unknown) =>
      redisError.isNoScript(error) ? client.eval(script.text, keys.length, ...keys, ...args) : Promise.reject(error)
    )

/**
 * What all writing scripts begin with. ARGV: channel; the time in microseconds after which the script must not write, or
 * nothing; then their own.
 *
 * A client that gave up waiting has told its user that the write failed. Such a write may lie in the buffer of a connection
 * for long, and must not happen then: it might undo what was written since.
 */
const BEGIN = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1e6 + tonumber(time[2])
if ARGV[2] ~= '' and now > tonumber(ARGV[2]) then return '${LATE}' end
local function append(message, part) return message .. string.format('%d', #part) .. ':' .. part end
`

/**
 * The version of a new entry: the time in microseconds, or one more than the version of the entry it replaces. See `Envelope`
 * for how it is written.
 */
const STAMP = `
local function versionFor(key)
  local version = now
  local stored = redis.pcall('GETRANGE', key, 0, ${Envelope.HEADER_BYTES - 1})
  if type(stored) == 'string' and #stored == ${Envelope.HEADER_BYTES} and string.byte(stored) == 193 then
    local old = 0
    for i = ${Envelope.VERSION_OFFSET + 1}, ${Envelope.HEADER_BYTES} do old = old * 128 + string.byte(stored, i) end
    if old >= version then version = old + 1 end
  end
  local text = ''
  for i = ${Envelope.VERSION_OFFSET + 1}, ${Envelope.HEADER_BYTES} do
    text = string.char(version % 128) .. text
    version = math.floor(version / 128)
  end
  return text
end
`

/**
 * Writes, and announces what was written.
 *
 * ARGV from 3: message without keys; TTL in ms; NX, XX or nothing; 1 to push the entries; an envelope per key. Returns how many were
 * written.
 *
 * Every Redis has `struct`. ioredis-mock has not, and its SETRANGE breaks bytes: there, all versions are 0, and nothing
 * pushed counts as newer.
 */
export const set = lua(`${BEGIN}${STAMP}
local message = ARGV[3]
local written = 0
for i = 1, #KEYS do
  local version = versionFor(KEYS[i])
  local ok
  if ARGV[5] == '' then
    ok = redis.call('SET', KEYS[i], ARGV[i + 6], 'PX', ARGV[4])
  else
    ok = redis.call('SET', KEYS[i], ARGV[i + 6], 'PX', ARGV[4], ARGV[5])
  end
  if ok then
    written = written + 1
    if struct then redis.call('SETRANGE', KEYS[i], ${Envelope.VERSION_OFFSET}, version) end
    message = append(message, KEYS[i])
    if ARGV[6] == '1' then message = append(message, redis.call('GET', KEYS[i])) end
  end
end
if written > 0 then redis.call('PUBLISH', ARGV[1], message) end
return written
`)

/**
 * Deletes, and announces what was there and what was not: some L1 may hold what was evicted from here.
 *
 * ARGV from 3: the messages for the one and the other, without keys. Returns how many there were.
 */
export const unlink = lua(`${BEGIN}
local deleted, missing = ARGV[3], ARGV[4]
local count = 0
for i = 1, #KEYS do
  if redis.call('UNLINK', KEYS[i]) == 1 then
    count = count + 1
    deleted = append(deleted, KEYS[i])
  else
    missing = append(missing, KEYS[i])
  end
end
if count > 0 then redis.call('PUBLISH', ARGV[1], deleted) end
if count < #KEYS then redis.call('PUBLISH', ARGV[1], missing) end
return count
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
redis.call('PUBLISH', ARGV[1], append(ARGV[3], KEYS[1]))
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
header = string.sub(header, 1, ${Envelope.VERSION_OFFSET}) .. versionFor(KEYS[1])
if stored then
  redis.call('SET', KEYS[1], header .. mark .. text .. mark, 'KEEPTTL')
else
  redis.call('SET', KEYS[1], header .. mark .. text .. mark, 'PX', ARGV[4])
end
redis.call('PUBLISH', ARGV[1], append(ARGV[3], KEYS[1]))
return text
`)
