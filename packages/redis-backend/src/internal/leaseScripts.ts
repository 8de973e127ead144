/**
 * The Lua scripts for leases. See `Lease` in core for what they mean, and `Envelope` for how a lease lies beside a value.
 */
import { Envelope } from "@tiercache/core"
import * as luaParts from "./luaParts.ts"
import * as luaTags from "./luaTags.ts"
import { lua } from "./scripts.ts"

const { absent, awaited, lease, leaseOnly, leaseTags, tags } = Envelope.FLAGS

/** What the scripts for leases begin with. */
const BEGIN = `${luaParts.BEGIN}${luaParts.LEASE}${luaTags.TAGS}`

/** Builds an entry from the old one, of which it takes all but the flags and the lease. No end: no lease; no entry: a lease alone. */
export const REBUILD = `
local function withLength(block)
  if block == '' then return '' end
  return string.char(math.floor(#block / 256), #block % 256) .. block
end
local function rebuilt(stored, entry, leaseEnd, token, isAwaited, leaseTags)
  local flags = ${leaseOnly}
  if entry then flags = (entry.isAbsent and ${absent} or 0) + (entry.isTagged and ${tags} or 0) end
  if leaseEnd then flags = flags + ${lease} + (isAwaited and ${awaited} or 0) + (leaseTags ~= '' and ${leaseTags} or 0) end
  return table.concat({
    '${luaParts.FORM}', string.char(flags),
    entry and string.sub(stored, ${Envelope.DEADLINES_OFFSET + 1}, ${Envelope.HEADER_BYTES}) or string.rep('\\0', ${Envelope.HEADER_BYTES - Envelope.DEADLINES_OFFSET}),
    leaseEnd and writeTime(leaseEnd) .. string.char(#token) .. token .. withLength(leaseTags) or '',
    entry and string.sub(stored, entry.tagsAt) or ''
  })
end
`

/** How each answer of `take` begins. */
export const TAKEN = { hit: "h", granted: "g", held: "w", failed: "f" } as const

/** When `take` takes a lease: where nothing is fresh; in any case; or where the caller could not read what is there, and need not see it again. */
export type When = "stale" | "always" | "unread"

/**
 * What is done about one key of which the bytes were read: its answer, or a failure. A lease of the same token is not in the way: who asks
 * has asked before, and the answer was lost. Needs `TAGS`, `index` and `REBUILD`.
 */
export const TAKE_ONE = `
local function takeOne(key, stored, tags, token, millis, when)
  local entry = wholeOf(stored)
  local answer, reply = { '${TAKEN.granted}', 0, '', when ~= 'unread' and stored }, nil
  if entry and entry.isFresh and when == 'stale' then
    answer[1] = '${TAKEN.hit}'
  elseif entry and entry.leaseEnd and entry.leaseEnd > nowMillis and entry.token ~= token then
    answer[1] = entry.token == '' and '${TAKEN.failed}' or '${TAKEN.held}'
    answer[2] = entry.leaseEnd - nowMillis
    answer[3] = entry.token
    if entry.token ~= '' and not entry.isAwaited then
      reply = redis.pcall('SETRANGE', key, 2, string.char(entry.flags + ${awaited}))
    end
  else
    local leaseEnd, kept = nowMillis + millis, hasValue(entry) and entry or nil
    local goneAfter = math.max(leaseEnd, kept and kept.goneAfter or 0)
    reply = index(key, tags, goneAfter)
    if not reply then
      local taken = rebuilt(stored, kept, leaseEnd, token, entry and entry.isAwaited, tags)
      reply = redis.pcall('SET', key, taken, 'PX', lifeUntil(goneAfter))
    end
  end
  return answer, failureOf(reply)
end
`

/**
 * Reads entries, or takes the lease on them.
 *
 * ARGV from 4: token; for how long, in ms; when, see above; for each key the tags of its lease. Returns for each key how it begins;
 * for how long what is in the way lasts, in ms; the token of who has the lease; the bytes that were there. All are read before
 * anything is taken, so that one that is no text fails the script without a trace.
 */
export const take = lua(
  `${BEGIN}${luaTags.INDEX}${REBUILD}${TAKE_ONE}
local found, answers = {}, {}
for i = 1, #KEYS do
  found[i] = redis.pcall('GET', KEYS[i])
  local failure = failureOf(found[i])
  if failure then return failure end
end
local apart = areApart(function(i) return ARGV[i + 6] end)
if apart then return apart end
for i = 1, #KEYS do
  local failure
  answers[i], failure = takeOne(KEYS[i], found[i], ARGV[i + 6], ARGV[4], tonumber(ARGV[5]), ARGV[6])
  if failure then return failure end
end
return answers
`,
  true
)

