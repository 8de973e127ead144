/**
 * What a fiber does for the keys of a batch: asks for values or leases, loads what it is to load, waits for what others load.
 */
import { Deferred, Effect, Exit } from "effect"
import type * as CacheBackend from "../CacheBackend.ts"
import * as CacheError from "../CacheError.ts"
import type * as Lease from "../Lease.ts"
import type * as Flights from "./flights.ts"
import * as FoundValue from "./found.ts"
import * as Loading from "./loading.ts"
import * as Releases from "./releases.ts"

type Request<A> = Loading.Request<A>

export type Mode = "find" | "findMany" | "refresh"

export interface Dependencies extends Pick<Loading.Dependencies, "now" | "runFork"> {
  readonly backend: CacheBackend.CacheBackend["Service"]
}

export interface FlightPlan {
  /** Ends all flights of the batch, in any case. */
  readonly fly: <A>(batch: Flights.Batch, request: Request<A>, mode: Mode) => Effect.Effect<void>
  /** What this process holds and may serve, fresh or stale. */
  readonly held: <A>(key: string, request: Request<A>) => Flights.Found | undefined
  /** What there is, fresh or stale, as the store has it now; nothing if it cannot be asked. */
  readonly current: <A>(key: string, request: Request<A>) => Effect.Effect<Flights.Found | undefined>
}

/** The first time that a flight asks again although it has heard nothing. Later it waits for as long as the lease lasts. */
const FIRST_RECHECK_MILLIS = 1000

/** For how long a key is left alone at most by what is loaded for nobody, if it cannot be loaded now. */
const REST_MILLIS = 1000

/** A key that somebody else loads. */
interface Waiting {
  readonly flight: Flights.Flight
  readonly millis: number
}

const NONE: ReadonlyArray<Flights.Flight> = []

