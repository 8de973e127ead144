/**
 * Slots of concurrency limits: looked at, taken, renewed while they are held, and left.
 */
import type { CacheError } from "@tiercache/core"
import { Effect, Schedule, type Scope } from "effect"
import type * as RateLimit from "../RateLimit.ts"
import { shareOf } from "./rateLimitAlgorithm.ts"
import * as answers from "./rateLimitAnswers.ts"
import * as slots from "./rateLimitSlots.ts"
import { type Answer, isStoreFailure, type Store } from "./rateLimitStore.ts"

/** Before a slot is left once more. */
const LEAVE_PAUSE = "250 millis"

/** A slot may miss two renewals and is still held. */
const RENEWALS_PER_LEASE = 3

/** What the store says of the slots of a key, or what stands in for it. */
export const look = (
  store: Store,
  policy: RateLimit.Concurrency,
  key: string,
  share: number
): Effect.Effect<Answer, CacheError.CacheError> => ask(store, policy, key, share, "look", "")

/**
 * Takes a slot until the scope closes, if it is allowed.
 *
 * Whoever was let through while the store was away gets a slot there at the first renewal that succeeds. One that was perhaps
 * taken, since only the answer is missing, is left like any other. Leaving is repeated in the background until the store has heard it.
 */
export const take = (
  store: Store,
  policy: RateLimit.Concurrency,
  key: string,
  share: number,
  background: Scope.Scope
): Effect.Effect<Answer, CacheError.CacheError, Scope.Scope> =>
  Effect.suspend(() => {
    const owner = crypto.randomUUID()
    const inStore = (action: slots.Args["action"]) =>
      Effect.suspend(() => store.run(policy.deadlineMillis, slots.script, [key], argsOf(policy, share, action, owner)))
    const leaseMillis = policy.windowMicros / 1000
    // what did not arrive would keep others out until the lease ends; after that there is nothing left to leave
    const leaveLater = inStore("leave").pipe(
      Effect.retry({
        while: isStoreFailure,
        schedule: Schedule.spaced(LEAVE_PAUSE).pipe(Schedule.upTo({ duration: leaseMillis }))
      }),
      Effect.ignore,
      Effect.delay(LEAVE_PAUSE)
    )
    const leave = inStore("leave").pipe(
      Effect.catch((error) => (isStoreFailure(error) ? Effect.forkIn(leaveLater, background) : Effect.void))
    )
    const locally = (action: slots.Args["action"]) =>
      policy.onStoreFailure === "local"
        ? Effect.sync(() => store.local(slots.script, [key], argsOf(answers.localPolicy(policy), share, action, owner)))
        : Effect.void
    const renew = Effect.andThen(Effect.ignore(inStore("renew")), locally("renew"))
    const renewMillis = leaseMillis / RENEWALS_PER_LEASE
    return Effect.acquireRelease(ask(store, policy, key, share, "take", owner), ({ outcome, source }) =>
      outcome.isAllowed || source !== "store" ? Effect.andThen(leave, locally("leave")) : Effect.void
    ).pipe(
      Effect.tap(({ outcome }) =>
        outcome.isAllowed ? Effect.forkScoped(Effect.forever(Effect.delay(renew, renewMillis))) : Effect.void
      )
    )
  })

const ask = (
  store: Store,
  policy: RateLimit.Concurrency,
  key: string,
  share: number,
  action: "take" | "look",
  owner: string
): Effect.Effect<Answer, CacheError.CacheError> => {
  const asked = store.run(policy.deadlineMillis, slots.script, [key], argsOf(policy, share, action, owner))
  return Effect.map(asked, (reply): Answer => ({
    outcome: slots.outcome(policy, share, action, reply),
    source: "store"
  })).pipe(
    Effect.catch((error) =>
      isStoreFailure(error)
        ? Effect.sync(() => withoutStore(store, policy, key, share, action, owner))
        : Effect.fail(error)
    )
  )
}

const withoutStore = (
  store: Store,
  policy: RateLimit.Concurrency,
  key: string,
  share: number,
  action: "take" | "look",
  owner: string
): Answer => {
  if (policy.onStoreFailure !== "local") return { outcome: answers.unknown(policy), source: "fallback" }
  const own = answers.localPolicy(policy)
  const reply = store.local(slots.script, [key], argsOf(own, share, action, owner))
  return { outcome: slots.outcome(own, share, action, reply), source: "local" }
}

const argsOf = (
  policy: RateLimit.Concurrency,
  share: number,
  action: slots.Args["action"],
  owner: string
): slots.Args => ({ action, owner, allowed: shareOf(policy.limit, share), leaseMicros: policy.windowMicros })
