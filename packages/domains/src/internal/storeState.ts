/**
 * What the scripts behind Effect's `RateLimiterStore` share: how they keep a state under a key.
 *
 * A state is a few numbers and the moment, in microseconds of the store's clock, at which they held. Times in it are durations from
 * that moment, in milliseconds: so doubles keep their fractions, which the interface asks for, and a clock that is set back holds
 * up what runs until the next call writes it anew, instead of stretching it by as much. Both languages do the same
 * operations on the same doubles in the same order, and 17 digits carry a double without loss.
 */
import { CacheError, type Script } from "@tiercache/core"
import { Predicate } from "effect"

/** The last of its numbers is the moment. */
export type State = ReadonlyArray<number>

/** What all keys of a store hold, for `Script.type`. A key is of one algorithm. */
export const TYPE = "a state of an Effect rate limit"

/** Redis takes no TTL beyond its own integers, and 285,000 years are forever. */
const MAX_TTL_MILLIS = Number.MAX_SAFE_INTEGER

/**
 * `stateAt` reads as many numbers, and how many milliseconds ago they held, at least 0; the last result tells whether the clock
 * was set back. What has another form, or an infinite number, whoever wrote it, counts as nothing. `keep` stores numbers for so
 * many milliseconds, and deletes the key if none are left.
 */
export const PRELUDE = `
local now = tonumber(ARGV[#ARGV])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local function stateAt(key, size)
  local text = redis.pcall('GET', key)
  if type(text) ~= 'string' then return nil, 0, false end
  local state = {}
  for part in string.gmatch(text, '[^:]+') do
    local number = tonumber(part)
    if not number or number - number ~= 0 then return nil, 0, false end
    state[#state + 1] = number
  end
  if #state ~= size then return nil, 0, false end
  return state, math.max(0, now - state[size]) / 1000, now < state[size]
end
local function text(number)
  return string.format('%.17g', number)
end
local function keep(key, left, ...)
  if left <= 0 then return redis.call('DEL', key) end
  local parts = { ... }
  parts[#parts + 1] = now
  for i, number in ipairs(parts) do parts[i] = text(number) end
  local ttl = math.min(math.ceil(left), ${MAX_TTL_MILLIS})
  redis.call('SET', key, table.concat(parts, ':'), 'PX', string.format('%.0f', ttl))
end
`

/** What `stateAt` and `keep` are in Lua. */
export interface Kept {
  readonly state: State | undefined
  readonly passed: number
  readonly isSetBack: boolean
  readonly keep: (left: number, ...numbers: ReadonlyArray<number>) => void
}

export const keptAt = (slots: Script.Slots<State>, now: number): Kept => {
  const state = slots.get(0)
  const moment = state?.at(-1) ?? now
  return {
    state,
    passed: Math.max(0, now - moment) / 1000,
    isSetBack: now < moment,
    keep: (left, ...numbers) => {
      if (left <= 0) slots.delete(0)
      else slots.set(0, [...numbers, now], Math.min(Math.ceil(left), MAX_TTL_MILLIS))
    }
  }
}

/** Reads an answer of as many numbers, which are written as texts, since Redis cuts numbers to integers. */
export const numbers = (raw: unknown, size: number): ReadonlyArray<number> => {
  const answer = Array.isArray(raw) ? raw.map((part) => (Predicate.isString(part) ? Number(part) : NaN)) : []
  if (answer.length === size && answer.every(Number.isFinite)) return answer
  throw CacheError.make("run", "Decode", "the answer of a rate limit has another form")
}
