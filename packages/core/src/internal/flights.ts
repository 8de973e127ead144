/**
 * The loads under way in this process, one per key.
 */
import { Deferred, Exit, type Fiber, Latch } from "effect"
import type * as Entry from "../Entry.ts"
import type * as Invalidation from "../Invalidation.ts"
import * as KeyPattern from "../KeyPattern.ts"
import * as Lease from "../Lease.ts"
import type * as Snapshot from "../Snapshot.ts"

/** A value as it was found or loaded, for callers with any codec. Deadlines as in `Entry`. */
export interface Found {
  readonly snapshot: Snapshot.Snapshot<unknown>
  readonly freshUntil: number
  readonly goneAfter: number
  readonly tier: Entry.Tier | "loader"
  /** It was loaded, and could not be stored, because the key was written or deleted meanwhile. */
  readonly isSuperseded: boolean
}

/** One key that is being read or loaded, on behalf of all callers who want it. */
export interface Flight {
  readonly key: string
  readonly batch: Batch
  /** What has become of it, once it has ended. */
  outcome: Exit.Exit<Found, unknown> | undefined
  /** Those who wait for that. */
  readonly onEnd: Set<(outcome: Exit.Exit<Found, unknown>) => void>
  /** What there was when the lease was asked for. */
  readonly previous: Deferred.Deferred<Found | undefined>
  /** Whether any caller takes a stale value if the load fails. */
  takesStale: boolean
  /** What there was then, for them. Whether it may be served is for the policy of each to say. */
  fallback: Found | undefined
  waiters: number
  /** The last caller has run out of time. */
  isOverdue: boolean
  /** `resting` is waiting for nobody. */
  state: "asking" | "waiting" | "resting" | "loading" | "ended"
  /** The lease for which it waits. */
  holder: string | undefined
  /** The version of the entry beside that lease. */
  outdated: number | undefined
  /** The last lease of the key that was heard to have failed. */
  failedToken: string | undefined
  /** From now on, new callers begin a new flight. */
  readonly detach: () => void
  readonly end: (outcome: Exit.Exit<Found, unknown>) => void
}

/** Flights that one fiber serves. */
export interface Batch {
  readonly flights: ReadonlyArray<Flight>
  /** Opens when a flight that waits for the lease of another process should look again. */
  readonly wake: Latch.Latch
  /** Whether the last callers of what is being loaded have run out of time: then it has failed. */
  isOverdue: boolean
  /** Who loads, to be told of it. */
  readonly onOverdue: Set<() => void>
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** It goes on when nobody waits. */
  isKept: boolean
}

export interface Flights {
  /** The flight that a new caller can join. */
  readonly get: (key: string) => Flight | undefined
  /** Whether one waits that nobody can join. */
  readonly isResting: (key: string) => boolean
  /** `isKept` as in `Batch`. */
  readonly add: (keys: ReadonlyArray<string>, isKept: boolean) => Batch
  /** One alone, that does not go on when nobody waits. */
  readonly addOne: (key: string) => Flight
  readonly onMessage: (message: Invalidation.Message) => void
  readonly size: () => number
}

const makeBatch = (flights: ReadonlyArray<Flight>, isKept: boolean): Batch => ({
  flights,
  wake: Latch.makeUnsafe(false),
  isOverdue: false,
  onOverdue: new Set(),
  fiber: undefined,
  isKept
})

export const make = (): Flights => {
  const flights = new Map<string, Flight>()
  /** Those included that were detached: they may wait for a message. */
  const active = new Map<string, ReadonlyArray<Flight>>()

  const detach = (flight: Flight) => {
    if (flights.get(flight.key) === flight) flights.delete(flight.key)
  }

  const end = (flight: Flight, outcome: Exit.Exit<Found, unknown>) => {
    detach(flight)
    flight.state = "ended"
    const others = active.get(flight.key)?.filter((other) => other !== flight)
    if (others === undefined || others.length === 0) active.delete(flight.key)
    else active.set(flight.key, others)
    Deferred.doneUnsafe(flight.previous, Exit.succeed(undefined))
    flight.outcome = outcome
    for (const listener of flight.onEnd) listener(outcome)
  }

  const open = (key: string, batch: Batch): Flight => {
    const flight: Flight = {
      key,
      batch,
      outcome: undefined,
      onEnd: new Set(),
      previous: Deferred.makeUnsafe(),
      takesStale: false,
      fallback: undefined,
      waiters: 0,
      isOverdue: false,
      state: "asking",
      holder: undefined,
      outdated: undefined,
      failedToken: undefined,
      detach: () => detach(flight),
      end: (outcome) => end(flight, outcome)
    }
    flights.set(key, flight)
    const others = active.get(key)
    active.set(key, others === undefined ? [flight] : [...others, flight])
    return flight
  }

  /** The key was written or deleted: what is being loaded for it may be older than that. */
  const touch = (flight: Flight) => {
    if (flight.state !== "waiting") detach(flight)
    flight.batch.wake.openUnsafe()
  }
  const all = () => Array.from(active.values()).flat()

  return {
    get: (key) => flights.get(key),
    isResting: (key) => (active.get(key) ?? []).some(({ state }) => state === "resting"),
    add: (keys, isKept) => {
      const opened: Array<Flight> = []
      const batch = makeBatch(opened, isKept)
      for (const key of keys) opened.push(open(key, batch))
      return batch
    },
    addOne: (key) => {
      const opened: Array<Flight> = []
      const flight = open(key, makeBatch(opened, false))
      opened.push(flight)
      return flight
    },
    onMessage: (message) => {
      if (active.size === 0) return
      switch (message.kind) {
        case "flush":
          return all().forEach(touch)
        case "pattern":
          return message.keys.forEach((glob) => {
            const { matches } = KeyPattern.ofGlob(glob)
            all().forEach((flight) => matches(flight.key) && touch(flight))
          })
        case "released":
        case "failed":
          return message.keys.forEach((key) =>
            active.get(key)?.forEach((flight) => {
              if (message.kind === "failed") flight.failedToken = Lease.tokenOfMessage(message)
              flight.batch.wake.openUnsafe()
            })
          )
        default:
          return message.keys.forEach((key) => active.get(key)?.forEach(touch))
      }
    },
    size: () => new Set(all().flatMap(({ key, state }) => (state === "resting" ? [] : [key]))).size
  }
}
