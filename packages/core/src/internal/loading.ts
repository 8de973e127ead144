/**
 * Runs a loader for keys whose lease was granted, stores what it brings and ends the flights.
 */
import { Effect, Exit, type Fiber } from "effect"
import type * as Codec from "../Codec.ts"
import * as CacheError from "../CacheError.ts"
import type * as Entry from "../Entry.ts"
import type * as Lease from "../Lease.ts"
import * as Loader from "../Loader.ts"
import * as LoadPolicy from "../LoadPolicy.ts"
import type * as Metrics from "../Metrics.ts"
import type * as MonotonicClock from "../MonotonicClock.ts"
import type * as Flights from "./flights.ts"
import * as Found from "./found.ts"
import * as LoadWatch from "./loadWatch.ts"

/** A key whose lease was granted, and what there is under it. */
export interface Grant<out A> {
  readonly key: string
  readonly previous: A | undefined
}

/** What a caller wants of some keys. */
export interface Request<A> {
  readonly codec: Codec.Codec<A>
  readonly policy: LoadPolicy.LoadPolicy<A>
  /** See `CacheBackend.SetOptions`. */
  readonly push: boolean
  /** By key. */
  readonly tags: ReadonlyMap<string, ReadonlyArray<string>>
  /** Loads several keys, and answers in their order. */
  readonly load: (grants: ReadonlyArray<Grant<A>>) => Effect.Effect<Answers<A>>
  /** Told how long a load took that succeeded. */
  readonly onLoaded: (millis: number) => void
  /** Those of the domain that the keys belong to. */
  readonly counters: Metrics.Counters
}

/** What became of each key. */
export type Answers<A> = ReadonlyArray<Exit.Exit<Loader.Answer<A>, unknown>>

export interface Granted<A> {
  readonly flight: Flights.Flight
  readonly previous: Entry.Entry<A> | undefined
}

/** A lease on several keys, of which these are not settled yet. */
export interface OpenLease {
  readonly token: string
  readonly open: Set<string>
}

export interface Dependencies {
  readonly leases: Lease.Leases
  readonly now: MonotonicClock.Now
  /** In the scope of the cache. */
  readonly runFork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  /** Ends a flight without a value, or with a stale one for those who take it. */
  readonly fail: <A>(
    flight: Flights.Flight,
    failure: Exit.Exit<never, unknown>,
    request: Request<A>
  ) => Effect.Effect<void>
}

export interface Loading {
  /** `lease` is `undefined` if the store could not be asked; then nothing is stored. */
  readonly load: <A>(
    granted: ReadonlyArray<Granted<A>>,
    lease: OpenLease | undefined,
    request: Request<A>
  ) => Effect.Effect<void>
}

/** For how long nobody loads again while a stale value is there, at most, unless the policy says. */
const STALE_BACKOFF_MILLIS = 1000

interface LoadedOutcome<A> {
  readonly flight: Flights.Flight
  readonly loaded: Lease.Loaded<A>
}

interface FailedOutcome {
  readonly flight: Flights.Flight
  readonly failure: Exit.Exit<never, unknown>
  /** For how long yet there is a value that may be returned instead. */
  readonly staleMillis: number
}

