/**
 * Asks the store about rate limits, and what a policy has instead when the store does not answer.
 */
import { type CacheBackend, CacheError, type MonotonicClock, type Script } from "@tiercache/core"
import { Context, Effect, Tracer } from "effect"
import type * as RateLimit from "../RateLimit.ts"
import { type Ask, type Outcome, type Question, shareOf, type State } from "./rateLimitAlgorithm.ts"
import * as answers from "./rateLimitAnswers.ts"
import type * as Deadline from "./rateLimitDeadline.ts"
import * as Local from "./rateLimitLocal.ts"
import * as Questions from "./rateLimitQuestions.ts"
import * as scripts from "./rateLimitScript.ts"

/** One policy asked about one subject. */
export interface Call {
  readonly policy: RateLimit.Policy
  readonly key: string
  readonly question: Question
}

export interface Answer {
  readonly outcome: Outcome
  readonly source: RateLimit.Source
}

export interface Store {
  /** One call, answered without waiting, where the store is in this process. Throws a `CacheError`. */
  readonly decideUnsafe: ((policy: RateLimit.Policy, key: string, question: Question) => Outcome) | undefined
  /** As `decide`, of one call, which most are. */
  readonly decideOne: (call: Call) => Effect.Effect<Answer, CacheError.CacheError>
  /** All calls count, or none; in their order. */
  readonly decide: (calls: ReadonlyArray<Call>) => Effect.Effect<ReadonlyArray<Answer>, CacheError.CacheError>
  /** As `decide`, and fails where the store does. */
  readonly ask: (calls: ReadonlyArray<Call>) => Effect.Effect<ReadonlyArray<Answer>, CacheError.CacheError>
  /** Runs a script within the deadline of a policy. */
  readonly run: <Args, Reply>(
    deadlineMillis: number,
    script: Script.Script<State, Args, Reply>,
    keys: ReadonlyArray<string>,
    args: Args
  ) => Effect.Effect<Reply, CacheError.CacheError>
  /** The same in this process. */
  readonly local: Local.Run
}

export interface Dependencies {
  readonly backend: CacheBackend.CacheBackend["Service"]
  readonly now: MonotonicClock.Now
  readonly within: Deadline.Within
}

export const make = ({ backend, now, within }: Dependencies): Store => {
  const local = Local.make(now)

  const { runUnsafe } = backend

  const run: Store["run"] = (deadlineMillis, script, keys, args) =>
    runUnsafe === undefined
      ? within(deadlineMillis, backend.run(script, keys, args))
      : CacheError.attempt(() => runUnsafe(script, keys, args))

  const decideUnsafe: Store["decideUnsafe"] =
    runUnsafe === undefined
      ? undefined
      : (policy, key, { args, ask }) => {
          const replies = runUnsafe(scripts.decideOne(policy), [key], [args])
          return scripts.outcome(policy, ask, replies[0] ?? [])
        }

  const inStore = (calls: ReadonlyArray<Call>) => {
    const policies = calls.map(({ policy }) => policy)
    const deadlineMillis = Math.min(...policies.map((policy) => policy.deadlineMillis))
    const keys = calls.map(({ key }) => key)
    const args = calls.map(({ question }) => question.args)
    const decided = Effect.map(run(deadlineMillis, scripts.decide(policies), keys, args), (replies) =>
      calls.map(({ policy, question }, index): Answer => ({
        outcome: scripts.outcome(policy, question.ask, replies[index] ?? []),
        source: "store"
      }))
    )
    return runUnsafe === undefined ? traced(decided, calls) : decided
  }

  const decideOne: Store["decideOne"] = (call) => {
    const { key, policy, question } = call
    const asked = run(policy.deadlineMillis, scripts.decideOne(policy), [key], [question.args])
    return Effect.matchEffect(runUnsafe === undefined ? traced(asked, [call]) : asked, {
      onSuccess: (replies) =>
        Effect.succeed<Answer>({ outcome: scripts.outcome(policy, question.ask, replies[0] ?? []), source: "store" }),
      onFailure: (error) =>
        isStoreFailure(error) ? Effect.succeed(withoutStore([call])[0] ?? fallback(policy)) : Effect.fail(error)
    })
  }

  const withoutStore = (calls: ReadonlyArray<Call>): ReadonlyArray<Answer> => {
    const isDenied = calls.some(({ policy }) => policy.onStoreFailure === "deny" && !policy.isShadow)
    const counting = calls.flatMap(({ key, policy, question: { ask } }) =>
      policy.onStoreFailure === "local" ? [localCall(policy, key, isDenied ? looking(ask) : ask)] : []
    )
    const replies = local(
      scripts.decide(counting.map(({ policy }) => policy)),
      counting.map(({ key }) => key),
      counting.map(({ question }) => question.args)
    )
    const outcomes = counting.map(({ policy, question }, index) =>
      scripts.outcome(policy, question.ask, replies[index] ?? [])
    )
    let next = 0
    return calls.map(({ policy }): Answer => {
      const outcome = policy.onStoreFailure === "local" ? outcomes[next++] : undefined
      return outcome === undefined ? fallback(policy) : { outcome, source: "local" }
    })
  }

  return {
    decideUnsafe,
    decideOne,
    run,
    local,
    ask: inStore,
    decide: (calls) =>
      inStore(calls).pipe(
        Effect.catch((error) => (isStoreFailure(error) ? Effect.sync(() => withoutStore(calls)) : Effect.fail(error)))
      )
  }
}

const fallback = (policy: RateLimit.Policy): Answer => ({ outcome: answers.unknown(policy), source: "fallback" })

const SPANS: Readonly<Record<Ask["kind"], string>> = {
  consume: "tiercache.rateLimit.consume",
  check: "tiercache.rateLimit.check",
  increment: "tiercache.rateLimit.increment",
  refund: "tiercache.rateLimit.refund"
}

/** That of a program which has installed none: nobody sees its spans, and each costs a tenth of what Redis does at full load. */
const noTracer = Context.get(Context.empty(), Tracer.Tracer)

/** Policies are few and have names of the program's making; subjects are in no span. */
const traced = <A, E>(decided: Effect.Effect<A, E>, calls: ReadonlyArray<Call>): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) => {
    if (fiber.getRef(Tracer.Tracer) === noTracer) return decided
    return Effect.withSpan(decided, SPANS[calls[0]?.question.ask.kind ?? "check"], {
      attributes: { "tiercache.policies": calls.map(({ policy }) => policy.name) },
      captureStackTrace: false
    })
  })

/** Whether the store could not tell, for which policies have an answer; all else is a mistake, and stays one. */
export const isStoreFailure = ({ reason }: CacheError.CacheError): boolean =>
  reason === "Unavailable" || reason === "Timeout" || reason === "Refused"

const localCall = (policy: RateLimit.Policy, key: string, ask: Ask): Call => {
  const own = answers.localPolicy(policy)
  const most = shareOf(own.limit, ask.share)
  // a share of the limit may be less than the whole of it was asked for
  const cost = Math.min(ask.cost, most)
  return { policy: own, key, question: Questions.of(own, { ...ask, cost, amount: Math.min(ask.amount, most) }) }
}

const looking = (ask: Ask): Ask => ({ ...ask, kind: "check", amount: 0 })
