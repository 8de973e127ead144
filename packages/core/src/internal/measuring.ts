/**
 * Times operations.
 */
import { Effect, Exit } from "effect"
import * as Histogram from "../Histogram.ts"
import type * as Metrics from "../Metrics.ts"
import type * as MonotonicClock from "../MonotonicClock.ts"

/** Begins to time a call; what comes back ends it. */
export type Timer = () => (exit: Exit.Exit<unknown, unknown>) => undefined

/** `onFirst` is called before the first call is counted. */
export const timer = (
  operation: Metrics.OperationCounters,
  now: MonotonicClock.Now,
  slowMillis: number,
  onFirst: () => void
): Timer => {
  let isFirst = true
  return () => {
    const startedAt = now()
    return (exit) => {
      if (isFirst) onFirst()
      isFirst = false
      const millis = now() - startedAt
      Histogram.record(operation.latency, millis)
      if (millis >= slowMillis) operation.slow++
      if (Exit.isSuccess(exit)) return
      if (Exit.hasInterrupts(exit)) operation.interrupted++
      else operation.errors++
    }
  }
}

export const measured = <A, E, R>(effect: Effect.Effect<A, E, R>, begin: Timer): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const end = begin()
    return Effect.onExitPrimitive(effect, (exit) => end(exit))
  })

/** For a cache that measures nothing. */
export const none: Metrics.Domain["measure"] = (_, effect) => effect
