/**
 * The policies that a program uses: what they say, what is known of them, and what came of it.
 */
import { CacheError } from "@tiercache/core"
import { Duration } from "effect"
import type * as RateLimit from "../RateLimit.ts"
import type { Question } from "./rateLimitAlgorithm.ts"
import * as answers from "./rateLimitAnswers.ts"
import * as Keys from "./rateLimitKeys.ts"
import * as Questions from "./rateLimitQuestions.ts"

/** How calls of a policy were answered. */
export interface Counts {
  allowed: number
  denied: number
  /** Of those allowed, because the policy is only on trial. */
  shadowed: number
  /** Of those allowed, with less than a tenth of the limit left. */
  nearLimit: number
  /** Of all, without the store. */
  withoutStore: number
  /** Of those without the store, counted in this process. */
  local: number
  /** Of those denied, because a denial was remembered. */
  remembered: number
}

/** What is kept of a policy that is in use: worked out once, since in memory that takes longer than a decision. */
interface Registered {
  readonly counts: Counts
  readonly keyOf: (subject: string) => string
  /** `Decision.window`. */
  readonly window: Duration.Duration
  /** What `consume` asks without options. */
  readonly plain: Question | undefined
}

export interface Registry {
  /** Throws a `CacheError` with reason `InvalidOption` if another policy has the name: both would count in one place. */
  readonly of: (policy: Rules) => Registered
  readonly all: () => ReadonlyMap<string, Readonly<Counts>>
}

type Rules = RateLimit.Policy | RateLimit.Concurrency

export interface Settings {
  /** Begins every key. */
  readonly prefix: string
  /** Is told each policy that is followed, with what is counted of it. */
  readonly onPolicy: (name: string, counts: Counts) => void
}

/** A program has tens of policies. Of one that makes up names as it goes, the others are not followed. */
const MAX_NAMES = 1000

export const make = ({ onPolicy, prefix }: Settings): Registry => {
  const counts = new Map<string, Counts>()
  const known = new Map<string, { readonly definition: string; readonly counts: Counts }>()
  const seen = new WeakMap<object, Registered>()

  const countsOf = (policy: Rules): Counts => {
    const definition = definitionOf(policy)
    const same = known.get(policy.name)
    if (same !== undefined && same.definition !== definition) {
      const name = JSON.stringify(policy.name)
      throw CacheError.make("RateLimiter", "InvalidOption", `two policies with different limits are called ${name}`)
    }
    const own = same?.counts ?? none()
    if (known.size < MAX_NAMES) {
      if (same === undefined) onPolicy(policy.name, own)
      known.set(policy.name, { definition, counts: own })
      counts.set(policy.name, own)
    }
    return own
  }
  const register = (policy: Rules): Registered => {
    const isSlots = policy.algorithm === "concurrency"
    const registered = {
      counts: countsOf(policy),
      keyOf: Keys.make(prefix, policy),
      window: isSlots ? Duration.zero : answers.duration(policy.windowMicros),
      plain: isSlots ? undefined : Questions.make(policy, "consume")
    }
    seen.set(policy, registered)
    return registered
  }
  return { of: (policy) => seen.get(policy) ?? register(policy), all: () => counts }
}

/** From when on what is left of a limit is little: soon somebody is denied. */
const NEAR_SHARE = 0.1

/** Counts an answer. */
export const count = (counts: Counts, { allowed, limit, remaining, shadowed, source }: RateLimit.Decision): void => {
  if (allowed) counts.allowed++
  else counts.denied++
  if (shadowed) counts.shadowed++
  else if (allowed && remaining < limit * NEAR_SHARE) counts.nearLimit++
  if (source === "store") return
  if (source === "denyCache") counts.remembered++
  else counts.withoutStore++
  if (source === "local") counts.local++
}

const none = (): Counts => ({
  allowed: 0,
  denied: 0,
  shadowed: 0,
  nearLimit: 0,
  withoutStore: 0,
  local: 0,
  remembered: 0
})

const definitionOf = (policy: RateLimit.Policy | RateLimit.Concurrency): string =>
  JSON.stringify(policy, (_, value: unknown) => (value instanceof Map ? [...value] : value))
