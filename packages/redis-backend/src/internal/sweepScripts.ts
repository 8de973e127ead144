/**
 * The Lua scripts of the sweep. What they look with (PTTL, TYPE, OBJECT) counts as no use of a key, so that a look makes nothing
 * younger.
 */
import * as luaParts from "./luaParts.ts"
import { lua } from "./scripts.ts"

/** What `unlinkOrphans` answers for a key. */
export const ORPHANED = "1"
export const DELETED = "2"

/**
 * Deletes the strings that have no TTL and that nobody has used for so many seconds, and announces it. Values of caches are strings;
 * the rest is a state of scripts, or somebody else's. Where Redis does not know when a key was used (`maxmemory-policy` *-lfu) it
 * answers with an error, and none is an orphan.
 *
 * ARGV from 4: message without keys; seconds; "dry" or nothing. Returns a digit for each key, `ORPHANED`, `DELETED` or 0, in
 * one text: ioredis-mock cannot return such tables. A refusal ends it.
 */
export const unlinkOrphans = lua(`${luaParts.BEGIN}
local deleted, outcomes, failure = { ARGV[4] }, {}, nil
for i = 1, #KEYS do
  local key, outcome = KEYS[i], 0
  if redis.call('PTTL', key) == -1 and redis.call('TYPE', key).ok == 'string' then
    local idle = redis.pcall('OBJECT', 'IDLETIME', key)
    if type(idle) == 'number' and idle >= tonumber(ARGV[5]) then outcome = ${ORPHANED} end
  end
  if outcome == ${ORPHANED} and ARGV[6] == '' then
    failure = failureOf(redis.pcall('UNLINK', key))
    if failure then break end
    outcome = ${DELETED}
    append(deleted, key)
  end
  outcomes[i] = outcome
end
announce(deleted)
return failure or table.concat(outcomes)
`)

/**
 * Removes members of a tag index whose time is over. What was deleted or evicted before its time stays: when it was evicted, an L1
 * may still hold it, and hears of a deletion by tag only while the index names it.
 *
 * ARGV from 4: how many at most; "dry" or nothing, with which all are counted. Returns how many.
 */
export const trim = lua(`${luaParts.BEGIN}
local over = '(' .. string.format('%.0f', nowMillis)
if ARGV[5] ~= '' then return redis.call('ZCOUNT', KEYS[1], '-inf', over) end
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', over, 'LIMIT', 0, ARGV[4])
if dead[1] then redis.call('ZREM', KEYS[1], unpack(dead)) end
return #dead
`)
