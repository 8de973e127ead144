/**
 * Rate limits for those who `await`.
 */
import type { Ttl } from "@tiercache/core"
import type { RateLimit, RateLimiter } from "@tiercache/domains"
import { type Context, Effect } from "effect"

/** As `RateLimiter`, with promises that reject with `CacheError` and, where it says so, with `RateLimit.RateLimited`. */
export interface PromiseLimits {
  /** Counts, if the limit allows it. */
  readonly consume: <P extends string = string>(
    policy: RateLimit.Policy<P>,
    subject: string,
    options?: RateLimiter.CallOptions<NoInfer<P>>
  ) => Promise<RateLimit.Decision>
  /** Counts with all policies if all of them allow it, and with none otherwise. */
  readonly consumeAll: (
    policies: ReadonlyArray<RateLimit.Policy>,
    subject: string,
    options?: RateLimiter.CallOptions
  ) => Promise<RateLimit.Verdict>
  /** As `consume`, and rejects with `RateLimited` if it is not allowed. */
  readonly enforce: <P extends string = string>(
    policy: RateLimit.Policy<P>,
    subject: string,
    options?: RateLimiter.CallOptions<NoInfer<P>>
  ) => Promise<RateLimit.Decision>
  /** What `consume` would answer; counts nothing. */
  readonly check: <P extends string = string>(
    policy: RateLimit.Policy<P> | RateLimit.Concurrency<P>,
    subject: string,
    options?: RateLimiter.CallOptions<NoInfer<P>>
  ) => Promise<RateLimit.Decision>
  /** Counts whatever the limit says. */
  readonly increment: (
    policy: RateLimit.Policy,
    subject: string,
    options?: RateLimiter.CostOptions
  ) => Promise<RateLimit.Decision>
  /** Gives units back. */
  readonly refund: (
    policy: RateLimit.Policy,
    subject: string,
    options?: RateLimiter.CostOptions
  ) => Promise<RateLimit.Decision>
  /** Forgets what was counted, and a block; whether there was anything. */
  readonly reset: (policy: RateLimit.Policy | RateLimit.Concurrency, subject: string) => Promise<boolean>
  /** Denies everything for so long. */
  readonly block: (
    policy: RateLimit.Policy | RateLimit.Concurrency,
    subject: string,
    duration: Ttl.Input
  ) => Promise<void>
  /** Counts now what is to be done after `Decision.delay`. */
  readonly reserve: <P extends string = string>(
    policy: RateLimit.Gcra<P>,
    subject: string,
    options?: RateLimiter.ReserveOptions<NoInfer<P>>
  ) => Promise<RateLimit.Decision>
  /** Runs a section in a slot; rejects with `RateLimited` where there is none, and with whatever the section rejects with. */
  readonly withSlot: <A, P extends string = string>(
    policy: RateLimit.Concurrency<P>,
    subject: string,
    section: () => A | PromiseLike<A>,
    options?: { readonly priority?: NoInfer<P> | undefined }
  ) => Promise<A>
  /** How calls were answered, by the name of the policy. */
  readonly counts: () => ReadonlyMap<string, Readonly<RateLimiter.Counts>>
}

export const make = (limiter: RateLimiter.RateLimiter["Service"], context: Context.Context<never>): PromiseLimits => {
  const run = Effect.runPromiseWith(context)
  return {
    // async, so that what is thrown is a rejection; an answer of this process starts no fiber
    consume: async (policy, subject, options) =>
      limiter.consumeUnsafe(policy, subject, options) ?? run(limiter.consume(policy, subject, options)),
    consumeAll: (policies, subject, options) => run(limiter.consumeAll(policies, subject, options)),
    enforce: (policy, subject, options) => run(limiter.enforce(policy, subject, options)),
    check: (policy, subject, options) => run(limiter.check(policy, subject, options)),
    increment: (policy, subject, options) => run(limiter.increment(policy, subject, options)),
    refund: (policy, subject, options) => run(limiter.refund(policy, subject, options)),
    reset: (policy, subject) => run(limiter.reset(policy, subject)),
    block: (policy, subject, duration) => run(limiter.block(policy, subject, duration)),
    reserve: (policy, subject, options) => run(limiter.reserve(policy, subject, options)),
    withSlot: (policy, subject, section, options) =>
      run(
        limiter.slot(policy, subject, options).pipe(
          // what it rejects with is what the promise rejects with
          Effect.andThen(Effect.promise(async () => section())),
          Effect.scoped
        )
      ),
    counts: limiter.counts
  }
}
