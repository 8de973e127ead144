/**
 * What the algorithms promise, whatever happens: on random histories, on their TypeScript, which answers as the Lua does.
 */
import { assert, describe, it } from "@effect/vitest"
import { askOf } from "../src/internal/rateLimitQuestions.ts"
import * as RateLimit from "../src/RateLimit.ts"
import * as Histories from "./rateLimits/Histories.ts"
import * as Random from "./rateLimits/Random.ts"

const isFull = process.env.TIERCACHE_TEST_FULL === "1"
const HISTORIES = isFull ? 300 : 40
const LENGTH = 100
const TIMEOUT = { timeout: 600_000 }

const ALGORITHMS = ["gcra", "fixedWindow", "slidingCounter", "exactLog"] as const

const START = 1_764_000_000_123_456

/** Runs histories with a seed that a failure shows. */
const each = (body: (random: Random.Random, context: string) => void) => {
  const seed = Date.now() % 2 ** 31
  const random = Random.make(seed)
  for (let index = 0; index < HISTORIES; index++) body(random, `seed ${seed}, history ${index}`)
}

/** The answer to one question about the first key. */
const ask = (keys: Histories.Keys, now: number, call: Histories.Call) => {
  const [outcome] = Histories.outcomes(keys, Histories.decision(now, [0], [call]))
  assert.isDefined(outcome)
  return outcome
}

const consuming = (policy: RateLimit.Policy, cost = 1): Histories.Call => ({
  policy,
  ask: askOf(policy, "consume", { cost })
})

/** How many were admitted at which times, when a policy is flooded. */
const flood = (
  policy: RateLimit.Policy,
  random: Random.Random,
  calls: number,
  keys = new Histories.Keys(),
  start = START
): ReadonlyArray<readonly [time: number, units: number]> => {
  const admitted: Array<readonly [number, number]> = []
  let now = start
  // mostly faster than the limit, with pauses that let it recover
  const gap = Math.ceil((policy.windowMicros / policy.limit) * 0.2)
  for (let index = 0; index < calls; index++) {
    now += random.chance(0.02) ? random.integer(0, policy.windowMicros * 2) : random.integer(0, gap)
    const cost = random.pick([1, 1, 1, Math.min(2, policy.limit)])
    if (ask(keys, now, consuming(policy, cost)).isAllowed) admitted.push([now, cost])
  }
  return admitted
}

/** The most units in any window that contains its beginning and not its end. */
const mostWithin = (admitted: ReadonlyArray<readonly [time: number, units: number]>, windowMicros: number): number => {
  let [most, sum, first] = [0, 0, 0]
  for (const [time, units] of admitted) {
    sum += units
    for (
      let oldest = admitted[first];
      oldest !== undefined && oldest[0] <= time - windowMicros;
      oldest = admitted[first]
    ) {
      sum -= oldest[1]
      first++
    }
    most = Math.max(most, sum)
  }
  return most
}

/** What may pass in a window, see docs/rate-limits.md. */
const boundOf = (policy: RateLimit.Policy, windowMicros: number): number => {
  switch (policy.algorithm) {
    case "gcra":
      return policy.limit + Math.ceil(windowMicros / policy.spacingMicros)
    case "exactLog":
      return policy.limit
    default:
      return 2 * policy.limit
  }
}

