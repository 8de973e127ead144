/**
 * The token bucket of Effect's `RateLimiterStore`: tokens come back whole, one at the end of each interval, and intervals follow
 * each other without a gap until the bucket is full. A full bucket is not kept.
 */
import { Script } from "@tiercache/core"
import { keptAt, numbers, PRELUDE, type State, TYPE } from "./storeState.ts"

export interface Args {
  readonly tokens: number
  readonly limit: number
  readonly refillMillis: number
  /** Whether tokens may be owed. */
  readonly allowOverflow: boolean
}

/** What remains, below zero if that was too much, and the milliseconds since the interval began. */
export type Reply = readonly [remaining: number, elapsedMillis: number]

/** Keeps the tokens, and the time since the interval began. */
export const tokenBucket = Script.make<State, Args, Reply>({
  name: "rate limiter store: token bucket",
  type: TYPE,
  lua: `${PRELUDE}
local key, tokens, limit, refill = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local state, passed, setBack = stateAt(key, 3)
local held, elapsed = limit, 0
if state then
  elapsed = state[2] + passed
  local refilled = math.floor(elapsed / refill)
  held = math.min(limit, state[1] + refilled)
  elapsed = held < limit and math.max(0, elapsed - refilled * refill) or 0
end
local remaining = held - tokens
local taken = remaining >= 0 or ARGV[4] == '1'
if taken then held = remaining end
if taken and tokens > 0 or setBack then keep(key, math.ceil(limit - held) * refill - elapsed, held, elapsed) end
return { text(remaining), text(elapsed) }
`,
  args: ({ allowOverflow, limit, refillMillis, tokens }) => [tokens, limit, refillMillis, allowOverflow ? 1 : 0],
  reply: (raw) => {
    const [remaining = 0, elapsed = 0] = numbers(raw, 2)
    return [remaining, elapsed]
  },
  reducer: (slots, { allowOverflow, limit, refillMillis, tokens }, now) => {
    const { isSetBack, keep, passed, state } = keptAt(slots, now)
    let held = limit
    let elapsed = 0
    if (state !== undefined) {
      const [before = limit, began = 0] = state
      elapsed = began + passed
      const refilled = Math.floor(elapsed / refillMillis)
      held = Math.min(limit, before + refilled)
      elapsed = held < limit ? Math.max(0, elapsed - refilled * refillMillis) : 0
    }
    const remaining = held - tokens
    const isTaken = remaining >= 0 || allowOverflow
    if (isTaken) held = remaining
    if ((isTaken && tokens > 0) || isSetBack) {
      keep(Math.ceil(limit - held) * refillMillis - elapsed, held, elapsed)
    }
    return [remaining, elapsed]
  }
})
