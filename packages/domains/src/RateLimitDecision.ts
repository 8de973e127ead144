/**
 * What a rate limit answers. Exported with `RateLimit`.
 */
import { Duration, Schema } from "effect"

/** Who decided: the store; a count in this process, instead of the store; a denial remembered; or nobody, as the policy says. */
export const Source = Schema.Literals(["store", "local", "denyCache", "fallback"])

/** @see {@link Source} */
export type Source = typeof Source.Type

/**
 * The answer to one call.
 *
 * **Details**
 *
 * Times are durations from the moment of the decision, on the clock of whoever decided, to the microsecond.
 *
 * - `limit`, `window`: those of the policy, for headers. `limit` units are available again after `window`, which is
 *   zero for `concurrency`.
 * - `remaining`: what calls of the same priority could still get at once.
 * - `retryAfter`: when the same call would be allowed if nobody else called; zero if it is allowed. For `concurrency` it is the
 *   latest moment at which a slot gets free, unless its holder goes on.
 * - `delay`: how long whoever reserved has to wait before acting.
 * - `nextAfter`: when `remaining` grows. `resetAfter`: when nothing of what was counted matters any more.
 * - `shadowed`: it would have been denied, but the policy is only on trial.
 *
 * **Gotchas**
 *
 * Timers of Node.js fire up to a millisecond early, and then the call is denied once more: whoever sleeps adds one.
 */
export const Decision = Schema.Struct({
  policy: Schema.String,
  allowed: Schema.Boolean,
  limit: Schema.Finite,
  window: Schema.Duration,
  remaining: Schema.Finite,
  retryAfter: Schema.Duration,
  delay: Schema.Duration,
  nextAfter: Schema.Duration,
  resetAfter: Schema.Duration,
  shadowed: Schema.Boolean,
  source: Source
})

/** @see {@link Decision} */
export type Decision = typeof Decision.Type

/** The answer of several policies at once: allowed if all of them allow, and then counted by all, otherwise by none. */
export interface Verdict {
  readonly allowed: boolean
  /** The longest of those that deny. */
  readonly retryAfter: Duration.Duration
  /** In the order of the policies. */
  readonly decisions: ReadonlyArray<Decision>
}

/** A limit is reached. `policy` is the one that denies for the longest; `decisions` are those of all that were asked. */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  policy: Schema.String,
  retryAfter: Schema.Duration,
  decisions: Schema.Array(Decision)
}) {
  override get message(): string {
    return `the rate limit "${this.policy}" is reached; try again after ${Duration.format(this.retryAfter)}`
  }
}