for (const algorithm of ALGORITHMS) {
  describe(`by ${algorithm}`, TIMEOUT, () => {
    it("retryAfter: is denied a microsecond before, and allowed then", () => {
      let denials = 0
      each((random, context) => {
        const keys = new Histories.Keys()
        for (const step of Histories.history(random, algorithm, LENGTH)) {
          const [call] = step.calls ?? []
          const [key, ...others] = step.keys
          if (call === undefined || key === undefined || others.length > 0 || call.ask.kind !== "consume") {
            keys.run(step)
            continue
          }
          const [outcome] = Histories.outcomes(keys, step)
          assert.isDefined(outcome)
          if (outcome.isAllowed) continue
          const again = (now: number) =>
            Histories.outcomes(new Histories.Keys(keys.states), Histories.decision(now, [key], [call]))[0]?.isAllowed
          denials++
          assert.isAbove(outcome.retry, 0, `${context}: ${step.text}`)
          assert.isFalse(again(step.now + outcome.retry - 1), `${context}: ${step.text}`)
          assert.isTrue(again(step.now + outcome.retry), `${context}: ${step.text}`)
        }
      })
      assert.isAbove(denials, HISTORIES)
    })

    it("nextAfter and resetAfter: there is one more then, and all of it", () => {
      each((random, context) => {
        const keys = new Histories.Keys()
        const policy = Histories.policyOf(random, algorithm, "p")
        let now = START
        for (let index = 0; index < LENGTH / 2; index++) {
          now += random.integer(0, policy.windowMicros / 4)
          const { next, remaining, reset } = ask(
            keys,
            now,
            consuming(policy, random.integer(0, Math.min(3, policy.limit)))
          )
          const at = (time: number) =>
            ask(new Histories.Keys(keys.states), time, { policy, ask: askOf(policy, "check") }).remaining
          if (next > 0) {
            assert.strictEqual(at(now + next - 1), remaining, context)
            assert.isAbove(at(now + next), remaining, context)
          } else assert.strictEqual(remaining, policy.limit, context)
          assert.strictEqual(at(now + reset), policy.limit, context)
        }
      })
    })

    it("no window sees more than the bound, however calls fall", () => {
      each((random, context) => {
        const policy = Histories.policyOf(random, algorithm, "p")
        if (policy.isShadow) return
        const admitted = flood(policy, random, LENGTH * 5)
        assert.isAtMost(mostWithin(admitted, policy.windowMicros), boundOf(policy, policy.windowMicros), context)
      })
    })

    it("a clock that is set back denies nobody for longer than two windows, and frees no more than one", () => {
      each((random, context) => {
        const policy = Histories.policyOf(random, algorithm, "p")
        if (policy.isShadow) return
        const keys = new Histories.Keys()
        flood(policy, random, LENGTH, keys)
        const back = START - random.integer(0, 100 * policy.windowMicros)
        const { retry } = ask(keys, back, consuming(policy, policy.limit))
        // the windows of two clocks do not line up, so that what was counted may weigh for two
        const windows = algorithm === "slidingCounter" ? 2 : 1
        const wait = policy.algorithm === "gcra" ? policy.maxWaitMicros + policy.windowMicros : policy.windowMicros
        assert.isAtMost(retry, windows * wait + (algorithm === "exactLog" ? policy.windowMicros : 0), context)
        const admitted = flood(policy, random, LENGTH * 3, keys, back)
        assert.isAtMost(mostWithin(admitted, policy.windowMicros), boundOf(policy, policy.windowMicros), context)
      })
    })

    it("a lowered limit heals within its window, and a raised one counts at once", () => {
      each((random, context) => {
        const high = Histories.policyOf(random, algorithm, "p")
        if (high.isShadow) return
        const limit = Math.max(1, Math.floor(high.limit / random.integer(2, 10)))
        const low =
          high.algorithm === "gcra"
            ? { ...high, limit, windowMicros: limit * high.spacingMicros, maxWaitMicros: 0 }
            : { ...high, limit }
        const keys = new Histories.Keys()
        ask(keys, START, consuming(high, high.limit))
        const { retry } = ask(keys, START, consuming(low))
        assert.isAtMost(retry, (algorithm === "slidingCounter" ? 2 : 1) * low.windowMicros, context)
        assert.isTrue(ask(keys, START + retry, consuming(low)).isAllowed, context)
        const full = new Histories.Keys()
        ask(full, START, consuming(low, low.limit))
        if (high.limit > low.limit) assert.isTrue(ask(full, START, consuming(high)).isAllowed, context)
      })
    })

    it("gives back no more than all, and looks without writing", () => {
      each((random, context) => {
        const policy = Histories.policyOf(random, algorithm, "p")
        const keys = new Histories.Keys()
        ask(keys, START, consuming(policy, random.integer(1, policy.limit)))
        const before = new Map(keys.states)
        ask(keys, START, { policy, ask: askOf(policy, "check", { cost: random.integer(0, policy.limit) }) })
        ask(keys, START, consuming(policy, 0))
        assert.deepStrictEqual(keys.states, before, context)
        const refund = { policy, ask: askOf(policy, "refund", { cost: policy.limit + 1 }) }
        assert.strictEqual(ask(keys, START, refund).remaining, policy.limit, context)
        assert.strictEqual(keys.states.size, 0, context)
        assert.isFalse(ask(keys, START, { policy, ask: askOf(policy, "increment", { cost: 2 ** 53 - 1 }) }).isAllowed)
      })
    })

    it("every key has a TTL, and is gone a millisecond after resetAfter", () => {
      each((random, context) => {
        const keys = new Histories.Keys()
        for (const step of Histories.history(random, algorithm, LENGTH)) {
          keys.run(step)
          for (const [key, ttl] of keys.ttls) {
            assert.isAbove(ttl, 0, `${context}: ${step.text}`)
            const call = step.calls?.[step.keys.indexOf(key)]
            if (call === undefined) continue
            const looking = { policy: call.policy, ask: askOf(call.policy, "check", { cost: 0 }) }
            const { reset } = Histories.outcomes(keys, Histories.decision(step.now, [key], [looking]))[0] ?? {
              reset: NaN
            }
            assert.isAtMost(ttl * 1000, reset + 1000, `${context}: ${step.text}`)
          }
        }
      })
    })
  })
}

