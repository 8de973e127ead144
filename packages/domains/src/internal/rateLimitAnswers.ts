/**
 * From what algorithms answer to what callers get.
 */
import { Duration, Effect } from "effect"
import * as RateLimit from "../RateLimit.ts"
import { type Outcome, shareOf } from "./rateLimitAlgorithm.ts"

type Rules = RateLimit.Policy | RateLimit.Concurrency

export const decision = (
  policy: Rules,
  window: Duration.Duration,
  outcome: Outcome,
  source: RateLimit.Source
): RateLimit.Decision => {
  const { delay, isAllowed, next, remaining, reset, retry } = outcome
  const nextAfter = duration(next)
  return {
    policy: policy.name,
    allowed: isAllowed || policy.isShadow,
    limit: policy.limit,
    window,
    remaining,
    // where one unit was asked for they are mostly the same
    retryAfter: retry === next ? nextAfter : duration(retry),
    delay: duration(delay),
    nextAfter,
    resetAfter: reset === next ? nextAfter : duration(reset),
    shadowed: !isAllowed && policy.isShadow,
    source
  }
}

/** The decision that denies for the longest; the first if none denies. */
const binding = (decisions: ReadonlyArray<RateLimit.Decision>): RateLimit.Decision | undefined => {
  const [first, ...others] = decisions.filter(({ allowed }) => !allowed)
  if (first === undefined) return decisions[0]
  return others.reduce((most, each) => (Duration.isGreaterThan(each.retryAfter, most.retryAfter) ? each : most), first)
}

export const verdict = (decisions: ReadonlyArray<RateLimit.Decision>): RateLimit.Verdict => {
  const most = binding(decisions)
  const allowed = most?.allowed ?? true
  return { allowed, retryAfter: allowed || most === undefined ? Duration.zero : most.retryAfter, decisions }
}

export const limited = (decisions: ReadonlyArray<RateLimit.Decision>): RateLimit.RateLimited => {
  const most = binding(decisions)
  return new RateLimit.RateLimited({
    policy: most?.policy ?? "",
    retryAfter: most?.retryAfter ?? Duration.zero,
    decisions
  })
}

export const orLimited = (decision: RateLimit.Decision): Effect.Effect<RateLimit.Decision, RateLimit.RateLimited> =>
  decision.allowed ? Effect.succeed(decision) : Effect.fail(limited([decision]))

/** What a policy says when nobody counts. */
export const unknown = (policy: Rules): Outcome =>
  policy.onStoreFailure === "deny"
    ? { isAllowed: false, remaining: 0, retry: GUESS_MICROS, delay: 0, next: GUESS_MICROS, reset: GUESS_MICROS }
    : { isAllowed: true, remaining: policy.limit, retry: 0, delay: 0, next: 0, reset: 0 }

/** When a store is back nobody knows; a second is soon, and not a flood. */
const GUESS_MICROS = 1_000_000

/** The policy that one of several processes applies on its own. */
export const localPolicy = <Policy extends Rules>(policy: Policy): Policy => {
  if (policy.localShare === 1) return policy
  const limit = shareOf(policy.limit, policy.localShare)
  if (policy.algorithm !== "gcra") return { ...policy, limit }
  const spacingMicros = Math.ceil(policy.spacingMicros / policy.localShare)
  return { ...policy, limit, spacingMicros, windowMicros: limit * spacingMicros }
}

export const duration = (micros: number): Duration.Duration => {
  if (micros === 0) return Duration.zero
  if (micros % 1000 === 0) return Duration.millis(micros / 1000)
  // one bigint instead of three, up to 104 days
  return micros <= MAX_MICROS ? Duration.nanos(BigInt(micros * 1000)) : Duration.micros(BigInt(micros))
}

const MAX_MICROS = Number.MAX_SAFE_INTEGER / 1000
