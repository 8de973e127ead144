/**
 * What locks, or semaphores, count about themselves. Names of locks may hold ids, so that they are in no label.
 */
import { Histogram, Telemetry } from "@tiercache/core"
import { Effect, type Scope } from "effect"

export type Kind = "lock" | "semaphore"

/** Plain numbers, read when somebody wants to see them. */
export interface LockMetrics {
  readonly kind: Kind
  /** From asking to having it, of those that got it. */
  readonly wait: Histogram.Histogram
  /** From having it to having given it back. */
  readonly hold: Histogram.Histogram
  /** What it took to renew it. */
  readonly renewal: Histogram.Histogram
  /** From when it was given back in this process to when one who waited in this process had it. */
  readonly handOff: Histogram.Histogram
  acquired: number
  /** Others had it for all the time to wait. */
  timedOut: number
  /** The store could not be asked, or refused. */
  failed: number
  interrupted: number
  /** Ran although the store could not be reached. */
  unlocked: number
  lost: number
  failedRenewals: number
  /** Had at this moment. */
  held: number
}

export const make = (kind: Kind): LockMetrics => ({
  kind,
  wait: Histogram.make(),
  hold: Histogram.make(),
  renewal: Histogram.make(),
  handOff: Histogram.make(),
  acquired: 0,
  timedOut: 0,
  failed: 0,
  interrupted: 0,
  unlocked: 0,
  lost: 0,
  failedRenewals: 0,
  held: 0
})

/** Shows them as metrics of Effect until the scope closes. */
export const show = (metrics: LockMetrics, waiting: () => number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.map(Telemetry.make, ({ counter, gauge, histogram }) => {
    const labels = { kind: metrics.kind }
    const series = (name: string, description: string, more?: Readonly<Record<string, string>>) => ({
      name: `tiercache_lock_${name}`,
      description,
      labels: { ...labels, ...more }
    })
    const outcomes = {
      acquired: () => metrics.acquired,
      timed_out: () => metrics.timedOut,
      error: () => metrics.failed,
      interrupted: () => metrics.interrupted
    }
    for (const [outcome, read] of Object.entries(outcomes)) {
      counter(series("acquisitions_total", "Times that a lock was asked for, by what came of it.", { outcome }), read)
    }
    counter(
      series("unlocked_total", "Sections that ran without their lock, since the store was away."),
      () => metrics.unlocked
    )
    counter(series("lost_total", "Locks that were lost before they were given back."), () => metrics.lost)
    counter(series("failed_renewals_total", "Renewals that failed."), () => metrics.failedRenewals)
    gauge(series("held", "Locks that this process has."), () => metrics.held)
    gauge(series("waiting", "Calls in this process that wait for a lock."), waiting)
    histogram(series("wait_seconds", "Time from asking for a lock to having it."), metrics.wait)
    histogram(series("hold_seconds", "Time for which a lock was had."), metrics.hold)
    histogram(series("renewal_seconds", "Time that it took to renew a lock."), metrics.renewal)
    histogram(
      series("hand_off_seconds", "Time from giving a lock back to the next in this process having it."),
      metrics.handOff
    )
  })
