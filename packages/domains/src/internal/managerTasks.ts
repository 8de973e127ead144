/**
 * What a manager does in the background.
 */
import { Duration, Effect } from "effect"
import type * as Maintenance from "../Maintenance.ts"

export interface Options {
  readonly onStartup: boolean
  readonly interval: Duration.Duration
  readonly maxAge: Duration.Duration
}

/** Maintains until the scope closes. What fails is logged, and tried again when it is due. */
export const make = Effect.fnUntraced(function* (
  maintenance: Maintenance.Maintenance["Service"],
  { interval, maxAge, onStartup }: Options
) {
  let count = 0
  const maintain = maintenance.run({ maxAge }).pipe(
    Effect.flatMap(({ deleted, millis, orphans, skipped, trimmed }) =>
      skipped
        ? Effect.logDebug("cache maintenance was skipped: another process does it")
        : Effect.annotateLogs(Effect.logDebug("cache maintenance is done"), { deleted, millis, orphans, trimmed })
    ),
    Effect.catchCause((cause) => Effect.logWarning("cache maintenance has failed", cause))
  )
  const later = Effect.forever(Effect.delay(maintain, interval))
  const all = onStartup ? Effect.andThen(maintain, later) : later
  const counted = Effect.ensuring(
    Effect.suspend(() => {
      count++
      return all
    }),
    Effect.sync(() => count--)
  )
  yield* Effect.forkScoped(counted, { startImmediately: true })
  return { count: () => count }
})
