/**
 * Time for deadlines inside one process.
 *
 * **Details**
 *
 * Milliseconds, with fractions, from an arbitrary origin, never set back. Deadlines in memory are measured with it, so a
 * wall clock that is corrected by an hour changes nothing. It follows Effect's `Clock`, so `TestClock` moves it.
 */
import { Clock, Context, Effect } from "effect"

/** Reads the monotonic time in milliseconds. */
export type Now = () => number

/** The clock of the running fiber as a plain function: what hot paths call instead of an Effect. */
export const now: Effect.Effect<Now> = Effect.clockWith((clock) => Effect.succeed(fromClock(clock)))

/** `performance.now` for Effect's live clock (it allocates no bigint), the clock's own monotonic time for any other. */
export const fromClock = (clock: Clock.Clock): Now =>
  clock === liveClock ? performanceNow : () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

const liveClock = Context.get(Context.empty(), Clock.Clock)

const { Date: realDate, performance: realPerformance } = globalThis

/**
 * `performance` is a getter of the global object, which costs as much as the rest of a hit, so it is read once. The fake timers of a
 * test runner replace it, and with it `Date`, which costs nothing to look at.
 */
const performanceNow: Now = () => (Date === realDate ? realPerformance : performance).now()
