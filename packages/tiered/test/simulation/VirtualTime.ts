/**
 * Time that passes only when it is told to, for clocks and for fibers alike.
 *
 * **Details**
 *
 * Nothing waits for the event loop: whatever fibers can do is done in `drain`, so that a simulation is one synchronous function
 * that does the same every time.
 */
import { type Clock, Duration, Effect, type Scheduler } from "effect"

interface Timer {
  readonly dueAt: number
  readonly run: () => void
}

export class VirtualTime {
  /** Milliseconds, whole ones. */
  now = 0
  private tasks: Array<() => void> = []
  /** The next one first. */
  private readonly timers: Array<Timer> = []

  /** After how many operations a fiber makes way for others; never, unless set. */
  operationsPerTurn = Infinity

  readonly scheduler: Scheduler.Scheduler = {
    executionMode: "sync",
    shouldYield: ({ currentOpCount }) => currentOpCount >= this.operationsPerTurn,
    makeDispatcher: () => ({ scheduleTask: (task) => this.tasks.push(task), flush: () => this.drain() })
  }

  /** Runs whatever can run now. */
  drain(): void {
    while (this.tasks.length > 0) {
      const tasks = this.tasks
      this.tasks = []
      for (const task of tasks) task()
    }
  }

  /** Gives that many turns to fibers. */
  turns(count: number): void {
    for (let turn = 0; turn < count; turn++) this.tasks.shift()?.()
  }

  /** Calls a function later; what is returned prevents that. What has no time to wait for is called in the next turn. */
  after(millis: number, run: () => void): () => void {
    if (millis <= 0) return this.soon(run)
    const timer = { dueAt: this.now + millis, run }
    const next = this.timers.findIndex(({ dueAt }) => dueAt > timer.dueAt)
    this.timers.splice(next === -1 ? this.timers.length : next, 0, timer)
    return () => {
      const index = this.timers.indexOf(timer)
      if (index !== -1) this.timers.splice(index, 1)
    }
  }

  /** Timers fire in their order. */
  advance(millis: number): void {
    const until = this.now + millis
    for (let next = this.timers[0]; next !== undefined && next.dueAt <= until; next = this.timers[0]) {
      this.timers.shift()
      this.now = Math.max(this.now, next.dueAt)
      next.run()
      this.drain()
    }
    this.now = until
  }

  /** No timer fires, as if all processes were stopped meanwhile. What was due fires when time advances again. */
  stall(millis: number): void {
    this.now += millis
  }

  /** How many timers are set. */
  pending(): number {
    return this.timers.length
  }

  private soon(run: () => void): () => void {
    let isCancelled = false
    this.tasks.push(() => {
      if (!isCancelled) run()
    })
    return () => {
      isCancelled = true
    }
  }

  /** The clock of a process, whose monotonic time is ahead by `offset` milliseconds, and whose wall clock by as many minutes. */
  clock(offset: number): Clock.Clock {
    const monotonic = () => BigInt(this.now + offset) * 1_000_000n
    const wall = () => this.now + offset * 60_000
    return {
      currentTimeMillisUnsafe: wall,
      currentTimeMillis: Effect.sync(wall),
      currentTimeNanosUnsafe: () => BigInt(wall()) * 1_000_000n,
      currentTimeNanos: Effect.sync(() => BigInt(wall()) * 1_000_000n),
      monotonicTimeNanosUnsafe: monotonic,
      monotonicTimeNanos: Effect.sync(monotonic),
      sleep: (duration) =>
        Effect.callback<void>((resume) => {
          const cancel = this.after(Duration.toMillis(duration), () => resume(Effect.void))
          return Effect.sync(cancel)
        })
    }
  }
}
