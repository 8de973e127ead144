/**
 * What the Lua scripts of the backend have in common.
 *
 * Every Redis has `struct`, by which the scripts tell it from ioredis-mock: there bytes are no text to Lua, and SETRANGE breaks them.
 */
import { Envelope } from "@tiercache/core"

/** The answer of a script that came too late to write. */
export const LATE = "late"

/**
 * What all writing scripts begin with. ARGV: channel; the time in microseconds after which the script must not write, or
 * nothing; the time in microseconds if not the server's, or nothing; then their own; last, who is asked (`luaTags.PLACES`), and how the
 * keys of the tag index begin.
 *
 * Messages are collected in parts: a text that grows by one key at a time is copied once per key, which blocks Redis for
 * seconds. Scripts for several keys are not ended by a refusal (`pcall`): what was done before has to be announced.
 *
 * A client that gave up waiting has told its user that the write failed. Such a write may lie in the buffer of a connection
 * for long, and must not happen then: it might undo what was written since.
 */
export const BEGIN = `
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1e6 + tonumber(time[2])
end
if ARGV[2] ~= '' and now > tonumber(ARGV[2]) then return '${LATE}' end
local nowMillis = math.floor(now / 1000)
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

/** The first bytes of an envelope, in Lua. */
export const FORM = `\\${Envelope.MAGIC}\\${Envelope.VERSION}`

const { absent, awaited, lease, leaseOnly, leaseTags, tags } = Envelope.FLAGS

/** What has to be read of an entry for its header, and for how long its lease lasts. */
export const LAST_OF_HEADER = Envelope.HEADER_BYTES + Envelope.TIME_BYTES - 1

/** What has to be read of an entry for all of its lease. */
export const LAST_OF_LEASE = Envelope.HEADER_BYTES + Envelope.LEASE_BYTES + Envelope.MAX_TOKEN_BYTES - 1

/** Reads a deadline; positions in Lua count from 1. */
export const READ_TIME = `
local function readTime(text, at)
  local a, b, c, d, e, f = string.byte(text, at, at + ${Envelope.TIME_BYTES - 1})
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end
`

/** Where `goneAfter` stands, in Lua. */
export const GONE_AFTER = Envelope.DEADLINES_OFFSET + Envelope.TIME_BYTES + 1

/**
 * Reads the header of an entry, and for how long its lease lasts; nil for anything that is no envelope of this layout (see
 * `Envelope`; positions in Lua count from 1).
 *
 * `isEmpty`: there is nothing but a lease. `isThere`: there is a value, and it is fresh.
 */
const HEADER = `${READ_TIME}
local function writeTime(millis)
  local bytes = {}
  for i = ${Envelope.TIME_BYTES}, 1, -1 do
    bytes[i] = string.char(millis % 256)
    millis = math.floor(millis / 256)
  end
  return table.concat(bytes)
end
local function isEnvelope(text)
  return type(text) == 'string' and #text >= ${Envelope.HEADER_BYTES} and string.sub(text, 1, 2) == '${FORM}'
    and string.byte(text, 3) < ${leaseTags * 2}
end
local function hasFlag(flags, flag) return flags % (flag * 2) >= flag end
local function headerOf(text)
  if not isEnvelope(text) then return nil end
  local flags = string.byte(text, 3)
  local isAbsent, isLeased, isEmpty = hasFlag(flags, ${absent}), hasFlag(flags, ${lease}), hasFlag(flags, ${leaseOnly})
  local isAwaited, isTagged, hasLeaseTags = hasFlag(flags, ${awaited}), hasFlag(flags, ${tags}), hasFlag(flags, ${leaseTags})
  if not isLeased and (isEmpty or isAwaited or hasLeaseTags) then return nil end
  if isLeased and #text <= ${LAST_OF_HEADER} or isEmpty and (isAbsent or isTagged) then return nil end
  local freshUntil = readTime(text, ${Envelope.DEADLINES_OFFSET + 1})
  local isFresh = nowMillis < freshUntil and not isEmpty
  return {
    flags = flags,
    isAbsent = isAbsent,
    isEmpty = isEmpty,
    isAwaited = isAwaited,
    isTagged = isTagged,
    hasLeaseTags = hasLeaseTags,
    isFresh = isFresh,
    isThere = isFresh and not isAbsent,
    freshUntil = freshUntil,
    goneAfter = readTime(text, ${GONE_AFTER}),
    leaseEnd = isLeased and readTime(text, ${Envelope.HEADER_BYTES + 1})
  }
end
`

/**
 * Reads the lease too; nil for one that is cut off. It is nobody's if its token is empty. `leaseTagsAt` is where it ends but for its tags,
 * for entries without a lease too.
 */
export const LEASE = `${HEADER}
local function leaseOf(text)
  local header = headerOf(text)
  if not header then return nil end
  header.token = ''
  header.leaseTagsAt = ${Envelope.HEADER_BYTES + 1}
  if header.leaseEnd then
    local length = string.byte(text, ${LAST_OF_HEADER + 2})
    if not length or #text < ${Envelope.HEADER_BYTES + Envelope.LEASE_BYTES} + length then return nil end
    header.leaseTagsAt = ${Envelope.HEADER_BYTES + Envelope.LEASE_BYTES + 1} + length
    header.token = string.sub(text, ${Envelope.HEADER_BYTES + Envelope.LEASE_BYTES + 1}, header.leaseTagsAt - 1)
  end
  return header
end
local function lifeUntil(deadline) return math.max(1, deadline - nowMillis) end
local function hasValue(entry) return entry and not entry.isEmpty and entry.goneAfter > nowMillis end
`

/**
 * The version of a new entry: the time in microseconds, or one more than the version of the entry it replaces. See `Envelope` for
 * how it is written. What another program left there may claim a version after which there is none, and does not count. Needs
 * `HEADER`.
 */
export const STAMP = `
local function versionAfter(stored)
  local version = now
  if isEnvelope(stored) then
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
export const MAX_PUSHED_BYTES = 256 * 1024

/**
 * Writes entries, with versions, and collects what is to be announced: that they were written (ARGV 4), or what (ARGV 5, nothing
 * if they are not to be pushed). That there is no value is not pushed. Needs `HEADER`.
 *
 * In ioredis-mock all versions are 0, and nothing is pushed.
 */
export const WRITE = `${STAMP}
local keyOnly, pushed, pushedBytes = { ARGV[4] }, { ARGV[5] }, 0
local function tellOf(key, entry, version)
  local isPushed = version and ARGV[5] ~= '' and not hasFlag(string.byte(entry, 3), ${absent})
  if isPushed and pushedBytes + #key + #entry <= ${MAX_PUSHED_BYTES} then
    pushedBytes = pushedBytes + #key + #entry
    append(pushed, key)
    append(pushed, string.sub(entry, 1, ${Envelope.VERSION_OFFSET}) .. version .. string.sub(entry, ${Envelope.HEADER_BYTES + 1}))
  else
    append(keyOnly, key)
  end
end
local function write(key, entry, millis, version, only)
  local reply
  if only == '' then
    reply = redis.pcall('SET', key, entry, 'PX', millis)
  else
    reply = redis.pcall('SET', key, entry, 'PX', millis, only)
  end
  local failure = failureOf(reply)
  if failure or not reply then return false, failure end
  if version then failure = failureOf(redis.pcall('SETRANGE', key, ${Envelope.VERSION_OFFSET}, version)) end
  if failure then version = nil end
  return true, failure, version
end
`
