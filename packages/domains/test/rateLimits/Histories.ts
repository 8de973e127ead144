/**
 * Random histories of rate limits: policies over a few keys of one subject, asked in all ways, while the clock steps.
 */
import { assert } from "@effect/vitest"
import type { Script } from "@tiercache/core"
import type { Ask, Outcome, Reply, State } from "../../src/internal/rateLimitAlgorithm.ts"
import * as scripts from "../../src/internal/rateLimitScript.ts"
import * as slots from "../../src/internal/rateLimitSlots.ts"
import { askOf } from "../../src/internal/rateLimitQuestions.ts"
import * as RateLimit from "../../src/RateLimit.ts"
import type { Random } from "./Random.ts"

/** One script call. */
export interface Step<Args = unknown, Answer = unknown> {
  /** In microseconds. */
  readonly now: number
  readonly script: Script.Script<State, Args, Answer>
  /** Which of the keys of the history. */
  readonly keys: ReadonlyArray<number>
  readonly args: Args
  /** For people. */
  readonly text: string
  /** What is asked, if it is a decision. */
  readonly calls?: ReadonlyArray<Call>
}

export interface Call {
  readonly policy: RateLimit.Policy
  readonly ask: Ask
}

export type Algorithm = RateLimit.Policy["algorithm"] | "concurrency"

export const ALGORITHMS: ReadonlyArray<Algorithm> = ["gcra", "fixedWindow", "slidingCounter", "exactLog", "concurrency"]

const KEYS = 3

/** A policy of small numbers, so that limits are reached. */
export const policyOf = (random: Random, algorithm: RateLimit.Policy["algorithm"], name: string): RateLimit.Policy => {
  const limit = random.pick([1, 2, 3, 5, 7, 10, 60, 100])
  const window = { milliseconds: random.pick([50, 100, 333, 1000, 60_000]) }
  const shared = { limit, window, shadow: random.chance(0.1), priorities: { low: 0.5 } }
  switch (algorithm) {
    case "gcra": {
      const burst = random.pick([1, limit, 2 * limit])
      const maxWait = random.chance(0.5) ? undefined : { milliseconds: random.integer(1, 2000) }
      return RateLimit.gcra(name, { ...shared, period: window, burst, maxWait })
    }
    case "fixedWindow":
      return RateLimit.fixedWindow(name, { ...shared, align: random.pick(["first", "clock"]) })
    case "slidingCounter":
      return RateLimit.slidingCounter(name, shared)
    case "exactLog":
      return RateLimit.exactLog(name, shared)
  }
}

/** What a call can ask, of all kinds. */
const askAt = (random: Random, policy: RateLimit.Policy): Ask => {
  const kind = random.pick(["consume", "consume", "consume", "consume", "consume", "check", "increment", "refund"])
  const isCounting = kind === "increment" || kind === "refund"
  const priority = random.chance(0.2) ? "low" : undefined
  const most = priority === undefined ? policy.limit : Math.max(1, Math.floor(policy.limit * 0.5))
  const cost = random.pick([1, 1, 1, 1, 2, 3, 0, policy.limit, policy.limit + 1])
  const maxWait = policy.algorithm === "gcra" && kind === "consume" ? policy.maxWaitMicros : 0
  return askOf(policy, kind, { priority, cost: isCounting ? cost : Math.min(cost, most) }, random.pick([0, maxWait]))
}

/** Mostly forward: not at all, a little, about a window; now and then back. */
const stepOf = (random: Random, windowMicros: number): number => {
  if (random.chance(0.03)) return -random.integer(0, windowMicros * 2)
  return random.pick([
    0,
    0,
    1,
    random.integer(0, 2000),
    random.integer(0, windowMicros / 10),
    random.integer(0, windowMicros),
    random.integer(0, windowMicros * 3),
    // to the moment at which something leaves the window
    windowMicros,
    Math.floor(windowMicros / 2)
  ])
}