export const make = ({ fail, leases, now, runFork }: Dependencies): Loading => {
  const watch = LoadWatch.make({ leases, now, runFork })

  /** Runs the loader, for as long as the policy allows and anybody wants it, and keeps the lease meanwhile. */
  const answersOf = <A>(
    granted: ReadonlyArray<Granted<A>>,
    lease: OpenLease | undefined,
    { counters, load, onLoaded, policy }: Request<A>
  ): Effect.Effect<Answers<A>> =>
    Effect.callback((resume) => {
      counters.loads += granted.length
      const startedAt = now()
      const { batch } = granted[0]?.flight ?? {}
      let isSettled = false
      let unwatch = () => {}
      // apart, so that a loader that cannot be interrupted is left behind
      const fiber = runFork(
        load(granted.map(({ flight, previous }) => ({ key: flight.key, previous: previous?.value })))
      )
      const stop = () => {
        isSettled = true
        batch?.onOverdue.delete(onOverdue)
        unwatch()
        fiber.interruptUnsafe()
      }
      const settle = (answers: Answers<A>) => {
        if (isSettled) return
        stop()
        resume(Effect.succeed(answers))
      }
      const failAll = (failure: Exit.Exit<never, unknown>) => settle(granted.map(() => failure))
      const onOverdue = () => failAll(Exit.fail(LoadWatch.tooSlow(policy.hardMillis ?? Math.round(now() - startedAt))))
      fiber.addObserver((exit) => {
        if (isSettled) return
        if (Exit.isSuccess(exit)) {
          onLoaded(now() - startedAt)
          settle(exit.value)
        } else if (!Exit.hasInterrupts(exit)) {
          // otherwise the cache is being closed, which ends this fiber too, and tells callers why
          failAll(Exit.failCause(exit.cause))
        }
      })
      if (isSettled) return
      if (batch?.isOverdue === true) return onOverdue()
      batch?.onOverdue.add(onOverdue)
      unwatch = watch(granted, lease, policy, failAll)
      return Effect.sync(stop)
    })

  /** Stores what was loaded; for each whether it was, `undefined` if that is not known. What is not to be kept is released. */
  const store = <A>(
    outcomes: ReadonlyArray<LoadedOutcome<A>>,
    { open, token }: OpenLease,
    { counters, push }: Request<A>
  ): Effect.Effect<ReadonlyArray<boolean | undefined>> => {
    const all = outcomes.map(({ loaded }) => loaded)
    const kept = all.filter(({ ttlMillis }) => ttlMillis > 0)
    const settle = (loaded: ReadonlyArray<Lease.Loaded<A>>) => loaded.forEach(({ key }) => open.delete(key))
    const fill = Effect.match(leases.fill(kept, { token, push }), {
      onFailure: (): ReadonlyArray<boolean> => (counters.errors++, []),
      onSuccess: (filled) => (settle(kept), filled)
    })
    if (kept.length === all.length) return fill
    const dropped = all.filter(({ ttlMillis }) => ttlMillis === 0)
    const release = Effect.ignore(
      leases.release(
        dropped.map(({ key }) => key),
        token
      )
    )
    return Effect.flatMap(release, () => {
      settle(dropped)
      return Effect.map(kept.length === 0 ? Effect.succeed([]) : fill, (filled) => {
        const answers = filled.values()
        return all.map(({ ttlMillis }) => (ttlMillis > 0 ? answers.next().value : undefined))
      })
    })
  }

  const releaseFailed = <A>(
    failed: ReadonlyArray<FailedOutcome>,
    { open, token }: OpenLease,
    { backoffMillis }: LoadPolicy.LoadPolicy<A>
  ) => {
    const release = (outcomes: ReadonlyArray<FailedOutcome>, failedForMillis: number) =>
      outcomes.length === 0
        ? Effect.void
        : Effect.ignore(
            leases.release(
              outcomes.map(({ flight }) => flight.key),
              token,
              { failedForMillis }
            )
          )
    const withStale = failed.filter(({ staleMillis }) => staleMillis > 0)
    const without = failed.filter(({ staleMillis }) => staleMillis === 0)
    // no longer than any of them has something to return: after that the next caller is to load
    const staleMillis = withStale.reduce((least, { staleMillis }) => Math.min(least, staleMillis), STALE_BACKOFF_MILLIS)
    return release(withStale, backoffMillis ?? staleMillis).pipe(
      Effect.andThen(release(without, backoffMillis ?? 0)),
      Effect.andThen(Effect.sync(() => failed.forEach(({ flight }) => open.delete(flight.key))))
    )
  }

  const endLoaded = <A>(
    { flight, loaded }: LoadedOutcome<A>,
    isStored: boolean | undefined,
    loadedAt: number,
    counters: Metrics.Counters
  ) => {
    const isSuperseded = isStored === false && loaded.ttlMillis > 0
    if (isSuperseded) counters.supersededLoads++
    const { graceMillis, snapshot, ttlMillis } = loaded
    const freshUntil = loadedAt + ttlMillis
    flight.end(
      Exit.succeed({ snapshot, freshUntil, goneAfter: freshUntil + graceMillis, tier: "loader", isSuperseded })
    )
  }

  const endFailed = <A>(failed: ReadonlyArray<FailedOutcome>, lease: OpenLease | undefined, request: Request<A>) => {
    request.counters.loadErrors += failed.length
    if (failed.length === 0) return Effect.void
    return Effect.andThen(
      lease === undefined ? Effect.void : releaseFailed(failed, lease, request.policy),
      Effect.forEach(failed, ({ failure, flight }) => fail(flight, failure, request), {
        concurrency: "unbounded",
        discard: true
      })
    )
  }

  return {
    load: <A>(granted: ReadonlyArray<Granted<A>>, lease: OpenLease | undefined, request: Request<A>) =>
      Effect.flatMap(answersOf(granted, lease, request), (answers) => {
        const loaded: Array<LoadedOutcome<A>> = []
        const failed: Array<FailedOutcome> = []
        granted.forEach((grant, index) => {
          const outcome = outcomeOf(grant, answers[index] ?? NO_ANSWER, request, now())
          if ("loaded" in outcome) loaded.push(outcome)
          else failed.push(outcome)
        })
        const loadedAt = now()
        const storing = lease === undefined || loaded.length === 0 ? NONE_STORED : store(loaded, lease, request)
        return Effect.flatMap(storing, (stored) => {
          loaded.forEach((outcome, index) => endLoaded(outcome, stored[index], loadedAt, request.counters))
          return endFailed(failed, lease, request)
        })
      })
  }
}

const NONE_STORED: Effect.Effect<ReadonlyArray<boolean | undefined>> = Effect.succeed([])

const outcomeOf = <A>(
  { flight, previous }: Granted<A>,
  answer: Exit.Exit<Loader.Answer<A>, unknown>,
  { codec, policy, tags }: Request<A>,
  now: number
): LoadedOutcome<A> | FailedOutcome => {
  const isStaleTaken = policy.staleIfError && previous?.value !== undefined
  const staleMillis = isStaleTaken ? Math.max(0, Math.floor(LoadPolicy.servedStaleUntil(policy, previous) - now)) : 0
  const failed = (failure: Exit.Exit<never, unknown>) => ({ flight, failure, staleMillis })
  if (Exit.isFailure(answer)) return failed(Exit.failCause(answer.cause))
  const isUnmodified = Loader.isNotModified(answer.value)
  const value = isUnmodified ? previous?.value : answer.value
  if (isUnmodified && value === undefined) return failed(Exit.fail(nothingToKeep()))
  try {
    const loaded = Found.loaded(flight.key, value, codec, policy)
    return { flight, loaded: { ...loaded, tags: tags.get(flight.key) } }
  } catch (error) {
    return failed(CacheError.isCacheError(error) ? Exit.fail(error) : Exit.die(error))
  }
}

const nothingToKeep = () =>
  CacheError.make("load", "LoadFailed", "the loader answered that the value is not modified, but was given none")

const NO_ANSWER = Exit.fail(CacheError.make("load", "LoadFailed", "the loader has not answered for the key"))
