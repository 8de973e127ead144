/**
 * The adaptive state of Effect's `RateLimiterStore`: what a server that answers 429 lets one learn about its limit.
 *
 * The first 429 begins a cool-down. The first call after it begins to learn: it counts tokens until the next 429, of which follow how
 * many tokens the server accepts in what time; from then on calls are delayed to that rate. An epoch tells whether an answer
 * belongs to a call of this phase. Everything is forgotten a minute after it has lost its meaning.
 */
import { CacheError, Script } from "@tiercache/core"
import { keptAt, type Kept, numbers, PRELUDE, type State, TYPE } from "./storeState.ts"

export const COOLDOWN = 1
export const LEARNING = 2
export const LEARNED = 3

/** How long a state is kept after it has lost its meaning: answers to late calls still find it. */
const GRACE_MILLIS = 60_000

/** The longest cool-down, and the longest window that is learned: what a server asks for is not trusted beyond it. */
const MAX_MILLIS = 3_600_000

export interface Consume {
  readonly tokens: number
  readonly fallbackMillis: number
}

/** The phase is 0 if there is none. */
export type Reply = readonly [delayMillis: number, epoch: number, phase: number]

/** The numbers of a state, without its moment. */
interface Adaptive {
  readonly phase: number
  readonly epoch: number
  /** Until the cool-down ends, or, when it has learned, until all that was let through is worked off. */
  readonly wait: number
  /** Since it began to learn. */
  readonly learning: number
  readonly observed: number
  /** Tokens that the server takes in a window, and the window. */
  readonly limit: number
  readonly window: number
  /** Until the state is forgotten. */
  readonly left: number
}

const LUA = `${PRELUDE}
local key = KEYS[1]
local function load()
  local state, passed, setBack = stateAt(key, 9)
  if not state or state[8] <= passed then return nil end
  return {
    phase = state[1], epoch = state[2], wait = math.max(0, state[3] - passed), learning = state[4] + passed,
    observed = state[5], limit = state[6], window = state[7], left = state[8] - passed
  }, setBack
end
local function save(s)
  keep(key, s.left, s.phase, s.epoch, s.wait, s.learning, s.observed, s.limit, s.window, s.left)
end
local function coolDown(epoch, wait)
  local left = wait + ${GRACE_MILLIS}
  save({ phase = ${COOLDOWN}, epoch = epoch, wait = wait, learning = 0, observed = 0, limit = 0, window = 0, left = left })
end
`

const load = ({ passed, state }: Kept): Adaptive | undefined => {
  if (state === undefined) return undefined
  const [phase = 0, epoch = 0, wait = 0, learning = 0, observed = 0, limit = 0, window = 0, left = 0] = state
  if (left <= passed) return undefined
  return {
    phase,
    epoch,
    wait: Math.max(0, wait - passed),
    learning: learning + passed,
    observed,
    limit,
    window,
    left: left - passed
  }
}

const save = ({ keep }: Kept, state: Adaptive): void => {
  const { epoch, learning, left, limit, observed, phase, wait, window } = state
  keep(left, phase, epoch, wait, learning, observed, limit, window, left)
}

const coolDown = (epoch: number, wait: number): Adaptive => {
  const left = wait + GRACE_MILLIS
  return { phase: COOLDOWN, epoch, wait, learning: 0, observed: 0, limit: 0, window: 0, left }
}

