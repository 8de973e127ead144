/**
 * The atomic steps of locks and semaphores: ask, renew, release.
 *
 * All that belongs to a name is in one key, so there is no question of slots on Redis Cluster: a hash of the last fence, the
 * holders and the queue, as in `lockState`, which is also what the reducers work with.
 */
import { CacheError, Script } from "@tiercache/core"
import * as Lua from "./lockLua.ts"
import * as State from "./lockState.ts"

/** What the keys hold. */
export const TYPE = "tiercache-permits"

export interface Ask {
  /** Unique to one acquisition, so that a command that is sent twice acquires once. */
  readonly owner: string
  readonly permits: number
  /** How many permits there are. */
  readonly limit: number
  readonly ttlMillis: number
  /** From an earlier answer, 0 at first: keeps the place of a waiter that was taken for dead. */
  readonly ticket: number
  /** Whether to be put into the queue if there is nothing to be had. */
  readonly waits: boolean
  /** Whether those who came earlier go first. */
  readonly inTurn: boolean
}

/** The permits are there, or it is not one's turn. */
export type Answer =
  | { readonly isGranted: true; readonly fence: number }
  | {
      readonly isGranted: false
      readonly ticket: number
      /** How many are before one in the queue. */
      readonly place: number
      /** When the first lease of those who hold permits ends, counted from now; 0 if nobody does. */
      readonly leaseMillis: number
    }

/** Asks for permits. Whoever holds them already, or to whom they are offered, has them for the whole TTL from now. */
export const ask = Script.make<State.State, Ask, Answer>({
  name: "tiercache-permits-ask",
  type: TYPE,
  expires: true,
  wakes: true,
  lua: `${Lua.begin(8)}${Lua.TURNS}
local me, permits, limit, ttl = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ticket, waits, inTurn = tonumber(ARGV[5]), ARGV[6] == '1', ARGV[7] == '1'
local lapsed = #where(holders, function(holder) return holder.fence == 0 and holder.ends <= now end) > 0
bury(me)
local function isMine(each) return each.owner == me end
local mine, offered, place = where(holders, isMine)[1], {}, 0
if not mine and fits(permits, limit) and (lapsed or not inTurn) then
  mine = offer(me, permits)
elseif not mine then
  if ticket == 0 then ticket = math.max(now, (queue[1] and tonumber(queue[#queue][3]) or 0) + 1) end
  local behind = #queue + 1
  while queue[behind - 1] and tonumber(queue[behind - 1][3]) > ticket do behind = behind - 1 end
  local untilForgotten = string.format('%.0f', now + keptFor(#queue + 1))
  table.insert(queue, behind, { me, ARGV[2], string.format('%.0f', ticket), untilForgotten })
  offered = advance(limit)
  mine = where(offered, isMine)[1]
  place = math.max(0, behind - 1 - #offered)
  if not mine and not waits then table.remove(queue, behind - #offered) end
end
wakeAll(offered, me)
if mine then
  if mine.fence == 0 then
    lastFence = math.max(lastFence + 1, now)
    mine.fence = lastFence
  end
  mine.ends, mine.ttl = now + ttl * 1000, ttl
end
if mine or waits or #offered > 0 then save(true) end
if mine then return { 1, mine.fence } end
local first
for _, holder in ipairs(holders) do first = math.min(first or holder.ends, holder.ends) end
return { 0, ticket, place, math.ceil(((first or now) - now) / 1000) }
`,
  args: ({ inTurn, limit, owner, permits, ticket, ttlMillis, waits }) => [
    owner,
    permits,
    limit,
    ttlMillis,
    ticket,
    waits ? 1 : 0,
    inTurn ? 1 : 0
  ],
  reply: (raw) => {
    const [isGranted, first, place, leaseMillis] = numbersOf(raw)
    if (isGranted === 1 && first !== undefined) return { isGranted: true, fence: first }
    if (isGranted !== 0 || first === undefined || place === undefined || leaseMillis === undefined) throw unreadable()
    return { isGranted: false, ticket: first, place, leaseMillis }
  },
  reducer: (slots, { inTurn, limit, owner, permits, ticket, ttlMillis, waits }, now, wake) => {
    const stored = State.at(slots.get(0), now)
    const found = State.alive(stored, now)
    const holds = found.holders.some((holder) => holder.owner === owner)
    const others = { ...found, queue: found.queue.filter((waiter) => waiter.owner !== owner) }
    const takesFreely = State.fits(found, permits, limit) && (State.hasLapsedOffer(stored, now) || !inTurn)
    const queued = holds || takesFreely ? others : State.enqueue(others, { owner, permits, ticket }, now)
    const next = holds
      ? others
      : takesFreely
        ? State.offer(others, { owner, permits }, now)
        : State.advance(queued, limit, now)
    const offered = next.holders.slice(found.holders.length).map((holder) => holder.owner)

    const isGranted = next.holders.some((holder) => holder.owner === owner)
    const place = next.queue.findIndex((waiter) => waiter.owner === owner)
    const placed = next.queue[place]
    const left = isGranted || waits ? next : State.without(next, owner)
    wakeAll(
      wake,
      left,
      offered.filter((other) => other !== owner)
    )
    if (isGranted) {
      const lastFence = Math.max(left.fence + 1, now)
      let fence = 0
      const holders = left.holders.map((holder) => {
        if (holder.owner !== owner) return holder
        fence = holder.fence === 0 ? lastFence : holder.fence
        return { ...holder, fence, ttlMillis, ends: now + ttlMillis * 1000 }
      })
      save(slots, { ...left, holders, fence: Math.max(left.fence, fence) }, now)
      return { isGranted, fence }
    }
    if (waits || offered.length > 0) save(slots, left, now)
    const firstEnd = Math.min(...left.holders.map(({ ends }) => ends))
    return {
      isGranted,
      ticket: placed?.ticket ?? 0,
      place,
      leaseMillis: Number.isFinite(firstEnd) ? Math.ceil((firstEnd - now) / 1000) : 0
    }
  }
})

