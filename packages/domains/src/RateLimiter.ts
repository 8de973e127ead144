/**
 * Applies rate limits to subjects, counted in the store that all processes share.
 *
 * **Details**
 *
 * A call is one atomic step in the store: it decides and counts. What is denied does not count. While the store is away, or does
 * not answer within the policy's deadline, the policy's `onStoreFailure` answers; `Decision.source` tells. So calls that
 * decide fail with `InvalidKey` or `InvalidOption` for what makes no sense, with `WrongType` or `Unsupported` where the store cannot
 * be meant, and not because the store is down. Those that only change something (`refund`, `reset`, `block`) fail then.
 *
 * Keys are `{prefix}:ratelimit:{policy}:{subject}`, with the subject in braces.
 *
 * **Gotchas**
 *
 * A call whose answer came too late may have been counted.
 */
import { Cache, CacheBackend, CacheError, CacheKey, MonotonicClock, Telemetry, Ttl } from "@tiercache/core"
import { Context, Effect, Layer, type Scope } from "effect"
import * as answers from "./internal/rateLimitAnswers.ts"
import * as Deadline from "./internal/rateLimitDeadline.ts"
import * as Decisions from "./internal/rateLimitDecisions.ts"
import * as Denials from "./internal/rateLimitDenials.ts"
import * as Holding from "./internal/rateLimitHolding.ts"
import * as RateLimitMetrics from "./internal/rateLimitMetrics.ts"
import * as Questions from "./internal/rateLimitQuestions.ts"
import * as Registry from "./internal/rateLimitRegistry.ts"
import * as scripts from "./internal/rateLimitScript.ts"
import * as Store from "./internal/rateLimitStore.ts"
import * as RateLimit from "./RateLimit.ts"

export interface Options {
  /** Begins every key, as that of the cache; `tradecore` unless given. */
  readonly prefix?: string | undefined
  /** `false` shows no metrics. */
  readonly metrics?: boolean | undefined
}

export interface CallOptions<Priority extends string = string> {
  /** Units, 1 unless given. Zero only looks. */
  readonly cost?: number | undefined
  /** One that the policy gives a share; without it, a call may use the whole limit. */
  readonly priority?: Priority | undefined
}

export interface ReserveOptions<Priority extends string = string> extends CallOptions<Priority> {
  /** The longest that the caller would wait; what the policy allows unless given. */
  readonly maxWait?: Ttl.Input | undefined
}

export interface CostOptions {
  /** Units, 1 unless given. */
  readonly cost?: number | undefined
}

/** How the calls of a policy were answered since the start: `withoutStore` are among those allowed and denied. */
export type Counts = Registry.Counts

