/**
 * Permits that this process has for a time, and how long it may believe so.
 *
 * A lease is valid from when it was asked for, not from when the answer came, for a little less than the store keeps it: clocks
 * do not run equally fast. The time that has passed is the larger of what the monotonic and the wall clock say: the one stands
 * still while a machine sleeps, the other may be set, and each time the larger is the safe one. Whether a lease is valid is
 * looked up when it matters, and not noted by a timer, which a blocked event loop would delay.
 */
import { type CacheError, Histogram, MonotonicClock } from "@tiercache/core"
import { Clock, Deferred, Effect, Fiber, Option, Result } from "effect"
import type { LockMetrics } from "./lockMetrics.ts"

/** The clocks of this process, in milliseconds. */
export interface Instant {
  readonly monotonic: number
  readonly wall: number
}

export type Now = () => Instant

/** The clocks of the running fiber. */
export const clocks: Effect.Effect<Now> = Effect.clockWith((clock: Clock.Clock) => {
  const monotonic = MonotonicClock.fromClock(clock)
  return Effect.succeed(() => ({ monotonic: monotonic(), wall: clock.currentTimeMillisUnsafe() }))
})

const elapsed = (since: Instant, now: Instant): number =>
  Math.max(now.monotonic - since.monotonic, now.wall - since.wall)

/** How much of a TTL is left to differences between clocks: by that much they may differ in rate, and in what a tick is. */
const DRIFT_SHARE = 0.01
const DRIFT_MILLIS = 2

/** How much of a lease is left when its holder is told that it is lost, so that it can end in time. */
const NOTICE_SHARE = 0.05

/** A lease is renewed that often in its time, so that two attempts may fail. */
const RENEWALS_PER_TTL = 3

/** A renewal that failed is tried again after that part of the TTL. */
const RETRY_SHARE = 0.05

/** What is left of a lease that was asked for at a time. */
export const remaining = (askedAt: Instant, now: Instant, ttlMillis: number): number =>
  ttlMillis * (1 - DRIFT_SHARE) - DRIFT_MILLIS - elapsed(askedAt, now)

export interface Lease {
  readonly fence: number
  /** In milliseconds; 0 once it is lost or over. */
  readonly remaining: () => number
  /** Done when it is lost or over. */
  readonly lost: Effect.Effect<void>
  /** Gives it back; whether it was valid up to now. */
  readonly end: Effect.Effect<boolean>
}

export interface Options {
  readonly now: Now
  readonly askedAt: Instant
  readonly ttlMillis: number
  readonly fence: number
  /** Whether the store still had it. */
  readonly renew: Effect.Effect<boolean, CacheError.CacheError>
  /** Whether the store still had it, as far as it could be asked. */
  readonly release: Effect.Effect<boolean>
  readonly metrics: LockMetrics
}

/** Renews until the lease is ended. */
export const make = Effect.fnUntraced(function* ({ askedAt, fence, metrics, now, release, renew, ttlMillis }: Options) {
  const heldFrom = now().monotonic
  metrics.held++
  const lost = Deferred.makeUnsafe<void>()
  let validFrom = askedAt
  let isOver = false
  let isLost = false

  const left = () => (isOver ? 0 : Math.max(0, remaining(validFrom, now(), ttlMillis)))
  const noticeMillis = ttlMillis * NOTICE_SHARE
  const untilNotice = () => left() - noticeMillis

  const finish = () => {
    isOver = true
    Deferred.doneUnsafe(lost, Effect.void)
  }

  const countLoss = () => {
    if (!isLost) metrics.lost++
    isLost = true
  }

  /** Whether the lease goes on, as far as is known. */
  const renewOnce = Effect.suspend(() => {
    const startedAt = now()
    return Effect.map(Effect.timeoutOption(Effect.result(renew), untilNotice()), (answer) => {
      const isRenewed = Option.isSome(answer) && Result.isSuccess(answer.value) && answer.value.success
      if (isRenewed) {
        validFrom = startedAt
        Histogram.record(metrics.renewal, now().monotonic - startedAt.monotonic)
      } else metrics.failedRenewals++
      const isGone =
        Option.isSome(answer) && (Result.isSuccess(answer.value) ? !isRenewed : isForeign(answer.value.failure))
      return { isRenewed, isGone }
    })
  })

  const watch = Effect.gen(function* () {
    let pause = ttlMillis / RENEWALS_PER_TTL
    for (;;) {
      // in whole milliseconds, or less than one would be slept again and again
      yield* Effect.sleep(Math.ceil(Math.max(0, Math.min(pause, untilNotice()))))
      if (untilNotice() <= 0) break
      const { isGone, isRenewed } = yield* renewOnce
      if (isGone) break
      pause = ttlMillis * (isRenewed ? 1 / RENEWALS_PER_TTL : RETRY_SHARE)
    }
    countLoss()
    finish()
  })
  const watchdog = yield* Effect.forkDetach(watch, { startImmediately: true })

  const lease: Lease = {
    fence,
    remaining: left,
    lost: Deferred.await(lost),
    end: Effect.gen(function* () {
      const wasValid = left() > 0
      finish()
      yield* Fiber.interrupt(watchdog)
      const wasThere = yield* release
      metrics.held--
      Histogram.record(metrics.hold, now().monotonic - heldFrom)
      if (!wasValid || !wasThere) countLoss()
      return wasValid && wasThere
    })
  }
  return lease
})

/** Somebody wrote something else over it. */
const isForeign = ({ reason }: CacheError.CacheError): boolean => reason === "WrongType"