/**
 * The entry on which somebody has the lease. A key may outlive what it was kept for by as long as its script ran: its TTL counts from when it
 * is set, not from the time that the script read. The indexes of its tags may have forgotten it by then, so that it must not be filled.
 */
export const READ_HELD = `
local function heldOf(key, token)
  local entry, stored = headOf(key)
  if entry and entry.leaseEnd and entry.token == token and nowMillis <= math.max(entry.leaseEnd, entry.goneAfter) then
    return entry, stored
  end
end
`

/**
 * Writes where the lease still is.
 *
 * ARGV from 4: message without keys of entries that were there before; the same to push them with, or nothing; the message to those
 * who wait for an entry that was not; token; then for each key how long it is kept in ms, and its envelope. Returns
 * for each key 1 or 0; a refusal ends it.
 */
export const fill = lua(`${BEGIN}${luaTags.INDEX}${luaParts.WRITE}${READ_HELD}
local released, filled, failure = { ARGV[6] }, {}, nil
local apart = areApart(function(i) return tagsWritten(ARGV[2 * i + 7]) end)
if apart then return apart end
for i = 1, #KEYS do
  local key, millis, entry = KEYS[i], ARGV[2 * i + 6], ARGV[2 * i + 7]
  local held, stored = heldOf(key, ARGV[7])
  filled[i] = 0
  if held then
    local isWritten, version
    failure = indexWritten(key, entry, millis)
    if not failure then isWritten, failure, version = write(key, entry, millis, versionAfter(stored), '') end
    if isWritten then
      filled[i] = 1
      if not held.isEmpty then
        tellOf(key, entry, version)
      elseif held.isAwaited then
        append(released, key)
      end
    end
  end
  if failure then break end
end
announce(pushed)
announce(keyOnly)
announce(released)
return failure or filled
`)

/** Moves the end of leases. ARGV from 4: token; for how long from now, in ms. Returns for each key 1 or 0; a refusal ends it. */
export const renew = lua(`${BEGIN}${luaTags.INDEX}${READ_HELD}
local renewed, leaseEnd = {}, nowMillis + tonumber(ARGV[5])
for i = 1, #KEYS do
  local key = KEYS[i]
  local held = heldOf(key, ARGV[4])
  renewed[i] = 0
  if held then
    local goneAfter = math.max(leaseEnd, held.goneAfter)
    local failure = index(key, held.leaseTags, goneAfter)
    if failure then return failure end
    redis.call('SETRANGE', key, ${Envelope.HEADER_BYTES}, writeTime(leaseEnd))
    redis.call('PEXPIRE', key, lifeUntil(goneAfter))
    renewed[i] = 1
  end
end
return renewed
`)

/**
 * Ends leases, and tells those who wait. What was there before is there again as it was. While nobody is to try again, the tags of the
 * lease remain.
 *
 * ARGV from 4: message without keys; token; for how long nobody is to try again, in ms, or 0. Returns nothing, or a refusal, which
 * ends it.
 */
export const release = lua(`${BEGIN}${luaTags.INDEX}${READ_HELD}${REBUILD}
local ended, failure = { ARGV[4] }, nil
local leaseEnd = tonumber(ARGV[6]) > 0 and nowMillis + tonumber(ARGV[6])
for i = 1, #KEYS do
  local key = KEYS[i]
  local held = heldOf(key, ARGV[5])
  if held then
    local reply
    local kept = hasValue(held) and held or nil
    local goneAfter = math.max(leaseEnd or 0, kept and kept.goneAfter or 0)
    if leaseEnd then
      failure = index(key, held.leaseTags, goneAfter)
      if failure then break end
    end
    if kept or leaseEnd then
      local stored = redis.pcall('GET', key)
      failure = failureOf(stored)
      if failure then break end
      reply = redis.pcall('SET', key, rebuilt(stored, kept, leaseEnd, '', false, held.leaseTags), 'PX', lifeUntil(goneAfter))
    else
      reply = redis.pcall('UNLINK', key)
    end
    failure = failureOf(reply)
    if failure then break end
    if held.isAwaited then append(ended, key) end
  end
end
announce(ended)
return failure
`)
