/**
 * The scripts of rate limits.
 *
 * A decision is one script over one key for each policy: first every policy decides, then all of them count, or none. It is made
 * once for each sequence of algorithms.
 */
import { CacheError, Script } from "@tiercache/core"
import type * as RateLimit from "../RateLimit.ts"
import {
  type Algorithm,
  type Ask,
  BLOCKED,
  type Outcome,
  type Reply,
  type Slots,
  type State,
  type Step
} from "./rateLimitAlgorithm.ts"
import { exactLog } from "./rateLimitExactLog.ts"
import { fixedWindow } from "./rateLimitFixedWindow.ts"
import { gcra } from "./rateLimitGcra.ts"
import * as Lua from "./rateLimitLua.ts"
import { slidingCounter } from "./rateLimitSlidingCounter.ts"

export type Decide = Script.Script<State, ReadonlyArray<ReadonlyArray<number>>, ReadonlyArray<Reply>>

/** What all keys of rate limits hold, for `Script.type`. */
export const TYPE = "a rate limit"

/** The reply of what is under the key at an index, if that is a block. */
export const blockIn = (state: State | undefined, slots: Slots, index: number, now: number): Reply | undefined => {
  if (typeof state !== "object" || state.kind !== "blocked" || state.ends <= now) return undefined
  const { length } = state
  const left = Math.min(state.ends - now, length)
  if (left < state.ends - now) block(slots, index, length, now)
  return [BLOCKED, left]
}

const block = (slots: Slots, index: number, length: number, now: number): void =>
  slots.set(index, { kind: "blocked", ends: now + length, length }, Math.ceil(length / 1000))

interface Known {
  readonly gcra: Algorithm<RateLimit.Gcra>
  readonly fixedWindow: Algorithm<RateLimit.FixedWindow>
  readonly slidingCounter: Algorithm<RateLimit.SlidingCounter>
  readonly exactLog: Algorithm<RateLimit.ExactLog>
}

const algorithms: Known = { gcra, fixedWindow, slidingCounter, exactLog }

/** What of a policy its script depends on. */
type Described = Pick<RateLimit.Policy, "algorithm" | "isShadow">

export const args = (policy: RateLimit.Policy, ask: Ask): ReadonlyArray<number> => {
  switch (policy.algorithm) {
    case "gcra":
      return gcra.args(policy, ask)
    case "fixedWindow":
      return fixedWindow.args(policy, ask)
    case "slidingCounter":
      return slidingCounter.args(policy, ask)
    case "exactLog":
      return exactLog.args(policy, ask)
  }
}

export const outcome = (policy: RateLimit.Policy, ask: Ask, reply: Reply): Outcome => {
  const [status, left = 0] = reply
  if (status === BLOCKED) return { isAllowed: false, remaining: 0, retry: left, delay: 0, next: left, reset: left }
  switch (policy.algorithm) {
    case "gcra":
      return gcra.outcome(policy, ask, reply)
    case "fixedWindow":
      return fixedWindow.outcome(policy, ask, reply)
    case "slidingCounter":
      return slidingCounter.outcome(policy, ask, reply)
    case "exactLog":
      return exactLog.outcome(policy, ask, reply)
  }
}

const made = new Map<string, Decide>()

const nameOf = ({ algorithm, isShadow }: RateLimit.Policy): string => (isShadow ? `${algorithm}?` : algorithm)

const named = (name: string, policies: ReadonlyArray<RateLimit.Policy>): Decide => {
  // not the policies themselves, which would be kept for as long as the script
  const script = make(
    name,
    policies.map(({ algorithm, isShadow }) => ({ algorithm, isShadow }))
  )
  made.set(name, script)
  return script
}

/** A program combines few policies in few ways, so that all its scripts are kept. */
export const decide = (policies: ReadonlyArray<RateLimit.Policy>): Decide => {
  const name = policies.map(nameOf).join(", ")
  return made.get(name) ?? named(name, policies)
}

/** As `decide`, of one policy. */
export const decideOne = (policy: RateLimit.Policy): Decide => {
  const name = nameOf(policy)
  return made.get(name) ?? named(name, [policy])
}

const make = (name: string, policies: ReadonlyArray<Described>): Decide =>
  Script.make({
    name: `rate limit: ${name}`,
    type: TYPE,
    lua: Lua.of(policies.map(({ algorithm, isShadow }) => ({ algorithm, isShadow, lua: algorithms[algorithm].lua }))),
    args: (args) => (args.length === 1 ? (args[0] ?? []) : [...args.map((each) => each.length), ...args.flat()]),
    reply: replyOf(policies),
    reducer: (slots, args, now) => {
      const [first] = policies
      if (first !== undefined && policies.length === 1) {
        const { finish, isGranted } = stepOf(first, slots, 0, args[0], now)
        return [finish(isGranted || first.isShadow)]
      }
      const steps = policies.map((policy, index) => stepOf(policy, slots, index, args[index], now))
      const take = steps.every(({ isGranted }, index) => isGranted || policies[index]?.isShadow === true)
      return steps.map(({ finish }) => finish(take))
    }
  })

const stepOf = (
  { algorithm }: Described,
  slots: Slots,
  index: number,
  args: ReadonlyArray<number> = [],
  now: number
): Step => {
  const state = slots.get(index)
  const blocked = blockIn(state, slots, index, now)
  if (blocked !== undefined) return { isGranted: false, finish: () => blocked }
  return algorithms[algorithm].step(state, slots, index, args, now)
}

const replyOf = (policies: ReadonlyArray<Described>) => {
  const [first] = policies
  return (raw: unknown): ReadonlyArray<Reply> => {
    if (first !== undefined && policies.length === 1) return [readReply(first, raw)]
    if (Array.isArray(raw) && raw.length === policies.length) {
      return policies.map((policy, index) => readReply(policy, raw[index]))
    }
    throw misshapen()
  }
}

const readReply = ({ algorithm }: Described, raw: unknown): Reply => {
  const { reply } = algorithms[algorithm]
  if (reply !== undefined && typeof raw === "number" && Number.isSafeInteger(raw)) return reply(raw)
  if (Array.isArray(raw) && raw.length >= 2 && raw.every((part) => Number.isSafeInteger(part))) return raw
  throw misshapen()
}

export const misshapen = () => CacheError.make("run", "Decode", "the answer of a rate limit has another form")

/** Denies everything under a key for so many microseconds, and forgets what was counted there. */
export const blockFor = Script.make<State, number, void>({
  name: "rate limit block",
  type: TYPE,
  lua: `${Lua.NOW}
local key, length = KEYS[1], ARGV[1] + 0
${Lua.WRITE_BLOCK}
`,
  args: (length) => [length],
  reply: () => {},
  reducer: (slots, length, now) => block(slots, 0, length, now)
})

/** Forgets what was counted under a key, and a block; whether there was anything. */
export const reset = Script.make<State, void, boolean>({
  name: "rate limit reset",
  type: TYPE,
  lua: `return redis.call('DEL', KEYS[1])`,
  args: () => [],
  reply: (raw) => raw === 1,
  reducer: (slots) => {
    const held = slots.get(0) !== undefined
    slots.delete(0)
    return held
  }
})
