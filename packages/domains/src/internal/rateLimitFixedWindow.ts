/**
 * A count, and when its window ends, in milliseconds. Denied calls do not count.
 */
import type * as RateLimit from "../RateLimit.ts"
import { type Algorithm, DENIED, GRANTED, isAllowed, shareOf } from "./rateLimitAlgorithm.ts"
import { longText, text } from "./rateLimitLua.ts"

export const fixedWindow: Algorithm<RateLimit.FixedWindow> = {
  // ARGV: the window; 1 if windows are aligned to the clock; the limit; what this call may use of it; how much to count; 1 to force it
  lua: {
    read: `
local found = redis.pcall('GET', key)
local ends, count
if type(found) == 'string' then ends, count = string.match(found, '^(%d+):(%d+)$') end
local other = not ends and found
`,
    decide: `
local window, limit, allowed = ARGV[at] + 0, ARGV[at + 2] + 0, ARGV[at + 3] + 0
local amount, forced = ARGV[at + 4] + 0, ARGV[at + 5] == '1'
local ms = (now - now % 1000) / 1000
ends, count = ends and ends + 0 or 0, ends and count + 0 or 0
local changed = ends > ms + window
if ends <= ms then count = 0 end
if ends <= ms or changed then ends = ms + window - (ARGV[at + 1] == '1' and ms % window or 0) end
local granted = amount <= 0 or forced or count + amount <= allowed
`,
    count: `
if take and granted then
  count = math.max(0, math.min(count + amount, math.max(count, limit)))
  changed = true
end
if changed and amount ~= 0 then
  if count > 0 then
    local ttl = ends - ms
    redis.call('SET', key, ${longText("ends")} .. ':' .. ${text("count")}, 'PX', ${text("ttl")})
  else
    redis.call('DEL', key)
  end
end
`,
    reply: `{ granted and ${GRANTED} or ${DENIED}, count, ends * 1000 - now }`
  },
  args: (policy, { amount, kind, share }) => [
    policy.windowMicros / 1000,
    policy.isAligned ? 1 : 0,
    policy.limit,
    shareOf(policy.limit, share),
    amount,
    kind === "increment" ? 1 : 0
  ],
  step: (state, slots, index, [window = 0, aligned, limit = 0, allowed = 0, amount = 0, forced], now) => {
    let { count, ends } = typeof state === "object" && state.kind === "fixedWindow" ? state : { count: 0, ends: 0 }
    const ms = Math.floor(now / 1000)
    let isChanged = ends > ms + window
    if (ends <= ms) count = 0
    if (ends <= ms || isChanged) ends = (aligned === 1 ? ms - (ms % window) : ms) + window
    const isGranted = amount <= 0 || forced === 1 || count + amount <= allowed
    return {
      isGranted,
      finish: (take) => {
        if (take && isGranted) {
          count = Math.max(0, Math.min(count + amount, Math.max(count, limit)))
          isChanged = true
        }
        if (isChanged && amount !== 0) {
          if (count > 0) slots.set(index, { kind: "fixedWindow", ends, count }, ends - ms)
          else slots.delete(index)
        }
        return [isGranted ? GRANTED : DENIED, count, ends * 1000 - now]
      }
    }
  },
  outcome: (policy, ask, [status, count = 0, left = 0]) => {
    const allowed = shareOf(policy.limit, ask.share)
    const wait = count === 0 ? 0 : left
    const isGranted = isAllowed(ask, status, count + ask.cost - allowed)
    return {
      isAllowed: isGranted,
      remaining: Math.max(0, allowed - count),
      retry: isGranted ? 0 : wait,
      delay: 0,
      next: wait,
      reset: wait
    }
  }
}