export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    /** Counts, if the limit allows it. */
    readonly consume: <P extends string = string>(
      policy: RateLimit.Policy<P>,
      subject: string,
      options?: CallOptions<NoInfer<P>>
    ) => Effect.Effect<RateLimit.Decision, CacheError.CacheError>
    /**
     * As `consume`, at once, where the store is in this process; `undefined` where it has to be asked, and nothing was counted. Throws
     * a `CacheError`.
     */
    readonly consumeUnsafe: <P extends string = string>(
      policy: RateLimit.Policy<P>,
      subject: string,
      options?: CallOptions<NoInfer<P>>
    ) => RateLimit.Decision | undefined
    /**
     * Counts with all policies if all of them allow it, and with none otherwise, in one step. A policy without the given priority
     * lets the call use all of its limit.
     */
    readonly consumeAll: (
      policies: ReadonlyArray<RateLimit.Policy>,
      subject: string,
      options?: CallOptions
    ) => Effect.Effect<RateLimit.Verdict, CacheError.CacheError>
    /** As `consume`, and fails with `RateLimited` if it is not allowed. */
    readonly enforce: <P extends string = string>(
      policy: RateLimit.Policy<P>,
      subject: string,
      options?: CallOptions<NoInfer<P>>
    ) => Effect.Effect<RateLimit.Decision, RateLimit.RateLimited | CacheError.CacheError>
    /** As `consumeAll`, and fails with `RateLimited` if it is not allowed. */
    readonly enforceAll: (
      policies: ReadonlyArray<RateLimit.Policy>,
      subject: string,
      options?: CallOptions
    ) => Effect.Effect<RateLimit.Verdict, RateLimit.RateLimited | CacheError.CacheError>
    /** What `consume` would answer. Counts nothing, so that two callers may both be told yes: decide by `consume`. */
    readonly check: <P extends string = string>(
      policy: RateLimit.Policy<P> | RateLimit.Concurrency<P>,
      subject: string,
      options?: CallOptions<NoInfer<P>>
    ) => Effect.Effect<RateLimit.Decision, CacheError.CacheError>
    /**
     * Counts whatever the limit says, as for a failed login. The answer is what `check` would say next. Beyond a limit that is
     * used up nothing is remembered.
     */
    readonly increment: (
      policy: RateLimit.Policy,
      subject: string,
      options?: CostOptions
    ) => Effect.Effect<RateLimit.Decision, CacheError.CacheError>
    /** Gives units back, now: those of an earlier window are given to this one. The answer is what `check` would say next. */
    readonly refund: (
      policy: RateLimit.Policy,
      subject: string,
      options?: CostOptions
    ) => Effect.Effect<RateLimit.Decision, CacheError.CacheError>
    /** Forgets what was counted, and a block; whether there was anything. */
    readonly reset: (
      policy: RateLimit.Policy | RateLimit.Concurrency,
      subject: string
    ) => Effect.Effect<boolean, CacheError.CacheError>
    /** Denies everything from now on and for so long; after that the subject begins anew. */
    readonly block: (
      policy: RateLimit.Policy | RateLimit.Concurrency,
      subject: string,
      duration: Ttl.Input
    ) => Effect.Effect<void, CacheError.CacheError>
    /**
     * Counts now what is to be done after `Decision.delay`, if that is not longer than the caller would wait. Who reserved has its
     * place: those who come later wait longer.
     */
    readonly reserve: <P extends string = string>(
      policy: RateLimit.Gcra<P>,
      subject: string,
      options?: ReserveOptions<NoInfer<P>>
    ) => Effect.Effect<RateLimit.Decision, CacheError.CacheError>
    /** Takes a slot until the scope closes, or fails with `RateLimited`. */
    readonly slot: <P extends string = string>(
      policy: RateLimit.Concurrency<P>,
      subject: string,
      options?: { readonly priority?: NoInfer<P> | undefined }
    ) => Effect.Effect<RateLimit.Decision, RateLimit.RateLimited | CacheError.CacheError, Scope.Scope>
    /** By the name of the policy. */
    readonly counts: () => ReadonlyMap<string, Readonly<Counts>>
  }
>()("@tiercache/domains/RateLimiter") {}

