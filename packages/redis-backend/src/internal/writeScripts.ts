/**
 * The Lua scripts that write entries. Each announces what it did.
 */
import { Envelope } from "@tiercache/core"
import * as luaParts from "./luaParts.ts"
import * as luaTags from "./luaTags.ts"
import { lua } from "./scripts.ts"

/**
 * Writes, and announces what was written.
 *
 * ARGV from 4: message without keys; the same to push the entries with, or nothing; NX, XX or nothing; for each key how long it is
 * kept in ms, and its envelope. Returns how many were written; a refusal ends it.
 *
 * Over an entry of ours it decides itself what `only` means: what is stale or known not to be there is not there. What others
 * wrote is there. ioredis-mock loses what is written over an expired key, unless it was asked for that key before.
 */
export const set = lua(`${luaParts.BEGIN}${luaParts.LEASE}${luaTags.TAGS}${luaTags.INDEX}${luaParts.WRITE}
local written, failure = 0, nil
local apart = areApart(function(i) return tagsWritten(ARGV[2 * i + 6]) end)
if apart then return apart end
for i = 1, #KEYS do
  local key, millis, entry, only, isBarred, version = KEYS[i], ARGV[2 * i + 5], ARGV[2 * i + 6], ARGV[6], false, nil
  if struct then
    local stored = redis.pcall('GETRANGE', key, 0, ${luaParts.LAST_OF_HEADER})
    version = versionAfter(stored)
    local header = only ~= '' and headerOf(stored)
    if header then
      isBarred = header.isThere == (only == 'NX')
      only = ''
    end
  else
    redis.call('EXISTS', key)
  end
  if not isBarred then
    local isWritten, stamped
    failure = struct and indexWritten(key, entry, millis) or nil
    if not failure then isWritten, failure, stamped = write(key, entry, millis, version, only) end
    if isWritten then
      written = written + 1
      tellOf(key, entry, stamped)
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
 * ARGV from 4: the messages for the one and the other, without keys. Returns how many there were, or the first refusal. What is
 * only kept for its lease was not there: its value is gone, or there was none, and then that deadline is 0.
 */
export const unlink = lua(`${luaParts.BEGIN}${luaParts.READ_TIME}
local function isGone(key)
  local header = redis.pcall('GETRANGE', key, 0, ${luaParts.GONE_AFTER + Envelope.TIME_BYTES - 2})
  return type(header) == 'string' and #header == ${luaParts.GONE_AFTER + Envelope.TIME_BYTES - 1}
    and string.sub(header, 1, 2) == '${luaParts.FORM}' and readTime(header, ${luaParts.GONE_AFTER}) <= nowMillis
end
local deleted, missing = { ARGV[4] }, { ARGV[5] }
local count, failure = 0, nil
for i = 1, #KEYS do
  local isEmpty = struct and isGone(KEYS[i])
  local reply = redis.pcall('UNLINK', KEYS[i])
  local refused = failureOf(reply)
  if refused then
    failure = failure or refused
  elseif reply == 1 and not isEmpty then
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
 * Gives an entry that is there new deadlines, as far apart as they are. Its tags and a lease beside it stay as they are.
 *
 * ARGV from 4: message without keys; TTL in ms; until when it is fresh then, in ms. Returns 1, 0 for no entry (one of a layout that
 * we do not know is none), and nil for something else.
 */
export const expire = lua(`${luaParts.BEGIN}${luaParts.LEASE}${luaTags.TAGS}${luaTags.INDEX}
local entry, stored = headOf(KEYS[1])
local failure = failureOf(stored)
if failure then return failure end
if stored == '' then return 0 end
if string.byte(stored) ~= ${Envelope.MAGIC} then return false end
if not entry or not entry.isThere then return 0 end
local grace, freshUntil = entry.goneAfter - entry.freshUntil, tonumber(ARGV[6])
local life = math.max(ARGV[5] + grace, (entry.leaseEnd or 0) - nowMillis)
local goneAfter = math.max(nowMillis + life, freshUntil + grace)
failure = index(KEYS[1], entry.tags, goneAfter) or index(KEYS[1], entry.leaseTags, goneAfter)
if failure then return failure end
redis.call('SETRANGE', KEYS[1], ${Envelope.DEADLINES_OFFSET}, writeTime(freshUntil) .. writeTime(freshUntil + grace))
redis.call('PEXPIRE', KEYS[1], life)
local message = { ARGV[4] }
append(message, KEYS[1])
announce(message)
return 1
`)

/**
 * Adds to an integer, which is written as decimal digits, between two marks (MessagePack) or without (JSON). It keeps its tags.
 *
 * ARGV from 4: message without keys; TTL in ms, and the envelope without payload, of a new entry; the mark; what to add.
 * Returns the sum as text, nil over anything else and beyond 2^53 - 1.
 */
export const increment = lua(`${luaParts.BEGIN}${luaParts.LEASE}${luaTags.TAGS}${luaParts.STAMP}
local deadlines, mark, value = string.sub(ARGV[6], ${Envelope.DEADLINES_OFFSET + 1}, ${Envelope.VERSION_OFFSET}), ARGV[7], 0
local stored = redis.call('GET', KEYS[1])
local entry = wholeOf(stored)
if stored and not entry then return false end
local isThere = entry and entry.isThere
local flags, tags = 0, ''
if isThere then
  if entry.isTagged then flags, tags = ${Envelope.FLAGS.tags}, string.sub(stored, entry.tagsAt, entry.payloadAt - 1) end
  deadlines = string.sub(stored, ${Envelope.DEADLINES_OFFSET + 1}, ${Envelope.VERSION_OFFSET})
  local digits = string.sub(stored, entry.payloadAt)
  if string.sub(digits, 1, #mark) == mark and string.sub(digits, -#mark) == mark then
    digits = string.sub(digits, #mark + 1, -#mark - 1)
  else
    mark = ''
  end
  if digits ~= '0' and not string.match(digits, '^%-?[1-9]%d*$') then return false end
  value = tonumber(digits)
end
local sum = value + tonumber(ARGV[8])
if math.abs(value) > 9007199254740991 or math.abs(sum) > 9007199254740991 then return false end
local text = string.format('%.0f', sum)
local counted = '${luaParts.FORM}' .. string.char(flags) .. deadlines .. versionAfter(stored) .. tags .. mark .. text .. mark
if not isThere then
  redis.call('SET', KEYS[1], counted, 'PX', ARGV[5])
elseif entry.leaseEnd then
  redis.call('SET', KEYS[1], counted, 'PX', lifeUntil(entry.goneAfter))
else
  redis.call('SET', KEYS[1], counted, 'KEEPTTL')
end
local message = { ARGV[4] }
append(message, KEYS[1])
announce(message)
return text
`)
