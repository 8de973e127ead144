/**
 * What the Lua scripts do with tags.
 *
 * The index of a tag is a sorted set: its members are the keys that carry the tag, its scores when they are gone, in milliseconds of
 * Redis' clock. It is written in the step in which an entry or a lease is, and before it, since a write may be refused. So it can
 * hold too much, never too little, and who reads it asks the entries. What has ended is removed by later writes, a few at a time.
 * It has no TTL: Redis, short of memory, evicts what has one first (`volatile-*`).
 */
import { Envelope } from "@tiercache/core"
import * as luaParts from "./luaParts.ts"
import { slotOf, textsBySlot } from "./slots.ts"

/**
 * How the keys of the index begin; the tag follows. No key of a cache begins with a brace, nor does a pattern. What is in braces
 * is what decides on the slot in a cluster.
 */
const INDEX_PREFIX = "{tiercache}:tag:"

export const indexKey = (tag: string): string => `${INDEX_PREFIX}${tag}`

const textOf = textsBySlot("tiercache:")

/** The same of the index that a slot of a cluster has for itself, which lies in that slot. See `tagSlots`. */
const slotIndexPrefix = (slot: number): string => `{${textOf(slot)}}:tag:`

export const slotIndexKey = (slot: number, tag: string): string => `${slotIndexPrefix(slot)}${tag}`

/** How the keys of the index for a key begin. */
export const indexPrefixFor = (key: string | undefined, isCluster: boolean): string =>
  isCluster && key !== undefined ? slotIndexPrefix(slotOf(key)) : INDEX_PREFIX

/** Which slots of a cluster have an index of the tag. What is in the braces has a colon more than those of an index, and is none. */
export const registryKey = (tag: string): string => `{tiercache:slots:${tag}}`

/** What SCAN finds the indexes of all tags by that begin with a text, and which of the found are. */
export const indexesOf = (
  beginning: string,
  isCluster: boolean
): { readonly glob: string; readonly matches: (key: string) => boolean } => {
  if (!isCluster) {
    const all = indexKey(beginning)
    return { glob: `${all}*`, matches: (key) => key.startsWith(all) }
  }
  return {
    glob: `{tiercache:*}:tag:${beginning}*`,
    matches: (key) => key.slice(SLOT_INDEX.exec(key)?.[0].length ?? key.length).startsWith(beginning)
  }
}

const SLOT_INDEX = /^\{tiercache:[0-9a-z]+\}:tag:/

/** Who a script asks is the owner of the slot; a node to which it moves, after the one from which; one server, which has all keys. */
export const PLACES = { owner: "owner", next: "next", single: "" } as const

/** Dead members that a script removes from an index for each of its keys. More than one, so that the dead become fewer. */
const TRIMMED_PER_KEY = 2

/** Dead members that a script removes at most, which takes Redis 2 ms. */
const TRIMMED_PER_SCRIPT = 2000

/** Where the tags of an entry end at the latest, and its lease. */
const LAST_OF_TAGS = luaParts.LAST_OF_LEASE + 2 * (Envelope.TAGS_LENGTH_BYTES + 0xffff)

/** What is read of an entry to see its lease and its tags; few have so many that it takes more. */
const FIRST_READ_BYTES = 1024

/**
 * Reads all of an entry but its payload: `leaseTags` and `tags` as they lie in it, empty for none; `tagsAt`, from where on it is the
 * entry's own, and `payloadAt`. Nothing for tags that are cut off. Needs `LEASE`.
 *
 * `headOf` reads an entry from its key; its second result are the bytes, or a failure.
 */