export const make = Effect.fnUntraced(function* (options?: Options) {
  const backend = yield* CacheBackend.CacheBackend
  const background = yield* Effect.scope
  const now = yield* MonotonicClock.now
  const prefix = yield* CacheError.attempt(() => CacheKey.parse(options?.prefix ?? Cache.DEFAULT_PREFIX).encoded)
  const store = Store.make({
    backend,
    now,
    within: yield* Effect.clockWith((clock) => Effect.succeed(Deadline.make(clock)))
  })
  const denials = Denials.make()
  const telemetry = options?.metrics === false ? undefined : yield* Telemetry.make
  const registry = Registry.make({
    prefix,
    onPolicy: (name, counts) => telemetry && RateLimitMetrics.show(telemetry, name, counts)
  })

  const keyOf = (policy: RateLimit.Policy | RateLimit.Concurrency, subject: string) =>
    registry.of(policy).keyOf(subject)
  const { consume, consumeAll, counted, decideOne, decisionAt, ...decisions } = Decisions.make({
    store,
    registry,
    denials,
    now
  })

  /** Fails where the store does, and forgets what was remembered of the subject. */
  const change = <A>(
    policy: RateLimit.Policy | RateLimit.Concurrency,
    subject: string,
    run: (key: string) => Effect.Effect<A, CacheError.CacheError>
  ) =>
    CacheError.suspend(() => {
      const key = keyOf(policy, subject)
      return Effect.tap(run(key), () => Effect.sync(() => denials.forget(key)))
    })

  const slot = (policy: RateLimit.Concurrency, subject: string, options?: { readonly priority?: string | undefined }) =>
    CacheError.suspend(() => {
      const { share } = Questions.askOf(policy, "consume", options)
      return Holding.take(store, policy, keyOf(policy, subject), share, background)
    }).pipe(
      Effect.map(({ outcome, source }) => counted(policy, outcome, source)),
      Effect.flatMap(answers.orLimited)
    )

  return RateLimiter.of({
    ...decisions,
    consume,
    consumeAll,
    enforce: (policy, subject, options) => Effect.flatMap(consume(policy, subject, options), answers.orLimited),
    enforceAll: (policies, subject, options) =>
      Effect.flatMap(consumeAll(policies, subject, options), (verdict) =>
        verdict.allowed ? Effect.succeed(verdict) : Effect.fail(answers.limited(verdict.decisions))
      ),
    check: (policy, subject, options) =>
      CacheError.suspend(() => {
        const ask = Questions.askOf(policy, "check", options)
        if (policy.algorithm !== "concurrency") {
          return decideOne({ policy, key: keyOf(policy, subject), question: Questions.of(policy, ask) })
        }
        return Effect.map(Holding.look(store, policy, keyOf(policy, subject), ask.share), ({ outcome, source }) =>
          counted(policy, outcome, source)
        )
      }),
    increment: (policy, subject, options) =>
      CacheError.suspend(() =>
        decideOne({
          policy,
          key: keyOf(policy, subject),
          question: Questions.make(policy, "increment", options)
        })
      ),
    refund: (policy, subject, options) =>
      change(policy, subject, (key) => {
        const call = { policy, key, question: Questions.make(policy, "refund", options) }
        return Effect.map(store.ask([call]), ([answer]) => decisionAt(policy, answer))
      }),
    reset: (policy, subject) =>
      change(policy, subject, (key) => store.run(policy.deadlineMillis, scripts.reset, [key], undefined)),
    block: (policy, subject, duration) =>
      change(policy, subject, (key) => {
        const micros = Ttl.toMillisUnsafe("block", duration) * 1000
        return store.run(policy.deadlineMillis, scripts.blockFor, [key], micros)
      }),
    slot,
    counts: registry.all
  })
})

export const layer = (options?: Options): Layer.Layer<RateLimiter, CacheError.CacheError, CacheBackend.CacheBackend> =>
  Layer.effect(RateLimiter, make(options))

/** See {@link RateLimiter}. */
export const consume = <P extends string = string>(
  policy: RateLimit.Policy<P>,
  subject: string,
  options?: CallOptions<NoInfer<P>>
): Effect.Effect<RateLimit.Decision, CacheError.CacheError, RateLimiter> =>
  RateLimiter.use((limiter) => limiter.consume(policy, subject, options))

/** See {@link RateLimiter}. */
export const consumeAll = (
  policies: ReadonlyArray<RateLimit.Policy>,
  subject: string,
  options?: CallOptions
): Effect.Effect<RateLimit.Verdict, CacheError.CacheError, RateLimiter> =>
  RateLimiter.use((limiter) => limiter.consumeAll(policies, subject, options))

/** See {@link RateLimiter}. */
export const enforce = <P extends string = string>(
  policy: RateLimit.Policy<P>,
  subject: string,
  options?: CallOptions<NoInfer<P>>
): Effect.Effect<RateLimit.Decision, RateLimit.RateLimited | CacheError.CacheError, RateLimiter> =>
  RateLimiter.use((limiter) => limiter.enforce(policy, subject, options))

/** Runs an effect in a slot of a concurrency limit; fails with `RateLimited` where there is none. */
export const withSlot =
  <P extends string = string>(
    policy: RateLimit.Concurrency<P>,
    subject: string,
    options?: { readonly priority?: NoInfer<P> | undefined }
  ) =>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | RateLimit.RateLimited | CacheError.CacheError, R | RateLimiter> =>
    RateLimiter.use((limiter) => Effect.scoped(Effect.andThen(limiter.slot(policy, subject, options), effect)))