/** Counts tokens, and tells how long to wait. */
export const consume = Script.make<State, Consume, Reply>({
  name: "rate limiter store: adaptive consume",
  type: TYPE,
  lua: `${LUA}
local tokens, fallback = tonumber(ARGV[1]), tonumber(ARGV[2])
local s, setBack = load()
if not s then return { '0', '0', '0' } end
local delay = 0
if s.phase == ${COOLDOWN} and s.wait > 0 then
  delay = s.wait
  if setBack then save(s) end
elseif s.phase == ${COOLDOWN} then
  s.phase, s.epoch, s.learning, s.observed, s.left = ${LEARNING}, s.epoch + 1, 0, tokens, fallback + ${GRACE_MILLIS}
  save(s)
elseif s.phase == ${LEARNING} then
  s.observed = s.observed + tokens
  save(s)
else
  local refill = s.window / s.limit
  if s.wait == 0 then s.observed = 0 end
  s.observed, s.wait = s.observed + tokens, s.wait + refill * tokens
  delay = math.max(0, math.floor((s.observed - 1) / s.limit) * s.window - (s.observed * refill - s.wait))
  save(s)
end
return { text(delay), text(s.epoch), text(s.phase) }
`,
  args: ({ fallbackMillis, tokens }) => [tokens, fallbackMillis],
  reply: (raw) => {
    const [delay = 0, epoch = 0, phase = 0] = numbers(raw, 3)
    return [delay, epoch, phase]
  },
  reducer: (slots, { fallbackMillis, tokens }, now) => {
    const kept = keptAt(slots, now)
    const state = load(kept)
    if (state === undefined) return [0, 0, 0]
    const { epoch, limit, phase, window } = state
    if (phase === COOLDOWN && state.wait > 0) {
      if (kept.isSetBack) save(kept, state)
      return [state.wait, epoch, phase]
    }
    if (phase === COOLDOWN) {
      const left = fallbackMillis + GRACE_MILLIS
      save(kept, { ...state, phase: LEARNING, epoch: epoch + 1, learning: 0, observed: tokens, left })
      return [0, epoch + 1, LEARNING]
    }
    if (phase === LEARNING) {
      save(kept, { ...state, observed: state.observed + tokens })
      return [0, epoch, phase]
    }
    const refill = window / limit
    const observed = (state.wait === 0 ? 0 : state.observed) + tokens
    const wait = state.wait + refill * tokens
    save(kept, { ...state, observed, wait })
    const delay = Math.floor((observed - 1) / limit) * window - (observed * refill - wait)
    return [Math.max(0, delay), epoch, phase]
  }
})

export interface Feedback {
  readonly epoch: number
  readonly tokens: number
  /** What the server asked for. */
  readonly retryMillis: number
}

/** Learns from a 429. */
export const feedback = Script.make<State, Feedback, void>({
  name: "rate limiter store: adaptive feedback",
  type: TYPE,
  lua: `${LUA}
local epoch, tokens, retry = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local s = load()
if not s then
  if epoch == 0 then coolDown(0, retry) end
elseif s.epoch == epoch then
  if s.phase == ${COOLDOWN} then
    coolDown(epoch, math.max(s.wait, retry))
  elseif s.phase == ${LEARNING} and s.observed > tokens then
    s.window = math.min(s.learning + retry, ${MAX_MILLIS})
    s.phase, s.epoch, s.observed, s.limit = ${LEARNED}, epoch + 1, s.observed - tokens, s.observed - tokens
    s.wait, s.left = math.max(0, s.window - s.learning), s.window + ${GRACE_MILLIS}
    save(s)
  else
    coolDown(epoch, retry)
  end
end
return 1
`,
  args: ({ epoch, retryMillis, tokens }) => [epoch, tokens, atMost(retryMillis)],
  reply: (raw) => {
    if (raw !== 1) throw CacheError.make("run", "Decode", "the answer of a rate limit has another form")
  },
  reducer: (slots, { epoch, retryMillis, tokens }, now) => {
    const kept = keptAt(slots, now)
    const state = load(kept)
    const retry = atMost(retryMillis)
    if (state === undefined) {
      if (epoch === 0) save(kept, coolDown(0, retry))
      return
    }
    if (state.epoch !== epoch) return
    if (state.phase === COOLDOWN) return save(kept, coolDown(epoch, Math.max(state.wait, retry)))
    const accepted = state.observed - tokens
    if (state.phase !== LEARNING || accepted <= 0) return save(kept, coolDown(epoch, retry))
    const window = Math.min(state.learning + retry, MAX_MILLIS)
    save(kept, {
      phase: LEARNED,
      epoch: epoch + 1,
      wait: Math.max(0, window - state.learning),
      learning: state.learning,
      observed: accepted,
      limit: accepted,
      window,
      left: window + GRACE_MILLIS
    })
  }
})

/** A cool-down lasts a millisecond at least. */
const atMost = (millis: number): number => (millis > 0 ? Math.min(millis, MAX_MILLIS) : 1)