export const make = ({ backend, now, runFork }: Dependencies): FlightPlan => {
  const leases = Releases.make(backend.leases, runFork)

  const held: FlightPlan["held"] = (key, { codec }) => FoundValue.kept(key, backend.peekEntry(key, codec), codec)

  const current = <A>(key: string, { codec }: Request<A>): Effect.Effect<Flights.Found | undefined> =>
    Effect.suspend(() => {
      const local = backend.peekEntry(key, codec)
      return local === undefined ? backend.get(key, codec, { fresh: true }) : Effect.succeed(local)
    }).pipe(
      Effect.map((entry) => FoundValue.kept(key, entry, codec)),
      Effect.orElseSucceed(() => undefined)
    )

  const fail: Loading.Dependencies["fail"] = (flight, failure, request) =>
    Effect.map(flight.takesStale ? current(flight.key, request) : Effect.undefined, (fallback) => {
      flight.fallback = fallback
      flight.end(failure)
    })

  const { load } = Loading.make({ leases, now, runFork, fail })

  /**
   * Begins to wait on behalf of nobody in particular: until there may be news, others of its kind do not begin. Otherwise each hit of a
   * busy key would ask the store. The flight ends then.
   */
  const rest = (flight: Flights.Flight, millis: number, outcome: Exit.Exit<never, unknown>): Effect.Effect<void> => {
    flight.state = "resting"
    flight.detach()
    return Effect.raceFirst(flight.batch.wake.await, Effect.sleep(Math.min(millis, REST_MILLIS))).pipe(
      Effect.andThen(Effect.sync(() => flight.end(outcome)))
    )
  }

  /** Loads although the store cannot be asked, unless it is the caller who asks for what cannot be, or nobody. */
  const loadUnleased = <A>(flights: ReadonlyArray<Flights.Flight>, error: CacheError.CacheError, request: Request<A>) =>
    Effect.suspend(() => {
      request.counters.errors++
      const failure = Exit.fail(error)
      if (!isAway(error)) return Effect.sync(() => flights.forEach((flight) => flight.end(failure)))
      const wanted = flights.filter(({ waiters }) => waiters > 0)
      const unwanted = flights.filter(({ waiters }) => waiters === 0)
      for (const flight of wanted) flight.state = "loading"
      const granted = wanted.map((flight) => ({ flight, previous: undefined }))
      return together([
        ...(granted.length === 0 ? [] : [load(granted, undefined, request)]),
        ...unwanted.map((flight) => rest(flight, REST_MILLIS, failure))
      ])
    })

  /** One read of all keys; those remain that are to be loaded, since there is nothing fresh, or nothing new. */
  const readFirst = <A>(flights: ReadonlyArray<Flights.Flight>, request: Request<A>) =>
    Effect.suspend(() => {
      for (const flight of flights) flight.state = "asking"
      const keys = flights.map(({ key }) => key)
      return backend.getMany(keys, request.codec, { fresh: true, jitter: request.policy.jitter })
    }).pipe(
      Effect.matchEffect({
        onFailure: (error) => Effect.as(loadUnleased(flights, error, request), NONE),
        onSuccess: (entries) =>
          Effect.sync(() =>
            flights.filter((flight, index) => {
              const entry = entries[index]
              if (entry === undefined || now() >= entry.freshUntil || entry.version === flight.outdated) return true
              flight.end(Exit.succeed(FoundValue.ofEntry(flight.key, entry, request.codec)))
              return false
            })
          )
      })
    )

  /** Begins to ask for values or leases; loads what was granted, and meanwhile does what is to be done about what others load. */
  const ask = <A>(
    flights: ReadonlyArray<Flights.Flight>,
    when: Lease.TakeOptions["when"],
    request: Request<A>,
    followUp: (waiting: ReadonlyArray<Waiting>) => Effect.Effect<void>
  ): Effect.Effect<void> => {
    const { codec, policy, tags } = request
    const lease = { token: leases.token(), open: new Set(flights.map(({ key }) => key)) }
    for (const flight of flights) flight.state = "asking"
    const options = { token: lease.token, millis: policy.leaseMillis, when, jitter: policy.jitter, tags }
    const asking = Effect.matchEffect(leases.take([...lease.open], codec, options), {
      onFailure: (error) => {
        // it may have been granted all the same; nobody waits for that to be undone
        runFork(Effect.ignore(leases.release([...lease.open], lease.token)))
        lease.open.clear()
        if (error.reason !== "WrongType" || flights.length === 1) return loadUnleased(flights, error, request)
        // one key must not keep the others from their callers
        const middle = flights.length >> 1
        const halves = [flights.slice(0, middle), flights.slice(middle)]
        return together(halves.map((half) => Effect.suspend(() => ask(half, when, request, followUp))))
      },
      onSuccess: (found) => {
        lease.open.clear()
        const { granted, resting, waiting } = sort(flights, found, request)
        for (const { flight } of granted) lease.open.add(flight.key)
        // at the same time: a load that hangs must not keep the other keys from their callers
        return together([
          ...(granted.length === 0 ? [] : [load(granted, lease, request)]),
          ...(waiting.length === 0 ? [] : [followUp(waiting)]),
          ...resting
        ])
      }
    })
    // whether it was interrupted while asking or while loading
    return Effect.onExitPrimitive(asking, () =>
      lease.open.size === 0 ? undefined : Effect.ignore(leases.release([...lease.open], lease.token))
    )
  }

  /** Ends the flights that have arrived, and tells the others apart. */
  const sort = <A>(
    flights: ReadonlyArray<Flights.Flight>,
    leases: ReadonlyArray<Lease.Lease<A>>,
    { codec }: Request<A>
  ) => {
    const granted: Array<Loading.Granted<A>> = []
    const waiting: Array<Waiting> = []
    const resting: Array<Effect.Effect<void>> = []
    flights.forEach((flight, index) => {
      const lease = leases[index]
      if (lease === undefined) return flight.end(Exit.die("the backend has not answered for the key"))
      if (lease._tag === "Hit") {
        return flight.end(Exit.succeed(FoundValue.ofEntry(flight.key, lease.entry, codec)))
      }
      if (lease._tag !== "Granted" && flight.waiters === 0) {
        return void resting.push(rest(flight, lease.millis, Exit.fail(failedElsewhere())))
      }
      const previous = FoundValue.kept(flight.key, lease.previous, codec)
      if (lease._tag === "Failed") {
        flight.fallback = previous
        return flight.end(Exit.fail(failedElsewhere()))
      }
      if (lease._tag === "Granted") {
        flight.state = "loading"
        granted.push({ flight, previous: lease.previous })
      } else {
        flight.state = "waiting"
        flight.holder = lease.token
        flight.outdated = lease.previous?.version
        waiting.push({ flight, millis: lease.millis })
      }
      Deferred.doneUnsafe(flight.previous, Exit.succeed(previous))
    })
    return { granted, resting, waiting }
  }

  /** Waits until there may be news of any of the leases. The flights remain whose lease has not failed. */
  const wait = <A>(batch: Flights.Batch, waiting: ReadonlyArray<Waiting>, atMostMillis: number, request: Request<A>) =>
    Effect.gen(function* () {
      const millis = waiting.reduce((least, { millis }) => Math.min(least, millis + 1), atMostMillis)
      yield* Effect.raceFirst(batch.wake.await, Effect.sleep(millis))
      const flights = waiting.map(({ flight }) => flight)
      const hasFailed = ({ failedToken, holder }: Flights.Flight) => failedToken === holder
      yield* Effect.forEach(
        flights.filter(hasFailed),
        (flight) => fail(flight, Exit.fail(failedElsewhere()), request),
        { concurrency: "unbounded", discard: true }
      )
      return flights.filter((flight) => !hasFailed(flight))
    })

  const toTheEnd = <A>(batch: Flights.Batch, request: Request<A>, mode: Mode) => {
    const pursue = (flights: ReadonlyArray<Flights.Flight>, atMostMillis: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (flights.length === 0) return Effect.void
        batch.wake.closeUnsafe()
        return ask(flights, mode === "refresh" ? "always" : "stale", request, (waiting) =>
          wait(batch, waiting, atMostMillis, request).pipe(
            // what another process has loaded meanwhile is as good as a refresh
            Effect.flatMap((rest) => (mode === "refresh" ? readFirst(rest, request) : Effect.succeed(rest))),
            Effect.flatMap((rest) => pursue(rest, Infinity))
          )
        )
      })
    if (mode !== "findMany") return pursue(batch.flights, FIRST_RECHECK_MILLIS)
    return Effect.flatMap(readFirst(batch.flights, request), (flights) => pursue(flights, FIRST_RECHECK_MILLIS))
  }

  return {
    held,
    current,
    fly: (batch, request, mode) =>
      Effect.onExitPrimitive(toTheEnd(batch, request, mode), (exit) => {
        const isDefect = Exit.isFailure(exit) && !Exit.hasInterrupts(exit)
        endAll(batch, isDefect ? Exit.failCause(exit.cause) : undefined)
      })
  }
}

/** Ends the flights that have not ended; unless there is another reason, because the cache was closed. */
export const endAll = (batch: Flights.Batch, outcome?: Exit.Exit<never, unknown>): void => {
  for (const flight of batch.flights) if (flight.state !== "ended") flight.end(outcome ?? Exit.fail(closed()))
}

/** One step needs no fiber of its own, and is what there is nearly always. */
const together = (steps: ReadonlyArray<Effect.Effect<void>>): Effect.Effect<void> =>
  steps.length <= 1 ? (steps[0] ?? Effect.void) : Effect.all(steps, { concurrency: "unbounded", discard: true })

/** Whether the store is at fault, and not the caller. */
const isAway = ({ reason }: CacheError.CacheError): boolean =>
  reason === "Unavailable" || reason === "Timeout" || reason === "Refused"

const failedElsewhere = () =>
  CacheError.make("load", "LoadFailed", "another caller tried to load the value, and failed")

const closed = () => CacheError.make("load", "Unavailable", "the cache was closed while the value was being loaded")
