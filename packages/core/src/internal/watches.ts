/**
 * What is due while something lasts, by one fiber for all of them: most of what is watched ends long before anything is due.
 */
import { Effect, type Fiber } from "effect"
import type * as MonotonicClock from "../MonotonicClock.ts"

export interface Watches {
  /** Calls back at a time or soon after it; what that returns is the next time. What is returned ends the watch. */
  readonly add: (dueAt: number, onDue: (time: number) => number) => () => void
}

interface Watch {
  dueAt: number
  readonly onDue: (time: number) => number
}

/** As long as anything is watched, a fiber of `runFork` sleeps. */
export const make = (now: MonotonicClock.Now, runFork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>): Watches => {
  const watches = new Set<Watch>()
  let wakeAt = Infinity
  let sleeper: Fiber.Fiber<void> | undefined

  const sleepUntil = (time: number) => {
    sleeper?.interruptUnsafe()
    wakeAt = time
    const millis = Math.max(0, Math.ceil(time - now()))
    sleeper = runFork(Effect.andThen(Effect.sleep(millis), Effect.sync(wake)))
  }

  const wake = () => {
    sleeper = undefined
    wakeAt = Infinity
    const time = now()
    let next = Infinity
    for (const watch of Array.from(watches)) {
      // what one does may end another
      if (!watches.has(watch)) continue
      if (time >= watch.dueAt) watch.dueAt = watch.onDue(time)
      if (watches.has(watch)) next = Math.min(next, watch.dueAt)
    }
    if (next < wakeAt) sleepUntil(next)
  }

  return {
    add: (dueAt, onDue) => {
      const watch: Watch = { dueAt, onDue }
      watches.add(watch)
      if (dueAt < wakeAt) sleepUntil(dueAt)
      return () => {
        if (!watches.delete(watch) || watches.size > 0) return
        sleeper?.interruptUnsafe()
        sleeper = undefined
        wakeAt = Infinity
      }
    }
  }
}
