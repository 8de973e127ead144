/**
 * Leases that are ended even if the store is away when they should be: until they are, everybody waits for them.
 */
import { Effect, type Fiber } from "effect"
import type * as CacheError from "../CacheError.ts"
import type * as Lease from "../Lease.ts"

/** How often it is tried again, by one attempt for all. */
const RETRY_MILLIS = 250

/** Those that an outage met first were granted, so they count. While it lasts there is no end of others. */
const CAPACITY = 1000

/** As what it is given; a release that fails because of an outage is repeated in the background, in the scope of `runFork`. */
export const make = (
  leases: Lease.Leases,
  runFork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
): Lease.Leases => {
  const pending = new Set<Effect.Effect<void, CacheError.CacheError>>()

  const releaseNext = Effect.suspend(() => {
    const [release = Effect.void] = pending
    const done = Effect.sync(() => void pending.delete(release))
    return Effect.matchEffect(release, {
      onSuccess: () => done,
      onFailure: (error) => (isOutage(error) ? Effect.fail(error) : done)
    })
  })
  const isDone = () => pending.size === 0
  const releaseAll = Effect.ignore(Effect.repeat(releaseNext, { until: isDone }))
  const releaseLater = Effect.repeat(Effect.delay(releaseAll, RETRY_MILLIS), { until: isDone })

  return {
    ...leases,
    release: (keys, token, options) => {
      const release = leases.release(keys, token, options)
      return Effect.tapError(release, (error) =>
        Effect.sync(() => {
          if (!isOutage(error) || pending.size >= CAPACITY) return
          pending.add(release)
          if (pending.size === 1) runFork(releaseLater)
        })
      )
    }
  }
}

/** Whether it may go better another time; a lease that was ended after all is no matter. */
const isOutage = ({ reason }: CacheError.CacheError): boolean => reason === "Unavailable" || reason === "Timeout"
