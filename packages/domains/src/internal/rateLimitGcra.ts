/**
 * The generic cell rate algorithm in its virtual scheduling form (ITU-T I.371, annex A).
 *
 * One number is kept: the theoretical arrival time, in microseconds, at which the units that passed would be over if they had
 * come one `spacing` after the other. How far it lies ahead of now is what is used up; a unit passes if it does not go further ahead
 * than the burst allows.
 *
 * A number that lies further ahead than any call could have brought it comes from a clock that was set back, or from a limit that
 * was higher. It is cut to that, and the cut is kept even by a call that is denied: otherwise nobody passes for as long as the
 * clock was set back.
 */
import type * as RateLimit from "../RateLimit.ts"
import { type Algorithm, DENIED, GRANTED, isAllowed, shareOf } from "./rateLimitAlgorithm.ts"
import { longText, text } from "./rateLimitLua.ts"

export const gcra: Algorithm<RateLimit.Gcra> = {
  // ARGV: how much is asked for, below zero to give back; how much this call may use up; the most that can be used up, if it is more
  lua: {
    read: `
local found = redis.pcall('GET', key)
local arrival = tonumber(found)
local other = not arrival and found
`,
    decide: `
local need, allowed = ARGV[at] + 0, ARGV[at + 1] + 0
local cap = size > 2 and ARGV[at + 2] + 0 or allowed
local used = arrival and arrival > now and arrival - now or 0
local changed = used > cap
if changed then used = cap end
local granted = need <= 0 or used + need <= allowed
`,
    count: `
if take and granted then
  used = used + need
  if used < 0 then used = 0 elseif used > cap then used = cap end
  changed = true
end
if changed and need ~= 0 then
  if used > 0 then
    local ttl, ends = (used + 999 - (used + 999) % 1000) / 1000, now + used
    redis.call('SET', key, ${longText("ends")}, 'PX', ${text("ttl")})
  else
    redis.call('DEL', key)
  end
end
`,
    reply: "granted and used or -1 - used"
  },
  reply: (raw) => (raw < 0 ? [DENIED, -1 - raw] : [GRANTED, raw]),
  args: (policy, { amount, kind, share, waitMicros }) => {
    const need = amount * policy.spacingMicros
    const cap = policy.windowMicros + policy.maxWaitMicros
    const allowed = kind === "increment" ? Number.MAX_SAFE_INTEGER : allowedTo(policy, share) + waitMicros
    return allowed === cap ? [need, allowed] : [need, allowed, cap]
  },
  step: (state, slots, index, [need = 0, allowed = 0, cap = allowed], now) => {
    let used = typeof state === "number" ? Math.max(0, state - now) : 0
    let isChanged = used > cap
    if (isChanged) used = cap
    const isGranted = need <= 0 || used + need <= allowed
    return {
      isGranted,
      finish: (take) => {
        if (take && isGranted) {
          used = Math.max(0, Math.min(used + need, cap))
          isChanged = true
        }
        if (isChanged && need !== 0) {
          if (used > 0) slots.set(index, now + used, Math.ceil(used / 1000))
          else slots.delete(index)
        }
        return [isGranted ? GRANTED : DENIED, used]
      }
    }
  },
  outcome: (policy, ask, [status, used = 0]) => {
    const { spacingMicros } = policy
    const allowed = allowedTo(policy, ask.share)
    const remaining = Math.max(0, Math.floor((allowed - used) / spacingMicros))
    const late = used + ask.cost * spacingMicros - allowed - ask.waitMicros
    const isGranted = isAllowed(ask, status, late)
    return {
      isAllowed: isGranted,
      remaining,
      retry: isGranted ? 0 : late,
      delay: isGranted ? Math.max(0, used - allowed) : 0,
      next: used === 0 ? 0 : used - allowed + (remaining + 1) * spacingMicros,
      reset: used
    }
  }
}

const allowedTo = (policy: RateLimit.Gcra, share: number): number => shareOf(policy.limit, share) * policy.spacingMicros
