/**
 * The Lua scripts that look for tags. See `luaTags` for how the index lies in Redis.
 */
import { Envelope } from "@tiercache/core"
import * as luaParts from "./luaParts.ts"
import * as luaTags from "./luaTags.ts"
import { lua } from "./scripts.ts"

const BEGIN = `${luaParts.BEGIN}${luaParts.LEASE}${luaTags.TAGS}`

/** What `unlinkTagged` answers for a key: it was left alone; it is gone, and was no entry; it was an entry. */
export const UNTOUCHED = 0
const GONE = 1
export const DELETED = 2

/**
 * Deletes what carries a tag, and announces what was there and what is not there any more, which some L1 may still hold. All keys
 * leave the index.
 *
 * ARGV from 4: the messages for the one and the other, without keys; the tag. Returns for each key what became of it; a refusal ends
 * it. What has a layout of a later version may carry the tag, so it is deleted. While a slot moves, an index may be on another node than
 * the key, and keeps it as a dead member.
 */
export const unlinkTagged = lua(`${BEGIN}
local deleted, gone, tag = { ARGV[4] }, { ARGV[5] }, ARGV[6]
local outcomes, failure = {}, nil
for i = 1, #KEYS do
  local key, outcome = KEYS[i], ${UNTOUCHED}
  local entry, stored = headOf(key)
  local isValue = hasValue(entry)
  local isLeased = entry and entry.leaseEnd and (entry.token ~= '' or entry.leaseEnd > nowMillis)
  local isForeign = type(stored) ~= 'string' or string.byte(stored) ~= ${Envelope.MAGIC}
  local isCarried = isValue and carries(entry.tags, tag) or isLeased and carries(entry.leaseTags, tag)
  if stored == '' or entry and not isValue and not isLeased then
    outcome = ${GONE}
    append(gone, key)
  elseif isCarried or not entry and not isForeign then
    failure = failureOf(redis.pcall('UNLINK', key))
    if failure then break end
    outcome = (isValue or not entry) and ${DELETED} or ${GONE}
    append(outcome == ${DELETED} and deleted or gone, key)
  end
  outcomes[i] = outcome
  redis.pcall('ZREM', ARGV[#ARGV] .. tag, key)
end
announce(deleted)
announce(gone)
return failure or outcomes
`)

/** Finds the entries that carry a tag. ARGV from 4: the tag. Returns for each key 1 or 0. */
export const findTagged = lua(`${BEGIN}
local found = {}
for i = 1, #KEYS do
  local entry = headOf(KEYS[i])
  found[i] = hasValue(entry) and carries(entry.tags, ARGV[4]) and 1 or 0
end
return found
`)
