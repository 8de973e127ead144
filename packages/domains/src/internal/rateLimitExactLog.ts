/**
 * The time of each unit, newest first: in Redis a list, where a binary search finds the first that has left the window.
 *
 * A unit that is given back leaves as the oldest one, whichever it was: to forget a newer one would let others pass too early. Where
 * the clock was set back, time stands still at the newest unit until the clock is there again; if that would take more than a
 * window, the log is dropped.
 */
import type * as RateLimit from "../RateLimit.ts"
import { type Algorithm, DENIED, GRANTED, isAllowed, shareOf } from "./rateLimitAlgorithm.ts"
import { longText } from "./rateLimitLua.ts"

export const exactLog: Algorithm<RateLimit.ExactLog> = {
  // ARGV: the window in microseconds; the limit; what this call may use of it; how much to count; 1 to force it; the units asked about
  lua: {
    read: `
local length = redis.pcall('LLEN', key)
local other = type(length) ~= 'number' and redis.pcall('GET', key)
`,
    decide: `
if type(length) ~= 'number' then length = 0 end
local window, limit, allowed = ARGV[at] + 0, ARGV[at + 1] + 0, ARGV[at + 2] + 0
local amount, forced, cost = ARGV[at + 3] + 0, ARGV[at + 4] == '1', ARGV[at + 5] + 0
local newest = length > 0 and tonumber(redis.call('LINDEX', key, 0)) or 0
if newest > now + window then length = 0 end
local time = length > 0 and math.max(now, newest) or now
local function leaves(index) return tonumber(redis.call('LINDEX', key, index)) + window end
local used = length
if length > 0 and leaves(-1) <= time then
  local low, high = 0, length - 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if leaves(middle) <= time then high = middle else low = middle + 1 end
  end
  used = low
end
local granted = amount <= 0 or forced or used + amount <= allowed
`,
    count: `
if take and granted and amount ~= 0 then
  if length == 0 then redis.call('DEL', key) end
  local added, stamp = math.max(0, amount), ${longText("time")}
  for first = 1, added, 1000 do
    local stamps = {}
    for i = first, math.min(first + 999, added) do stamps[#stamps + 1] = stamp end
    redis.call('LPUSH', key, unpack(stamps))
  end
  used = math.min(math.max(0, used + amount), math.max(used, limit))
  if used > 0 then
    redis.call('LTRIM', key, 0, used - 1)
    redis.call('PEXPIRE', key, math.ceil((leaves(0) - now) / 1000))
  else
    redis.call('DEL', key)
  end
end
local over = used + cost > allowed
`,
    reply: `{
  granted and ${GRANTED} or ${DENIED},
  used,
  over and leaves(allowed - cost) - now or 0,
  used > 0 and leaves(math.min(used, allowed) - 1) - now or 0,
  used > 0 and leaves(0) - now or 0
}`
  },
  args: (policy, { amount, cost, kind, share }) => [
    policy.windowMicros,
    policy.limit,
    shareOf(policy.limit, share),
    amount,
    kind === "increment" ? 1 : 0,
    cost
  ],
  step: (state, slots, index, [window = 0, limit = 0, allowed = 0, amount = 0, forced, cost = 0], now) => {
    let stamps = typeof state === "object" && state.kind === "exactLog" ? state.stamps : []
    const newest = stamps[0] ?? 0
    if (newest > now + window) stamps = []
    const time = stamps.length > 0 ? Math.max(now, newest) : now
    let used = countInside(stamps, time - window)
    const isGranted = amount <= 0 || forced === 1 || used + amount <= allowed
    return {
      isGranted,
      finish: (take) => {
        if (take && isGranted && amount !== 0) {
          const added = Math.max(0, amount)
          used = Math.min(Math.max(0, used + amount), Math.max(used, limit))
          stamps = Array<number>(added)
            .fill(time)
            .concat(stamps.slice(0, used - added))
          const leaves = (stamps[0] ?? 0) + window
          // frozen already, so that the store need not look at each number
          const log = Object.freeze({ kind: "exactLog" as const, stamps })
          if (used > 0) slots.set(index, log, Math.ceil((leaves - now) / 1000))
          else slots.delete(index)
        }
        const untilGone = (index: number) => (stamps[index] ?? NaN) + window - now
        return [
          isGranted ? GRANTED : DENIED,
          used,
          used + cost > allowed ? untilGone(allowed - cost) : 0,
          used > 0 ? untilGone(Math.min(used, allowed) - 1) : 0,
          used > 0 ? untilGone(0) : 0
        ]
      }
    }
  },
  outcome: (policy, ask, [status, used = 0, retry = 0, next = 0, reset = 0]) => {
    const isGranted = isAllowed(ask, status, retry)
    return {
      isAllowed: isGranted,
      remaining: Math.max(0, shareOf(policy.limit, ask.share) - used),
      retry: isGranted ? 0 : retry,
      delay: 0,
      next,
      reset
    }
  }
}

/** How many, of times that fall, are later than a time. */
const countInside = (stamps: ReadonlyArray<number>, time: number): number => {
  let low = 0
  let high = stamps.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((stamps[middle] ?? 0) <= time) high = middle
    else low = middle + 1
  }
  return low
}
