/**
 * Reading through the cache: what it does not have is loaded, once in the whole fleet, and stored unless something happened to the
 * key meanwhile.
 *
 * How a load goes, and what each step is for:
 *
 * 1. Callers of one key in this process share a flight (`Flights`). It runs in the cache's scope and not in that of the caller who
 *    began it, so that no caller's interruption or time-out reaches another. When the last caller leaves, it is interrupted,
 *    unless it was told to go on: by `background`, or by having given somebody a stale value. If the last one did not leave by
 *    interruption but had waited for too long, the load has failed (5).
 * 2. A flight asks the store for the value or a lease in one step (`Lease`). A hit ends it.
 * 3. With a lease it loads, and renews the lease, so that the lease need not be as long as the slowest load: when the process dies,
 *    another takes over within one lease. Then it stores the value wherever the lease is still there. Any write or delete of
 *    the key, by whomever, has voided it; then the caller gets what was loaded, and nobody else does.
 * 4. Without the lease it waits until the bus tells that the lease has ended, and asks again. It asks once more after a while in any
 *    case, and when the lease would have ended, since a message may be lost and a process may die.
 * 5. A failed load fails all who wait: callers of this process with its error, those of others with `LoadFailed`, since
 *    an error does not travel. The next caller tries again, after the back-off if there is one. While it lasts nobody does, in any process.
 * 6. A write or delete of the key that this process makes or hears of detaches the flight: who was waiting gets what it brings, who
 *    comes later begins a new one, because what is being loaded may be older.
 * 7. If the store cannot be asked, the value is loaded and returned to those who wait, and stored nowhere: without a lease nothing
 *    tells whether it is still right.
 *
 * A stale value is returned only if the policy of the call allows it, and only as the store has it at that time: what was deleted is
 * not there any more.
 */
import { Deferred, Effect, Exit, FiberSet, type Scope } from "effect"
import type * as CacheBackend from "./CacheBackend.ts"
import * as Flights from "./internal/flights.ts"
import * as FlightPlan from "./internal/flightPlan.ts"
import type { Request } from "./internal/loading.ts"
import { tooSlow } from "./internal/loadWatch.ts"
import * as LoadPolicy from "./LoadPolicy.ts"
import type * as MonotonicClock from "./MonotonicClock.ts"

export type { Answers, Grant, Request } from "./internal/loading.ts"
export type Found = Flights.Found

/** Callers of one key are taken to have loaders that fail alike: whose loader runs, all get its error. */
export interface ReadThrough {
  /** Finds or loads a value. */
  readonly find: <A>(key: string, request: Request<A>) => Effect.Effect<Found, unknown>
  /** Finds or loads values, each for itself: what becomes of one does not concern the others. In the order of the keys. */
  readonly findMany: <A>(
    keys: ReadonlyArray<string>,
    request: Request<A>
  ) => Effect.Effect<ReadonlyArray<Exit.Exit<Found, unknown>>>
  /** Loads a value although there may be one. Who joins a refresh under way gets what that one brings. */
  readonly refresh: <A>(key: string, request: Request<A>) => Effect.Effect<Found, unknown>
  /** As `refresh`, for nobody. Leaves out keys that are being loaded already, and those that could not be a moment ago. */
  readonly refreshAhead: <A>(keys: ReadonlyArray<string>, request: Request<A>) => void
  /** Loads what is stale, likewise for nobody. */
  readonly revalidate: <A>(keys: ReadonlyArray<string>, request: Request<A>) => void
  /** This process has written or deleted keys. */
  readonly onWritten: (keys: ReadonlyArray<string>) => void
  /** Likewise, all keys of a pattern. */
  readonly onWrittenPattern: (glob: string) => void
  /** How many keys are being read or loaded. */
  readonly inFlight: () => number
}

export interface Parts {
  readonly backend: CacheBackend.CacheBackend["Service"]
  readonly now: MonotonicClock.Now
}

