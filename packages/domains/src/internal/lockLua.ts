/**
 * What the Lua bodies of locks share: `lockState` in Lua.
 */
import * as State from "./lockState.ts"
import { luaNow } from "./luaNow.ts"

/**
 * Begins a Lua body: the holders, and how they are saved. `argument` is the one that may be the time.
 *
 * When its memory is full, Redis refuses commands that may need more, except in a script that has written already. What only
 * keeps or gives back what is there begins with one that it never refuses, since a lease must not end for want of memory.
 */
export const begin = (argument: number): string => `${luaNow(argument)}
local stored = redis.call('HMGET', KEYS[1], 'fence', 'holders', 'queue')
local lastFence, holders, queue = tonumber(stored[1] or '0'), {}, nil
for owner, permits, ends, fence, ttl in string.gmatch(stored[2] or '', '([^:,]+):(%d+):(%d+):(%d+):(%d+)') do
  holders[#holders + 1] = {
    owner = owner, permits = tonumber(permits), fence = tonumber(fence), ttl = tonumber(ttl),
    ends = math.min(tonumber(ends), now + tonumber(ttl) * 1000)
  }
end
local function write(...)
  local texts = {...}
  for i = 2, #texts do texts[i] = string.format('%.0f', texts[i]) end
  return table.concat(texts, ':')
end
local function save(asksForMore)
  local last, held, waiting = now, {}, {}
  for i, each in ipairs(holders) do
    held[i] = write(each.owner, each.permits, each.ends, each.fence, each.ttl)
    last = math.max(last, each.ends)
  end
  for i, each in ipairs(queue or {}) do waiting[i] = table.concat(each, ':') end
  local function expire()
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ${State.FENCE_KEPT_MILLIS} + math.ceil((last - now) / 1000)))
  end
  if not asksForMore then expire() end
  redis.call('HSET', KEYS[1], 'fence', string.format('%.0f', lastFence), 'holders', table.concat(held, ','))
  if queue then redis.call('HSET', KEYS[1], 'queue', table.concat(waiting, ',')) end
  if asksForMore then expire() end
end
`

/** For bodies in which somebody gets a turn: the queue, whose records stay texts (owner, permits, ticket, when it is forgotten). */
export const TURNS = `
queue = {}
for owner, permits, ticket, kept in string.gmatch(stored[3] or '', '([^:,]+):(%d+):(%d+):(%d+)') do
  queue[#queue + 1] = { owner, permits, ticket, kept }
end
local function keptFor(waiters)
  return ${State.PAUSES_UNTIL_FORGOTTEN} * (${State.PAUSE_MILLIS} + ${State.PAUSE_STEP_MILLIS} * waiters) * 1000
end
local kept = now + keptFor(#queue)
for _, waiter in ipairs(queue) do
  if tonumber(waiter[4]) > kept then waiter[4] = string.format('%.0f', kept) end
end

local function where(list, test)
  local found = {}
  for _, each in ipairs(list) do if test(each) then found[#found + 1] = each end end
  return found
end
local function bury(me)
  holders = where(holders, function(holder) return holder.ends > now end)
  queue = where(queue, function(waiter) return waiter[1] ~= me and tonumber(waiter[4]) > now end)
end
local function offer(owner, permits)
  local offered = { owner = owner, permits = permits, fence = 0, ttl = ${State.OFFER_MILLIS}, ends = now + ${State.OFFER_MILLIS} * 1000 }
  holders[#holders + 1] = offered
  return offered
end
local function fits(permits, limit)
  for _, holder in ipairs(holders) do permits = permits + holder.permits end
  return permits <= limit
end
local function advance(limit)
  local offered = {}
  while queue[1] and fits(tonumber(queue[1][2]), limit) do
    local first = table.remove(queue, 1)
    offered[#offered + 1] = offer(first[1], tonumber(first[2]))
  end
  return offered
end
local function wakeAll(offered, except)
  local names = {}
  for _, each in ipairs(offered) do if each.owner ~= except then names[#names + 1] = each.owner end end
  if #names == 0 then return end
  table.insert(names, 1, queue[1] and queue[1][1] or '')
  wake(names)
end
`
