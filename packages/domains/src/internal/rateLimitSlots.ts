/**
 * The slots of a concurrency limit: who holds one, and when their leases end by the store's clock. In Redis a sorted set.
 *
 * To take a slot that one holds already renews it, so a command that is sent twice takes one slot. A slot that lapsed although
 * its holder goes on is taken back at the next renewal, even beyond the limit: what runs, counts. A lease that ends
 * later than a new one would comes from a clock that was set back, and is cut.
 */
import { Script } from "@tiercache/core"
import type * as RateLimit from "../RateLimit.ts"
import { BLOCKED, DENIED, GRANTED, type Outcome, type Reply, shareOf, type State } from "./rateLimitAlgorithm.ts"
import { FIND_BLOCK, NOW } from "./rateLimitLua.ts"
import { blockIn, misshapen, TYPE } from "./rateLimitScript.ts"

export interface Args {
  readonly action: "take" | "renew" | "leave" | "look"
  readonly owner: string
  readonly allowed: number
  readonly leaseMicros: number
}

/** Answers with how it was decided, how many slots are taken, and when the first and the last of their leases end. */
export const script = Script.make<State, Args, Reply>({
  name: "rate limit slots",
  type: TYPE,
  lua: `${NOW}
local key, action, owner = KEYS[1], ARGV[1], ARGV[2]
local allowed, lease = tonumber(ARGV[3]), tonumber(ARGV[4])
local inside = string.format('(%.0f', now)
local count = redis.pcall('ZCOUNT', key, inside, '+inf')
if type(count) ~= 'number' then
  local other = redis.pcall('GET', key)
  ${FIND_BLOCK}
  if left then return { ${BLOCKED}, left } end
  if action == 'take' or action == 'renew' then redis.call('DEL', key) end
  count = 0
elseif action ~= 'look' then
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
end
local function edge(command, from, to)
  local found = count > 0 and redis.call(command, key, from, to, 'WITHSCORES', 'LIMIT', 0, 1)
  return found and tonumber(found[2]) - now or 0
end
local granted = true
if action ~= 'look' then
  if count > 0 then
    if edge('ZREVRANGEBYSCORE', '+inf', inside) > lease then
      local late = redis.call('ZRANGEBYSCORE', key, string.format('(%.0f', now + lease), '+inf')
      for _, holder in ipairs(late) do redis.call('ZADD', key, now + lease, holder) end
    end
    if redis.call('ZREM', key, owner) == 1 then
      count = count - 1
      if action == 'take' then action = 'renew' end
    end
  end
  granted = action ~= 'take' or count < allowed
  if granted and action ~= 'leave' then
    redis.call('ZADD', key, now + lease, owner)
    count = count + 1
  end
end
local first, last = edge('ZRANGEBYSCORE', inside, '+inf'), edge('ZREVRANGEBYSCORE', '+inf', inside)
if action ~= 'look' and last > 0 then redis.call('PEXPIRE', key, math.ceil(last / 1000)) end
return { granted and ${GRANTED} or ${DENIED}, count, math.min(first, lease), math.min(last, lease) }
`,
  args: ({ action, allowed, leaseMicros, owner }) => [action, owner, allowed, leaseMicros],
  reply: (raw) => {
    if (Array.isArray(raw) && raw.length >= 2 && raw.every((part) => Number.isSafeInteger(part))) return raw
    throw misshapen()
  },
  reducer: (slots, { action, allowed, leaseMicros, owner }, now) => {
    const state = slots.get(0)
    const blocked = blockIn(state, slots, 0, now)
    if (blocked !== undefined) return blocked
    const held = typeof state === "object" && state.kind === "concurrency" ? state.ends : undefined
    const ends = new Map<string, number>()
    for (const [holder, end] of held ?? []) {
      if (end > now) ends.set(holder, Math.min(end, now + leaseMicros))
    }
    let isGranted = true
    if (action !== "look") {
      const isHolder = ends.delete(owner)
      isGranted = action !== "take" || isHolder || ends.size < allowed
      if (isGranted && action !== "leave") ends.set(owner, now + leaseMicros)
    }
    const times = [...ends.values()].map((end) => end - now)
    const first = times.length === 0 ? 0 : Math.min(...times)
    const last = Math.max(0, ...times)
    if (action !== "look") {
      if (last > 0) slots.set(0, { kind: "concurrency", ends }, Math.ceil(last / 1000))
      else if (held !== undefined) slots.delete(0)
    }
    return [isGranted ? GRANTED : DENIED, ends.size, first, last]
  }
})

export const outcome = (
  policy: RateLimit.Concurrency,
  share: number,
  action: Args["action"],
  reply: Reply
): Outcome => {
  const [status, taken = 0, first = 0, last = 0] = reply
  if (status === BLOCKED) return { isAllowed: false, remaining: 0, retry: taken, delay: 0, next: taken, reset: taken }
  const remaining = Math.max(0, shareOf(policy.limit, share) - taken)
  const isAllowed = action === "look" ? remaining > 0 : status === GRANTED
  return { isAllowed, remaining, retry: isAllowed ? 0 : first, delay: 0, next: first, reset: last }
}