export const TAGS = `
local function blockAt(text, at)
  local high, low = string.byte(text, at, at + 1)
  if not low then return nil end
  local nextAt = at + ${Envelope.TAGS_LENGTH_BYTES} + high * 256 + low
  if nextAt > #text + 1 then return nil end
  return string.sub(text, at + ${Envelope.TAGS_LENGTH_BYTES}, nextAt - 1), nextAt
end
local function wholeOf(text)
  local entry = leaseOf(text)
  if not entry then return nil end
  entry.leaseTags, entry.tags, entry.tagsAt = '', '', entry.leaseTagsAt
  if entry.hasLeaseTags then entry.leaseTags, entry.tagsAt = blockAt(text, entry.leaseTagsAt) end
  entry.payloadAt = entry.tagsAt
  if entry.tagsAt and entry.isTagged then entry.tags, entry.payloadAt = blockAt(text, entry.tagsAt) end
  if entry.payloadAt then return entry end
end
local function headOf(key)
  local text = redis.pcall('GETRANGE', key, 0, ${FIRST_READ_BYTES - 1})
  local entry = wholeOf(text)
  if not entry and isEnvelope(text) and #text == ${FIRST_READ_BYTES} then
    text = redis.pcall('GETRANGE', key, 0, ${LAST_OF_TAGS})
    entry = wholeOf(text)
  end
  return entry, text
end
local function nextTag(block, at)
  if at > #block then return nil end
  return blockAt(block, at)
end
local function carries(block, wanted)
  local tag, at = nextTag(block, 1)
  while tag do
    if tag == wanted then return true end
    tag, at = nextTag(block, at)
  end
  return false
end
`

/**
 * Puts a key into the indexes of tags, until it is gone. An index that has the key for longer keeps it: the write that follows may be
 * refused. Returns a failure if there is one. Needs `TAGS`.
 *
 * In the millisecond in which it is over, a key is still there.
 *
 * While a slot moves, an index is on one of two nodes, and must never be on both: then neither part could be moved. A node from which the
 * slot moves refuses to begin one, since it may have had it. One to which it moves would do so: there, only what is there already is
 * written (`PLACES`). Both become TRYAGAIN, which is what a node answers whose keys are apart. `areApart` tells it before anything is
 * done for the first of several keys; `blockOf` gives the tags of each.
 */
export const INDEX = `
local place = ARGV[#ARGV - 1]
local function unlessElsewhere(failure)
  if not failure or not string.find(failure.err, 'non local key', 1, true) then return failure end
  return { err = 'TRYAGAIN the index of a tag is on another node' }
end
local function whyElsewhere(members)
  if place == '${PLACES.single}' then return nil end
  local reply = redis.pcall('EXISTS', members)
  if reply == 0 and place == '${PLACES.next}' then reply = { err = 'non local key' } end
  return unlessElsewhere(failureOf(reply))
end
local function areApart(blockOf)
  if place == '${PLACES.single}' or #KEYS == 1 then return nil end
  for i = 1, #KEYS do
    local block = blockOf(i)
    local tag, at = nextTag(block, 1)
    while tag do
      local failure = whyElsewhere(ARGV[#ARGV] .. tag)
      if failure then return failure end
      tag, at = nextTag(block, at)
    end
  end
end
local toTrim, trimmed = ${TRIMMED_PER_SCRIPT}, {}
local function trim(members)
  if trimmed[members] or toTrim == 0 then return end
  trimmed[members] = true
  local most = math.min(toTrim, ${TRIMMED_PER_KEY} * #KEYS)
  local dead = redis.call('ZRANGEBYSCORE', members, '-inf', '(' .. nowMillis, 'LIMIT', 0, most)
  if dead[1] then redis.call('ZREM', members, unpack(dead)) end
  toTrim = toTrim - #dead
end
local function index(key, block, goneAfter)
  local tag, at = nextTag(block, 1)
  while tag do
    local members = ARGV[#ARGV] .. tag
    local elsewhere = place == '${PLACES.next}' and whyElsewhere(members)
    if elsewhere then return elsewhere end
    local known = redis.pcall('ZSCORE', members, key)
    local failure = failureOf(known)
    if not failure and (not known or tonumber(known) < goneAfter) then
      failure = failureOf(redis.pcall('ZADD', members, goneAfter, key))
    end
    if failure then return unlessElsewhere(failure) end
    trim(members)
    tag, at = nextTag(block, at)
  end
end
local function tagsWritten(entry)
  return hasFlag(string.byte(entry, 3), ${Envelope.FLAGS.tags}) and blockAt(entry, ${Envelope.HEADER_BYTES + 1}) or ''
end
local function indexWritten(key, entry, millis)
  local block = tagsWritten(entry)
  if block == '' then return nil end
  local goneAfter = readTime(entry, ${Envelope.DEADLINES_OFFSET + Envelope.TIME_BYTES + 1})
  return index(key, block, math.max(nowMillis + millis, goneAfter))
end
`
