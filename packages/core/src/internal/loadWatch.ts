/**
 * What is due while a load lasts: renewals of its lease, and its end if it takes too long or nobody waits for it any more.
 */
import { Effect, Exit, type Fiber } from "effect"
import * as CacheError from "../CacheError.ts"
import type * as LoadPolicy from "../LoadPolicy.ts"
import type * as Loading from "./loading.ts"
import * as Watches from "./watches.ts"

/** Begins to watch; what comes back ends it. */
export type LoadWatch = <A>(
  granted: ReadonlyArray<Loading.Granted<A>>,
  lease: Loading.OpenLease | undefined,
  policy: LoadPolicy.LoadPolicy<A>,
  failAll: (failure: Exit.Exit<never, unknown>) => void
) => () => void

/** After this time a load is interrupted for which nobody waits. */
const ABANDONED_MILLIS = 30_000

/** Renewals in a lease: two may be lost before it is. */
const RENEWALS_PER_LEASE = 3

export const make = ({ leases, now, runFork }: Pick<Loading.Dependencies, "leases" | "now" | "runFork">): LoadWatch => {
  const watches = Watches.make(now, runFork)

  /** Renews a lease, and detaches the flights that have lost it. */
  const renewed = <A>(
    granted: ReadonlyArray<Loading.Granted<A>>,
    { token }: Loading.OpenLease,
    leaseMillis: number
  ) => {
    let held = granted.map(({ flight }) => flight)
    return Effect.suspend(() =>
      Effect.map(
        leases.renew(
          held.map(({ key }) => key),
          token,
          leaseMillis
        ),
        (isHeld) => {
          held.forEach((flight, index) => isHeld[index] === false && flight.detach())
          held = held.filter((_, index) => isHeld[index] !== false)
        }
      )
    ).pipe(Effect.ignore)
  }

  return (granted, lease, { hardMillis = Infinity, leaseMillis }, failAll) => {
    const startedAt = now()
    const renewEvery = Math.max(1, Math.ceil(leaseMillis / RENEWALS_PER_LEASE) - 1)
    let renewAt = lease === undefined ? Infinity : startedAt + renewEvery
    let lookAt = startedAt + ABANDONED_MILLIS
    let renewal: Fiber.Fiber<unknown> | undefined
    const renew = lease === undefined ? Effect.void : renewed(granted, lease, leaseMillis)
    const nextAt = () => Math.min(renewAt, lookAt, startedAt + hardMillis)
    /** Nothing is due after that. */
    const failAfter = (millis: number) => {
      failAll(Exit.fail(tooSlow(millis)))
      return Infinity
    }
    const unwatch = watches.add(nextAt(), (time) => {
      if (time >= startedAt + hardMillis) return failAfter(hardMillis)
      if (time >= lookAt) {
        if (granted.every(({ flight }) => flight.waiters === 0)) return failAfter(ABANDONED_MILLIS)
        lookAt += ABANDONED_MILLIS
      }
      if (time >= renewAt) {
        // apart: Redis may not answer for longer than the load may take
        if (renewal === undefined || renewal.pollUnsafe() !== undefined) renewal = runFork(renew)
        renewAt = Math.max(renewAt + renewEvery, time)
      }
      return nextAt()
    })
    return () => {
      unwatch()
      renewal?.interruptUnsafe()
    }
  }
}

/** A load took longer than it may. */
export const tooSlow = (millis: number) =>
  CacheError.make("load", "Timeout", `the value was not loaded within ${millis} ms`)