/** Loads until the scope closes, and listens to the bus from the first load on. */
export const make = Effect.fnUntraced(function* ({
  backend,
  now
}: Parts): Effect.fn.Return<ReadThrough, never, Scope.Scope> {
  const runFork = yield* FiberSet.makeRuntime()
  const finds = Flights.make()
  // apart: who only reads must not wait for a refresh of what is there
  const refreshes = Flights.make()
  const plan = FlightPlan.make({ backend, now, runFork })

  const onMessage: Flights.Flights["onMessage"] = (message) => {
    finds.onMessage(message)
    refreshes.onMessage(message)
  }
  const listen = backend.listen({
    onMessage,
    // what happens while there is no connection is not known
    onConnected: () => onMessage({ origin: "", kind: "flush", keys: [] }),
    onDisconnected: () => onMessage({ origin: "", kind: "flush", keys: [] })
  })
  let isListening = false

  /** Comes before the first flight, which a connection that is made at once would detach. Who never loads needs none. */
  const listenOnce = () => {
    if (!isListening) runFork(Effect.scoped(Effect.andThen(listen, Effect.never)))
    isListening = true
  }

  const start = <A>(batch: Flights.Batch, request: Request<A>, mode: FlightPlan.Mode) => {
    batch.fiber = runFork(plan.fly(batch, request, mode))
    // once the scope is closed, nothing runs any more
    if (batch.fiber.pollUnsafe() !== undefined) FlightPlan.endAll(batch)
  }

  const startForNobody = <A>(
    flights: Flights.Flights,
    keys: ReadonlyArray<string>,
    request: Request<A>,
    mode: FlightPlan.Mode
  ) => {
    listenOnce()
    const isIdle = (flights: Flights.Flights, key: string) => flights.get(key) === undefined && !flights.isResting(key)
    const idle = keys.filter((key) => isIdle(finds, key) && isIdle(refreshes, key))
    if (idle.length > 0) start(flights.add(idle, true), request, mode)
  }

  /** One caller comes. */
  const enter = <A>(flight: Flights.Flight, { policy }: Request<A>) => {
    flight.waiters++
    flight.isOverdue = false
    if (takesStale(policy)) flight.takesStale = true
    if (policy.background) flight.batch.isKept = true
  }

  /** One caller leaves. */
  const leave = (joined: ReadonlyArray<Flights.Flight>) => {
    for (const flight of joined) flight.waiters--
    for (const batch of new Set(joined.map(({ batch }) => batch))) endUnneeded(batch)
  }

  /** If the last caller has left, what nobody has to finish ends. */
  const endUnneeded = (batch: Flights.Batch) => {
    const { fiber, flights, isKept, onOverdue } = batch
    if (flights.every(({ state }) => state === "ended")) return
    const isUnderWay = (state: Flights.Flight["state"]) => state === "asking" || state === "loading"
    const isNeeded = flights.some(
      ({ state, waiters }) => state !== "ended" && (waiters > 0 || (isKept && isUnderWay(state)))
    )
    if (isNeeded) return
    for (const flight of flights) flight.detach()
    // what took too long has failed, and is to be known to have: what is interrupted has not
    const isOverdue = flights.every(({ isOverdue, state }) => state === "ended" || (state === "loading" && isOverdue))
    if (!isOverdue) return fiber?.interruptUnsafe()
    batch.isOverdue = true
    for (const listener of onOverdue) listener()
  }

  /** Joins the flights of the keys, and begins those that are missing. */
  const join = <A, B, E>(
    flights: Flights.Flights,
    keys: ReadonlyArray<string>,
    request: Request<A>,
    mode: FlightPlan.Mode,
    wait: (joined: ReadonlyArray<Flights.Flight>) => Effect.Effect<B, E>
  ): Effect.Effect<B, E> => {
    let joined: ReadonlyArray<Flights.Flight> = []
    const joining = Effect.suspend(() => {
      listenOnce()
      const missing = keys.filter((key) => flights.get(key) === undefined)
      const batch = missing.length === 0 ? undefined : flights.add(missing, false)
      joined = keys.flatMap((key) => flights.get(key) ?? [])
      for (const flight of joined) enter(flight, request)
      if (batch !== undefined) start(batch, request, mode)
      return wait(joined)
    })
    return Effect.ensuring(
      joining,
      Effect.sync(() => leave(joined))
    )
  }

  /** As `join`, for one key: one step, unless the policy has more to say than to wait. */
  const joinOne =
    (flights: Flights.Flights, mode: FlightPlan.Mode): ReadThrough["find"] =>
    (key, request) => {
      if (isTimed(request.policy) || takesStale(request.policy)) {
        return join(flights, [key], request, mode, ([flight]) =>
          flight === undefined ? Effect.die("each key has a flight") : settled(flight, request)
        )
      }
      return Effect.callback((resume) => {
        listenOnce()
        const known = flights.get(key)
        const flight = known ?? flights.addOne(key)
        enter(flight, request)
        if (known === undefined) start(flight.batch, request, mode)
        let isWaiting = true
        // an outcome that is an interruption counts as one of the caller, too
        const depart = () => {
          if (isWaiting) leave([flight])
          isWaiting = false
        }
        const stopWaiting = whenEnded(flight, (outcome) => {
          depart()
          resume(outcome)
        })
        return Effect.sync(() => {
          stopWaiting()
          depart()
        })
      })
    }

  /** Calls back when a flight has ended, be it at once. What comes back is for who does not want to wait any more. */
  const whenEnded = (flight: Flights.Flight, onEnd: (outcome: Exit.Exit<Found, unknown>) => void): (() => void) => {
    if (flight.outcome === undefined) flight.onEnd.add(onEnd)
    else onEnd(flight.outcome)
    return () => flight.onEnd.delete(onEnd)
  }

  /** What one caller gets of a flight, by its own policy. */
  const settled = <A>(flight: Flights.Flight, request: Request<A>): Effect.Effect<Found, unknown> => {
    const { graceMillis, hardMillis, softMillis } = request.policy
    const orStale = (error: unknown, fallback: Effect.Effect<Found | undefined>) =>
      Effect.flatMap(fallback, (found) =>
        mayBeServed(found, request) ? serveStale(found, request) : Effect.fail(error)
      )
    const answered = Effect.callback<Found, unknown>((resume) => Effect.sync(whenEnded(flight, resume)))
    const held = Effect.sync(() => flight.fallback)
    const outcome = takesStale(request.policy) ? answered.pipe(Effect.catch((error) => orStale(error, held))) : answered
    const soft =
      softMillis === undefined || graceMillis === 0
        ? outcome
        : Effect.raceFirst(outcome, staleAfter(flight, softMillis, request))
    if (hardMillis === undefined) return soft
    return Effect.timeoutOrElse(soft, {
      duration: hardMillis,
      orElse: () => {
        flight.isOverdue = flight.waiters === 1
        const error = tooSlow(hardMillis)
        return takesStale(request.policy) ? orStale(error, plan.current(flight.key, request)) : Effect.fail(error)
      }
    })
  }

  /** Ends after a time with what may be served stale, and never if there is nothing. The load goes on. */
  const staleAfter = <A>(flight: Flights.Flight, softMillis: number, request: Request<A>) => {
    // what was there when the load began may have been deleted since, before this caller came or while it waited
    const isRecent = softMillis === 0 && !Deferred.isDoneUnsafe(flight.previous)
    const kept = Effect.flatMap(Deferred.await(flight.previous), (previous) =>
      previous === undefined || isRecent ? Effect.succeed(previous) : plan.current(flight.key, request)
    )
    return Effect.sleep(softMillis).pipe(
      // the store may take longer to answer, or never do
      Effect.map(() => plan.held(flight.key, request)),
      Effect.flatMap((held) => (held === undefined ? kept : Effect.succeed(held))),
      Effect.flatMap((found) => {
        if (!mayBeServed(found, request)) return Effect.never
        flight.batch.isKept = true
        return serveStale(found, request)
      })
    )
  }

  const mayBeServed = <A>(found: Found | undefined, { policy }: Request<A>): found is Found =>
    found !== undefined && LoadPolicy.mayBeServedStale(policy, found, now())

  const serveStale = <A>(found: Found, request: Request<A>) =>
    Effect.sync(() => {
      request.counters.staleHits++
      return found
    })

  return {
    find: joinOne(finds, "find"),
    findMany: (keys, request) =>
      join(finds, keys, request, "findMany", (joined) =>
        Effect.forEach(joined, (flight) => Effect.exit(settled(flight, request)), {
          // without time limits of their own, one can be awaited after the other
          concurrency: isTimed(request.policy) ? "unbounded" : 1
        })
      ),
    refresh: joinOne(refreshes, "refresh"),
    refreshAhead: (keys, request) => startForNobody(refreshes, keys, request, "refresh"),
    revalidate: (keys, request) => startForNobody(finds, keys, request, "find"),
    onWritten: (keys) => onMessage({ origin: "", kind: "delete", keys }),
    onWrittenPattern: (glob) => onMessage({ origin: "", kind: "pattern", keys: [glob] }),
    inFlight: () => finds.size() + refreshes.size()
  }
})

const takesStale = <A>({ graceMillis, staleIfError }: LoadPolicy.LoadPolicy<A>) => staleIfError && graceMillis > 0

const isTimed = <A>({ hardMillis, softMillis }: LoadPolicy.LoadPolicy<A>) =>
  hardMillis !== undefined || softMillis !== undefined
