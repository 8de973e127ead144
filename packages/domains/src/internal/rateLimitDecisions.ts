/**
 * Decisions of rate limits: asked of the store, or remembered, and counted.
 */
import { CacheError, type MonotonicClock, type Ttl } from "@tiercache/core"
import { Effect } from "effect"
import type * as RateLimit from "../RateLimit.ts"
import type { Outcome, Question } from "./rateLimitAlgorithm.ts"
import * as answers from "./rateLimitAnswers.ts"
import type * as Denials from "./rateLimitDenials.ts"
import * as Questions from "./rateLimitQuestions.ts"
import * as Registry from "./rateLimitRegistry.ts"
import type * as Store from "./rateLimitStore.ts"

export interface Dependencies {
  readonly store: Store.Store
  readonly registry: Registry.Registry
  readonly denials: Denials.Denials
  readonly now: MonotonicClock.Now
}

type Options = Questions.Options

interface ReserveOptions extends Options {
  readonly maxWait?: Ttl.Input | undefined
}

/** Parts of `RateLimiter`, and what they are made of. */
export const make = ({ denials, now, registry, store }: Dependencies) => {
  const callOf = (policy: RateLimit.Policy, subject: string, question: Question): Store.Call => ({
    policy,
    key: registry.of(policy).keyOf(subject),
    question
  })
  const counted = (
    policy: RateLimit.Policy | RateLimit.Concurrency,
    outcome: Outcome,
    source: RateLimit.Source
  ): RateLimit.Decision => {
    const { counts, window } = registry.of(policy)
    const decision = answers.decision(policy, window, outcome, source)
    Registry.count(counts, decision)
    return decision
  }

  const consumeAll = (policies: ReadonlyArray<RateLimit.Policy>, subject: string, options?: Options) =>
    CacheError.suspend(() => {
      const calls = policies.map((policy) => callOf(policy, subject, Questions.make(policy, "consume", options)))
      if (new Set(calls.map(({ key }) => key)).size < calls.length || calls.length === 0) {
        throw invalid("give each policy once, and at least one")
      }
      return Effect.map(store.decide(calls), (all) =>
        answers.verdict(calls.map(({ policy }, index) => decisionAt(policy, all[index])))
      )
    })
  const decisionAt = (policy: RateLimit.Policy, answer: Store.Answer | undefined) =>
    counted(policy, answer?.outcome ?? answers.unknown(policy), answer?.source ?? "fallback")

  const decideOne = (call: Store.Call) => Effect.map(store.decideOne(call), (answer) => decisionAt(call.policy, answer))

  const { decideUnsafe } = store
  /** What most calls ask is known already. */
  const consuming = (policy: RateLimit.Policy, options: Options | undefined): Question =>
    (options === undefined ? registry.of(policy).plain : undefined) ?? Questions.make(policy, "consume", options)

  const consumeUnsafe = (policy: RateLimit.Policy, subject: string, options?: Options) => {
    if (decideUnsafe === undefined) return undefined
    const { counts, keyOf, window } = registry.of(policy)
    const outcome = decideUnsafe(policy, keyOf(subject), consuming(policy, options))
    const decision = answers.decision(policy, window, outcome, "store")
    Registry.count(counts, decision)
    return decision
  }

  /** What is in this process is asked sooner than what is remembered of it. */
  const consume = (policy: RateLimit.Policy, subject: string, options?: Options) =>
    CacheError.suspend(() => {
      const decision = consumeUnsafe(policy, subject, options)
      if (decision !== undefined) return Effect.succeed(decision)
      return remembering(callOf(policy, subject, consuming(policy, options)))
    })
  const reserve = (policy: RateLimit.Gcra, subject: string, options?: ReserveOptions) =>
    CacheError.suspend(() => {
      const waitMicros = Questions.waitOf(policy, options?.maxWait)
      return remembering(callOf(policy, subject, Questions.make(policy, "consume", options, waitMicros)))
    })
  const remembering = (call: Store.Call): Effect.Effect<RateLimit.Decision, CacheError.CacheError> => {
    const { key, policy, question } = call
    if (policy.denyCacheMicros === 0 || decideUnsafe !== undefined) return decideOne(call)
    const askedAt = now() * 1000
    const remembered = denials.find(key, question.ask, askedAt)
    if (remembered !== undefined) return Effect.succeed(counted(policy, remembered, "denyCache"))
    return Effect.map(store.decideOne(call), (answer) => {
      if (answer.source === "store" && !answer.outcome.isAllowed) {
        denials.add(key, question.ask, answer.outcome, askedAt, policy.denyCacheMicros)
      }
      return decisionAt(policy, answer)
    })
  }

  return { consume, consumeUnsafe, consumeAll, reserve, counted, decideOne, decisionAt }
}

const invalid = (problem: string) => CacheError.make("RateLimiter", "InvalidOption", problem)