/** The steps of one history, which is mostly about one algorithm. */
export const history = function* (random: Random, algorithm: Algorithm, length: number): Generator<Step> {
  const names = ["gcra", "fixedWindow", "slidingCounter", "exactLog"] as const
  const own = algorithm === "concurrency" ? "gcra" : algorithm
  const pools = Array.from({ length: KEYS }, (_, key) => [
    policyOf(random, own, `p${key}`),
    // the same key under another limit, or another algorithm: a policy that was changed
    policyOf(random, random.chance(0.5) ? own : random.pick(names), `p${key}`)
  ])
  const concurrency = RateLimit.concurrency("slots", {
    limit: random.integer(1, 4),
    lease: { milliseconds: random.pick([1, 50, 1000]) }
  })
  const policyAt = (key: number) => pools[key]?.[random.chance(0.9) ? 0 : 1] ?? policyOf(random, own, `p${key}`)
  let now = random.integer(1.6e15, 1.9e15)
  for (let index = 0; index < length; index++) {
    const first = random.integer(0, KEYS - 1)
    now += stepOf(random, (algorithm === "concurrency" ? concurrency : policyAt(first)).windowMicros)
    if (random.chance(0.02)) {
      const micros = random.integer(1, 3000) * 1000
      yield erased({ now, script: scripts.blockFor, keys: [first], args: micros, text: `block ${micros}` })
    } else if (random.chance(0.01)) {
      yield erased({ now, script: scripts.reset, keys: [first], args: undefined, text: "reset" })
    } else if (algorithm === "concurrency" && random.chance(0.95)) {
      const args = {
        action: random.pick(["take", "take", "take", "renew", "leave", "look"] as const),
        owner: random.pick(["a", "b", "c", "d", "e", "f"]),
        allowed: concurrency.limit,
        leaseMicros: concurrency.windowMicros
      }
      yield erased({ now, script: slots.script, keys: [first], args, text: JSON.stringify(args) })
    } else {
      const keys = random.chance(0.2) ? [0, 1, 2].slice(0, random.integer(2, 3)) : [first]
      const calls = keys.map((key): Call => {
        const policy = policyAt(key)
        return { policy, ask: askAt(random, policy) }
      })
      yield decision(now, keys, calls)
    }
  }
}

export const decision = (now: number, keys: ReadonlyArray<number>, calls: ReadonlyArray<Call>): Step =>
  erased({
    now,
    keys,
    calls,
    script: scripts.decide(calls.map(({ policy }) => policy)),
    args: calls.map(({ ask, policy }) => scripts.args(policy, ask)),
    text: JSON.stringify(calls)
  })

/** Whoever runs a step gives its own script its own arguments. */
const erased = <Args, Answer>(step: Step<Args, Answer>): Step => ({
  ...step,
  script: {
    ...step.script,
    args: () => step.script.args(step.args),
    reducer: (slots, _, now, wake) => step.script.reducer(slots, step.args, now, wake)
  }
})

/** States without expiry: what a store keeps whose keys never expire before they are asked for. */
export class Keys {
  readonly states: Map<number, State>
  /** What the last run set: a TTL in milliseconds; -1 for a key that it left alone, -2 for none, as Redis says it. */
  readonly ttls = new Map<number, number>()

  constructor(states: Iterable<readonly [number, State]> = []) {
    this.states = new Map(states)
  }

  run<Args, Answer>(step: Step<Args, Answer>): Answer {
    this.ttls.clear()
    const keyAt = (index: number) => step.keys[index] ?? NaN
    return step.script.reducer(
      {
        get: (index) => this.states.get(keyAt(index)),
        set: (index, state, ttlMillis = NaN) => {
          this.states.set(keyAt(index), state)
          this.ttls.set(keyAt(index), ttlMillis)
        },
        delete: (index) => {
          this.states.delete(keyAt(index))
          this.ttls.delete(keyAt(index))
        }
      },
      step.args,
      step.now,
      () => {}
    )
  }

  ttlOf(key: number): number {
    return this.ttls.get(key) ?? (this.states.has(key) ? -1 : -2)
  }
}

/** What each policy of a decision answers. */
export const outcomes = (keys: Keys, { calls = [], ...step }: Step): ReadonlyArray<Outcome> => {
  const answer = keys.run(step)
  assert.isTrue(Array.isArray(answer), "the step is a decision")
  const replies: ReadonlyArray<Reply> = Array.isArray(answer) ? answer : []
  return calls.map(({ ask, policy }, index) => scripts.outcome(policy, ask, replies[index] ?? []))
}
