/**
 * The Lua scripts for operations on one key, as many of them as have come together in a turn (see `Joint`). Each key has arguments and an
 * outcome of its own, and its operation cannot tell that there are others.
 *
 * They are for what carries no tags, which needs no index, and do in as few steps as can be what is nearly always to be done. For the rest
 * they have the same parts as the scripts for many keys, which are made only when they are needed: to make the functions of all of them
 * takes Redis longer than to write an entry.
 */
import { Envelope } from "@tiercache/core"
import * as BusMessage from "../BusMessage.ts"
import * as leaseScripts from "./leaseScripts.ts"
import * as luaParts from "./luaParts.ts"
import * as luaTags from "./luaTags.ts"
import * as redisError from "./redisError.ts"
import { lua } from "./scripts.ts"

const { absent, awaited, lease, leaseOnly } = Envelope.FLAGS

/** Up to so many bytes it is less work to build an entry in Lua than to write its version by another step. */
const MAX_BUILT_BYTES = 2048

const OF_SERVER = ` ${[...redisError.OF_SERVER].join(" ")} `

/**
 * ARGV: channel; the time in microseconds after which it must not write, or nothing; the time in microseconds if not the server's, or
 * nothing; a bundle without messages; then what is the script's.
 *
 * `settle` notes the outcome of a key. A refusal by the server, which any other key would meet with, fails the script: what reads the errors
 * of the connection has to see it.
 */
const BEGIN = `
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1e6 + time[2]
end
if ARGV[2] ~= '' and now > tonumber(ARGV[2]) then return '${luaParts.LATE}' end
local nowMillis = math.floor(now / 1000)
local outcomes, failure = {}, nil
local function failureOf(reply)
  if type(reply) == 'table' and reply.err then return reply end
end
local function settle(i, outcome)
  outcomes[i] = outcome
  if failureOf(outcome) then
    -- Redis 6 puts its own words before what a command has refused
    local code = string.match(outcome.err, 'user_script: ?%d+: %-?(%u+)') or string.match(outcome.err, '^%-?(%u+)')
    if code and string.find('${OF_SERVER}', ' ' .. code .. ' ', 1, true) then failure = failure or outcome end
  end
end
local messages
local function tell(header, part, entry)
  if #KEYS == 1 then
    local message = header .. #part .. ':' .. part
    if entry then message = message .. #entry .. ':' .. entry end
    return redis.call('PUBLISH', ARGV[1], message)
  end
  messages = messages or {}
  local parts = messages[header]
  if not parts then
    parts = { header }
    messages[header] = parts
    messages[#messages + 1] = parts
  end
  local at = #parts
  parts[at + 1], parts[at + 2] = #part .. ':', part
  if entry then parts[at + 3], parts[at + 4] = #entry .. ':', entry end
end
local function finish()
  if messages and #messages == 1 then
    redis.call('PUBLISH', ARGV[1], table.concat(messages[1]))
  elseif messages then
    local bundle = { ARGV[4] }
    for i = 1, #messages do
      local message = table.concat(messages[i])
      bundle[2 * i], bundle[2 * i + 1] = #message .. ':', message
    end
    redis.call('PUBLISH', ARGV[1], table.concat(bundle))
  end
  return failure or outcomes
end
`

const VERSION_FROM = Envelope.VERSION_OFFSET + 1
const PUSH_BYTE = BusMessage.LETTER.push.charCodeAt(0)

/**
 * Writes entries with versions; `header` is that of the message, of which the kind says whether the entry is to be told. `stored` is what
 * was there, of which the header counts. A version is compared as two numbers, as one it may be above 2^53.
 */
const WRITE = `
local floor = math.floor
local high, low = floor(now / 0x10000000), now % 0x10000000
local stamp = string.char(
  floor(high / 0x200000) % 128, floor(high / 0x4000) % 128, floor(high / 128) % 128, high % 128,
  floor(low / 0x200000), floor(low / 0x4000) % 128, floor(low / 128) % 128, low % 128
)
high, low = struct.unpack('>I4I4', stamp)
local function versionOver(stored)
  if type(stored) ~= 'string' or #stored < ${Envelope.HEADER_BYTES} or string.sub(stored, 1, 2) ~= '${luaParts.FORM}' then return stamp end
  local oldHigh, oldLow = struct.unpack('>I4I4', stored, ${VERSION_FROM})
  if oldHigh < high or oldHigh == high and oldLow < low then return stamp end
  ${luaParts.LEASE}${luaParts.STAMP}
  return versionAfter(stored)
end
local pushedBytes = 0
local function write(key, entry, millis, stored, header)
  local version, reply = versionOver(stored), nil
  local isPushed = header and string.byte(header, 2) == ${PUSH_BYTE}
  local isBuilt = isPushed or #entry <= ${MAX_BUILT_BYTES}
  if isBuilt then
    entry = string.sub(entry, 1, ${Envelope.VERSION_OFFSET}) .. version .. string.sub(entry, ${Envelope.HEADER_BYTES + 1})
  end
  local failure = failureOf(redis.pcall('SET', key, entry, 'PX', millis))
  if failure then return failure end
  if not isBuilt then failure = failureOf(redis.pcall('SETRANGE', key, ${Envelope.VERSION_OFFSET}, version)) end
  if not header then return failure or 1 end
  local bytes = #key + #entry
  if not isPushed then
    tell(header, key)
  elseif pushedBytes + bytes <= ${luaParts.MAX_PUSHED_BYTES} and string.byte(entry, 3) % ${absent * 2} < ${absent} then
    pushedBytes = pushedBytes + bytes
    tell(header, key, entry)
  else
    tell(string.sub(header, 1, 1) .. '${BusMessage.LETTER.set}' .. string.sub(header, 3), key)
  end
  return failure or 1
end
`

