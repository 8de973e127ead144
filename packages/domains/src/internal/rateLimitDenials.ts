/**
 * Denials that this process remembers, so that a flood of calls that are denied anyway does not reach the store.
 *
 * A denial answers the same question only, and only until the moment at which it might be allowed. That is counted from before
 * the store was asked, so it never denies what the store would allow; except where another process has given units back.
 */
import type { Ask, Outcome } from "./rateLimitAlgorithm.ts"

export interface Denials {
  /** The answer to the same question, as it reads now. */
  readonly find: (key: string, ask: Ask, now: number) => Outcome | undefined
  /** Remembers what was answered to a question that was asked at `askedAt`, for so long at most. */
  readonly add: (key: string, ask: Ask, outcome: Outcome, askedAt: number, maxMicros: number) => void
  readonly forget: (key: string) => void
}

interface Denial {
  readonly ask: Ask
  readonly outcome: Outcome
  readonly askedAt: number
  readonly until: number
}

/** Beyond it, the oldest is forgotten, and the store is asked again. */
const MAX_KEYS = 10_000

export const make = (): Denials => {
  const denials = new Map<string, Denial>()
  return {
    find: (key, ask, now) => {
      const denial = denials.get(key)
      if (denial === undefined) return undefined
      if (now >= denial.until) {
        denials.delete(key)
        return undefined
      }
      const { cost, share, waitMicros } = denial.ask
      if (cost !== ask.cost || share !== ask.share || waitMicros !== ask.waitMicros) return undefined
      return later(denial.outcome, now - denial.askedAt)
    },
    add: (key, ask, outcome, askedAt, maxMicros) => {
      const until = askedAt + Math.min(outcome.retry, maxMicros)
      for (const oldest of denials.size >= MAX_KEYS ? denials.keys() : []) {
        denials.delete(oldest)
        break
      }
      denials.set(key, { ask, outcome, askedAt, until })
    },
    forget: (key) => void denials.delete(key)
  }
}

/** An outcome, so many microseconds later. */
const later = (outcome: Outcome, elapsed: number): Outcome => ({
  ...outcome,
  retry: Math.ceil(outcome.retry - elapsed),
  next: Math.max(0, Math.ceil(outcome.next - elapsed)),
  reset: Math.max(0, Math.ceil(outcome.reset - elapsed))
})
