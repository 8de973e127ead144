/**
 * The fixed window of Effect's `RateLimiterStore`: each token makes the window longer by the time that refills one, and the count
 * is forgotten when it ends. So it is not the `fixedWindow` of `RateLimit`, whose windows have one length.
 */
import { Script } from "@tiercache/core"
import { keptAt, numbers, PRELUDE, type State, TYPE } from "./storeState.ts"

export interface Args {
  readonly tokens: number
  readonly refillMillis: number
  /** Without one, all is counted. */
  readonly limit: number | undefined
}

/** The count with these tokens, whether they were counted or not, and the milliseconds until the window ends. */
export type Reply = readonly [count: number, leftMillis: number]

/** Keeps the count and the time left. */
export const fixedWindow = Script.make<State, Args, Reply>({
  name: "rate limiter store: fixed window",
  type: TYPE,
  lua: `${PRELUDE}
local key, tokens, refill, limit = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local state, passed, setBack = stateAt(key, 3)
local count, left = 0, 0
if state and state[2] > passed then count, left = state[1], state[2] - passed end
if limit and count + tokens > limit then
  if setBack then keep(key, left, count, left) end
  return { text(count + tokens), text(left) }
end
count, left = count + tokens, left + refill * tokens
if tokens > 0 or setBack then keep(key, left, count, left) end
return { text(count), text(left) }
`,
  args: ({ limit, refillMillis, tokens }) => [tokens, refillMillis, limit ?? ""],
  reply: (raw) => {
    const [count = 0, left = 0] = numbers(raw, 2)
    return [count, left]
  },
  reducer: (slots, { limit, refillMillis, tokens }, now) => {
    const { isSetBack, keep, passed, state } = keptAt(slots, now)
    let [count = 0, left = 0] = state ?? []
    left = Math.max(0, left - passed)
    if (left === 0) count = 0
    if (limit !== undefined && count + tokens > limit) {
      if (isSetBack) keep(left, count, left)
      return [count + tokens, left]
    }
    count += tokens
    left += refillMillis * tokens
    if (tokens > 0 || isSetBack) keep(left, count, left)
    return [count, left]
  }
})
