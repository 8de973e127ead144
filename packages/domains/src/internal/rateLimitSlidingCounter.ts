/**
 * Counts of the current and of the previous window, and the number of the current one, since 1970.
 *
 * What is used up is count + previous · (window - into) / window, `into` being how far the current window has got, in milliseconds. Compared
 * are products with the window, so that no fraction is ever rounded.
 */
import type * as RateLimit from "../RateLimit.ts"
import { type Algorithm, DENIED, GRANTED, isAllowed, shareOf } from "./rateLimitAlgorithm.ts"
import { longText, text } from "./rateLimitLua.ts"

export const slidingCounter: Algorithm<RateLimit.SlidingCounter> = {
  // ARGV: the window; the limit; what this call may use of it; how much to count; 1 to force it
  lua: {
    read: `
local found = redis.pcall('GET', key)
local last, count, previous
if type(found) == 'string' then last, count, previous = string.match(found, '^(%d+):(%d+):(%d+)$') end
local other = not last and found
`,
    decide: `
local window, limit, allowed = ARGV[at] + 0, ARGV[at + 1] + 0, ARGV[at + 2] + 0
local amount, forced = ARGV[at + 3] + 0, ARGV[at + 4] == '1'
local ms = (now - now % 1000) / 1000
local into = ms % window
local index = (ms - into) / window
local changed = false
if last then
  last, count, previous = last + 0, math.min(count, limit), math.min(previous, limit)
  changed = last > index
  if index == last + 1 then count, previous = 0, count elseif index > last then count, previous = 0, 0 end
else
  count, previous = 0, 0
end
local used = count * window + previous * (window - into)
local granted = amount <= 0 or forced or used + amount * window <= allowed * window
`,
    count: `
if take and granted then
  count = math.min(count + amount, limit)
  if count < 0 then count, previous = 0, math.max(0, previous + count) end
  changed = true
end
if changed and amount ~= 0 then
  if count + previous > 0 then
    local ttl = (count > 0 and 2 * window or window) - into
    local kept = ${longText("index")} .. ':' .. ${text("count")} .. ':' .. ${text("previous")}
    redis.call('SET', key, kept, 'PX', ${text("ttl")})
  else
    redis.call('DEL', key)
  end
end
`,
    reply: `{ granted and ${GRANTED} or ${DENIED}, count, previous, into * 1000 + now % 1000 }`
  },
  args: (policy, { amount, kind, share }) => [
    policy.windowMicros / 1000,
    policy.limit,
    shareOf(policy.limit, share),
    amount,
    kind === "increment" ? 1 : 0
  ],
  step: (state, slots, at, [window = 0, limit = 0, allowed = 0, amount = 0, forced], now) => {
    const ms = Math.floor(now / 1000)
    const into = ms % window
    const index = (ms - into) / window
    const kept = typeof state === "object" && state.kind === "slidingCounter" ? state : { count: 0, previous: 0, index }
    let [count, previous] = [Math.min(kept.count, limit), Math.min(kept.previous, limit)]
    let isChanged = kept.index > index
    if (index === kept.index + 1) [count, previous] = [0, count]
    else if (index > kept.index) [count, previous] = [0, 0]
    const used = count * window + previous * (window - into)
    const isGranted = amount <= 0 || forced === 1 || used + amount * window <= allowed * window
    return {
      isGranted,
      finish: (take) => {
        if (take && isGranted) {
          count = Math.min(count + amount, limit)
          if (count < 0) [count, previous] = [0, Math.max(0, previous + count)]
          isChanged = true
        }
        if (isChanged && amount !== 0) {
          const ttl = (count > 0 ? 2 * window : window) - into
          if (count + previous > 0) slots.set(at, { kind: "slidingCounter", index, count, previous }, ttl)
          else slots.delete(at)
        }
        return [isGranted ? GRANTED : DENIED, count, previous, into * 1000 + (now % 1000)]
      }
    }
  },
  outcome: (policy, ask, [status, count = 0, previous = 0, intoMicros = 0]) => {
    const window = policy.windowMicros / 1000
    const allowed = shareOf(policy.limit, ask.share)
    const into = Math.floor(intoMicros / 1000)
    const free = allowed * window - count * window - previous * (window - into)
    const remaining = Math.max(0, Math.floor(free / window))
    /** When so many units pass, in microseconds from now. */
    const wait = (units: number): number => {
      if (units * window <= free) return 0
      // previous · (window - x) + (count + units) · window <= allowed · window, for the least x
      const share = previous === 0 ? 0 : Math.floor(((allowed - count - units) * window) / previous)
      if (share > 0) return (window - share) * 1000 - intoMicros
      // in the next window, where today's count is the previous one
      const later = count === 0 ? window : Math.floor(((allowed - units) * window) / count)
      return (2 * window - Math.min(window, later)) * 1000 - intoMicros
    }
    const retry = wait(ask.cost)
    const isGranted = isAllowed(ask, status, retry)
    const windowsLeft = count > 0 ? 2 : previous > 0 ? 1 : 0
    return {
      isAllowed: isGranted,
      remaining,
      retry: isGranted ? 0 : retry,
      delay: 0,
      next: remaining >= allowed ? 0 : wait(remaining + 1),
      reset: Math.max(0, windowsLeft * policy.windowMicros - intoMicros)
    }
  }
}