/** ARGV from 5, for each key: message without keys; how long it is kept in ms; its envelope. Returns for each key 1. */
export const set = lua(`${BEGIN}${WRITE}
for i = 1, #KEYS do
  local at, key = 2 + 3 * i, KEYS[i]
  local stored = redis.pcall('GETRANGE', key, 0, ${Envelope.HEADER_BYTES - 1})
  settle(i, write(key, ARGV[at + 2], ARGV[at + 1], stored, ARGV[at]))
end
return finish()
`)

/** As `writeScripts.unlink`. ARGV from 5: the messages of what was there and what was not, without keys. Returns for each key 1 or 0. */
export const unlink = lua(`${BEGIN}
for i = 1, #KEYS do
  local key = KEYS[i]
  local header = redis.pcall('GETRANGE', key, 0, ${luaParts.GONE_AFTER + Envelope.TIME_BYTES - 2})
  local isGone = type(header) == 'string' and #header == ${luaParts.GONE_AFTER + Envelope.TIME_BYTES - 1}
    and string.sub(header, 1, 2) == '${luaParts.FORM}' and struct.unpack('>I6', header, ${luaParts.GONE_AFTER}) <= nowMillis
  local reply = redis.pcall('UNLINK', key)
  if failureOf(reply) then
    settle(i, reply)
  elseif reply == 1 and not isGone then
    settle(i, 1)
    tell(ARGV[5], key)
  else
    settle(i, 0)
    tell(ARGV[6], key)
  end
end
return finish()
`)

/** What a lease on a key without an entry begins with: the header of nothing. */
const EMPTY = `'${luaParts.FORM}' .. string.char(${lease | leaseOnly}) .. string.rep('\\0', ${Envelope.HEADER_BYTES - Envelope.DEADLINES_OFFSET})`

/** How a key is answered that has to be asked for by itself. */
export const APART = -1

/** What is read for a reply holds up everybody else; the values of a hundred keys may be large. */
const MAX_FOUND_BYTES = 512 * 1024

/** As `leaseScripts.take`. ARGV from 5, for each key: token; for how long, in ms; when. Returns the same, or `APART`. */
export const take = lua(
  `${BEGIN}
local takeRare
local function take(key, stored, token, millis, when)
  if not stored then
    local taken = ${EMPTY} .. struct.pack('>I6', nowMillis + millis) .. string.char(#token) .. token
    return { '${leaseScripts.TAKEN.granted}', 0, '', false }, failureOf(redis.pcall('SET', key, taken, 'PX', millis))
  end
  if when == 'stale' and #stored >= ${Envelope.HEADER_BYTES} and string.sub(stored, 1, 2) == '${luaParts.FORM}'
    and string.byte(stored, 3) <= ${absent} and struct.unpack('>I6', stored, ${Envelope.DEADLINES_OFFSET + 1}) > nowMillis then
    return { '${leaseScripts.TAKEN.hit}', 0, '', stored }
  end
  if not takeRare then
    local function index() end
    ${luaParts.LEASE}${luaTags.TAGS}${leaseScripts.REBUILD}${leaseScripts.TAKE_ONE}
    takeRare = takeOne
  end
  return takeRare(key, stored, '', token, millis, when)
end
local foundBytes = 0
for i = 1, #KEYS do
  local at, key = 2 + 3 * i, KEYS[i]
  if foundBytes > ${MAX_FOUND_BYTES} then
    settle(i, ${APART})
  else
    local stored = redis.pcall('GET', key)
    local answer, refused = nil, failureOf(stored)
    if not refused then
      foundBytes = foundBytes + (stored and #stored or 0)
      answer, refused = take(key, stored, ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2])
    end
    settle(i, refused or answer)
  end
end
return finish()
`,
  true
)

/**
 * As `leaseScripts.fill`. ARGV from 5, for each key: token; the message of an entry that was there before, without keys; that to those who wait
 * for one that was not; how long it is kept in ms; its envelope. Returns for each key 1 or 0.
 */
export const fill = lua(`${BEGIN}${WRITE}
local heldRare
local function heldOf(key, token)
  local head = redis.pcall('GETRANGE', key, 0, ${luaParts.LAST_OF_LEASE})
  if head == '' then return nil end
  if type(head) == 'string' and string.sub(head, 1, 2) == '${luaParts.FORM}' then
    local flags = string.byte(head, 3)
    if flags == ${lease | leaseOnly} or flags == ${lease | leaseOnly | awaited} then
      local length = string.byte(head, ${Envelope.HEADER_BYTES + Envelope.LEASE_BYTES})
      if length ~= #token or string.sub(head, ${Envelope.HEADER_BYTES + Envelope.LEASE_BYTES + 1}) ~= token then return nil end
      if nowMillis > struct.unpack('>I6', head, ${Envelope.HEADER_BYTES + 1}) then return nil end
      return { isEmpty = true, isAwaited = flags ~= ${lease | leaseOnly} }, head
    end
  end
  if not heldRare then
    ${luaParts.LEASE}${luaTags.TAGS}${leaseScripts.READ_HELD}
    heldRare = heldOf
  end
  return heldRare(key, token)
end
for i = 1, #KEYS do
  local at, key = 5 * i, KEYS[i]
  local held, stored = heldOf(key, ARGV[at])
  if held then
    settle(i, write(key, ARGV[at + 4], ARGV[at + 3], stored, not held.isEmpty and ARGV[at + 1]))
    if held.isEmpty and held.isAwaited and outcomes[i] == 1 then tell(ARGV[at + 2], key) end
  else
    settle(i, 0)
  end
end
return finish()
`)
