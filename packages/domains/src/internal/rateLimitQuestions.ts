/**
 * What the calls of a limiter ask of a policy.
 */
import { CacheError, Ttl } from "@tiercache/core"
import type * as RateLimit from "../RateLimit.ts"
import { type Ask, type Question, shareOf } from "./rateLimitAlgorithm.ts"
import * as scripts from "./rateLimitScript.ts"

export interface Options {
  readonly cost?: number | undefined
  readonly priority?: string | undefined
}

/** See `askOf`. */
export const make = (policy: RateLimit.Policy, kind: Ask["kind"], options?: Options, waitMicros?: number): Question =>
  of(policy, askOf(policy, kind, options, waitMicros))

/** An `Ask` with its arguments. */
export const of = (policy: RateLimit.Policy, ask: Ask): Question => ({ ask, args: scripts.args(policy, ask) })

/** What a call asks. Throws a `CacheError` with reason `InvalidOption` for what can never be allowed. */
export const askOf = (
  policy: RateLimit.Policy | RateLimit.Concurrency,
  kind: Ask["kind"],
  { cost = 1, priority }: Options = {},
  waitMicros = 0
): Ask => {
  if (!Number.isSafeInteger(cost) || cost < 0) throw invalid("a cost is an integer, and not below zero")
  const share = priority === undefined ? 1 : (policy.shares.get(priority) ?? 1)
  const isCounting = kind === "increment" || kind === "refund"
  if (!isCounting && cost > shareOf(policy.limit, share)) {
    throw invalid(`a cost of ${cost} is more than "${policy.name}" ever allows at once`)
  }
  // beyond the limit nothing is remembered
  const units = Math.min(cost, policy.limit)
  switch (kind) {
    case "consume":
      return { kind, share, waitMicros, cost, amount: cost }
    case "check":
      return { kind, share, waitMicros, cost, amount: 0 }
    case "increment":
      return { kind, share, waitMicros, cost: 1, amount: units }
    case "refund":
      return { kind, share, waitMicros, cost: 1, amount: 0 - units }
  }
}

/** How long a reservation may wait. */
export const waitOf = ({ maxWaitMicros, name }: RateLimit.Gcra, maxWait: Ttl.Input | undefined): number => {
  if (maxWaitMicros === 0) throw invalid(`"${name}" has no maxWait, so that nothing can be reserved`)
  if (maxWait === undefined) return maxWaitMicros
  const micros = Ttl.toMillisUnsafe("reserve", maxWait) * 1000
  if (micros <= maxWaitMicros) return micros
  throw invalid(`maxWait is more than that of "${name}"`)
}

const invalid = (problem: string) => CacheError.make("RateLimiter", "InvalidOption", problem)