/** Lets a lease last for its TTL from now, also one whose time is over, if nobody has taken it over; whether it did. */
export const renew = Script.make<State.State, { readonly owner: string; readonly ttlMillis: number }, boolean>({
  name: "tiercache-permits-renew",
  type: TYPE,
  lua: `${Lua.begin(3)}
for _, holder in ipairs(holders) do
  if holder.owner == ARGV[1] and holder.fence > 0 then
    holder.ttl = tonumber(ARGV[2])
    holder.ends = now + holder.ttl * 1000
    save()
    return 1
  end
end
return 0
`,
  args: ({ owner, ttlMillis }) => [owner, ttlMillis],
  reply: (raw) => numbersOf([raw])[0] === 1,
  reducer: (slots, { owner, ttlMillis }, now) => {
    const stored = slots.get(0)
    const state = State.at(stored, now)
    const isMine = (holder: State.Holder) => holder.owner === owner && holder.fence > 0
    if (!state.holders.some(isMine)) return false
    const holders = state.holders.map((holder) =>
      isMine(holder) ? { ...holder, ttlMillis, ends: now + ttlMillis * 1000 } : holder
    )
    save(slots, { ...state, holders, queue: stored?.queue ?? [] }, now)
    return true
  }
})

/** What there was to release: the permits, an offer or a place in the queue, or nothing any more. */
export type Released = "held" | "waiting" | "nothing"

const RELEASED: ReadonlyArray<Released> = ["nothing", "held", "waiting"]

/** Gives up what an owner has, and offers to others what that makes free. */
export const release = Script.make<State.State, { readonly owner: string; readonly limit: number }, Released>({
  name: "tiercache-permits-release",
  type: TYPE,
  wakes: true,
  lua: `${Lua.begin(3)}${Lua.TURNS}
local me, had = ARGV[1], 0
for _, holder in ipairs(holders) do
  if holder.owner == me then had = holder.fence > 0 and 1 or 2 end
end
for _, waiter in ipairs(queue) do
  if waiter[1] == me then had = 2 end
end
if had == 0 then return 0 end
holders = where(holders, function(holder) return holder.owner ~= me end)
bury(me)
wakeAll(advance(tonumber(ARGV[2])))
save()
return had
`,
  args: ({ limit, owner }) => [owner, limit],
  reply: (raw) => {
    const released = RELEASED[numbersOf([raw])[0] ?? NaN]
    if (released === undefined) throw unreadable()
    return released
  },
  reducer: (slots, { limit, owner }, now, wake) => {
    const stored = State.at(slots.get(0), now)
    const holder = stored.holders.find((other) => other.owner === owner)
    if (holder === undefined && !stored.queue.some((waiter) => waiter.owner === owner)) return "nothing"
    const left = State.alive(State.without(stored, owner), now)
    const next = State.advance(left, limit, now)
    wakeAll(
      wake,
      next,
      next.holders.slice(left.holders.length).map((offered) => offered.owner)
    )
    save(slots, next, now)
    return holder !== undefined && holder.fence > 0 ? "held" : "waiting"
  }
})

/** The first name is of who is next, and should look if those to whom permits are offered do not come for them. */
const wakeAll = (wake: Script.Wake, { queue }: State.State, offered: ReadonlyArray<string>) => {
  if (offered.length > 0) wake([queue[0]?.owner ?? "", ...offered])
}

const save = (slots: Script.Slots<State.State>, state: State.State, now: number) =>
  slots.set(0, state, State.ttlMillis(state, now))

const numbersOf = (raw: unknown): ReadonlyArray<number> => {
  if (Array.isArray(raw) && raw.every(Number.isSafeInteger)) return raw
  throw unreadable()
}

const unreadable = () => CacheError.make("run", "Decode", "the answer of the script is not one that it gives")