describe("gcra", TIMEOUT, () => {
  it("calls that were reserved keep the rate, if each waits for its delay", () => {
    each((random, context) => {
      const policy = RateLimit.gcra("p", {
        limit: random.integer(1, 20),
        period: "1 second",
        burst: random.integer(1, 20),
        maxWait: { milliseconds: random.integer(1, 3000) }
      })
      const keys = new Histories.Keys()
      const acting: Array<readonly [time: number, units: number]> = []
      let now = START
      for (let index = 0; index < LENGTH * 3; index++) {
        now += random.integer(0, random.chance(0.1) ? 1_000_000 : 50_000)
        const waits = random.chance(0.7) ? policy.maxWaitMicros : 0
        const { delay, isAllowed } = ask(keys, now, { policy, ask: askOf(policy, "consume", {}, waits) })
        assert.isAtMost(delay, waits, context)
        if (isAllowed) acting.push([now + delay, 1])
      }
      const inOrder = acting.toSorted(([first], [second]) => first - second)
      assert.isAtMost(mostWithin(inOrder, 1_000_000), boundOf(policy, 1_000_000), context)
    })
  })
})

describe("exactLog", TIMEOUT, () => {
  it("never lets more than the limit through, whatever is given back", () => {
    each((random, context) => {
      const policy = RateLimit.exactLog("p", { limit: random.integer(1, 5), window: "1 second" })
      const keys = new Histories.Keys()
      let kept: Array<readonly [time: number, units: number]> = []
      let now = START
      for (let index = 0; index < LENGTH * 3; index++) {
        now += random.integer(0, 200_000)
        if (random.chance(0.3) && kept.length > 0) {
          // whoever gives back is any of those that were counted in the window, often not the last one
          const given = random.integer(Math.max(0, kept.length - policy.limit), kept.length - 1)
          if ((kept[given]?.[0] ?? 0) <= now - policy.windowMicros) continue
          ask(keys, now, { policy, ask: askOf(policy, "refund") })
          kept = kept.filter((_, at) => at !== given)
        } else if (ask(keys, now, consuming(policy)).isAllowed) kept.push([now, 1])
        assert.isAtMost(mostWithin(kept, policy.windowMicros), policy.limit, context)
      }
    })
  })
})

describe("several policies", () => {
  it("count all or none: a denial leaves every key as it was", () => {
    let denials = 0
    each((random, context) => {
      const policies = [0, 1, 2].map((key) => Histories.policyOf(random, random.pick(ALGORITHMS), `p${key}`))
      const keys = new Histories.Keys()
      let now = START
      for (let index = 0; index < LENGTH; index++) {
        now += random.integer(0, 20_000)
        const calls = policies.map((policy) => consuming(policy, random.integer(1, policy.limit)))
        const before = new Map(keys.states)
        const outcomes = Histories.outcomes(keys, Histories.decision(now, [0, 1, 2], calls))
        const isDenied = outcomes.some(({ isAllowed }, at) => !isAllowed && policies[at]?.isShadow === false)
        if (isDenied) assert.deepStrictEqual(keys.states, before, context)
        else
          assert.isTrue(
            outcomes.every(({ isAllowed }, at) => !isAllowed || keys.ttls.has(at)),
            context
          )
        if (isDenied) denials++
      }
    })
    assert.isAbove(denials, HISTORIES)
  })
})
