/**
 * Running Effects for those who `await`.
 */
import { type Context, Effect, Latch, Option, Stream } from "effect"

export interface Running {
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
  /** As `run`, and rejects as promises do when they are aborted. */
  readonly runAbortable: <A, E>(effect: Effect.Effect<A, E>, options?: Abortable) => Promise<A>
  /** As `runAbortable`, for what changes something: `settled` waits for it. */
  readonly runWrite: Running["runAbortable"]
  readonly iterate: <A, E>(stream: Stream.Stream<A, E>) => AsyncIterable<A>
  /** Waits until no write is under way, though not for ever; whether none is. */
  readonly settled: () => Promise<boolean>
}

interface Abortable {
  readonly signal?: AbortSignal | undefined
}

/** Longer than Redis may take for an operation, unless told otherwise. */
const PATIENCE = "5 seconds"

export const make = (context: Context.Context<never>): Running => {
  const run = Effect.runPromiseWith(context)
  const isIdle = Latch.makeUnsafe(true)
  let writes = 0

  const runAbortable: Running["runAbortable"] = (effect, options = {}) => {
    const { signal } = options
    if (signal === undefined) return run(effect)
    // it would begin all the same, and with it the loader
    if (signal.aborted) return Promise.reject(signal.reason)
    return run(effect, { signal }).catch((error: unknown) => Promise.reject(signal.aborted ? signal.reason : error))
  }

  const ended = Effect.sync(() => {
    if (--writes === 0) isIdle.openUnsafe()
  })
  const counted = <A, E>(write: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      if (++writes === 1) isIdle.closeUnsafe()
      return Effect.ensuring(write, ended)
    })

  return {
    run: (effect) => run(effect),
    runAbortable,
    runWrite: (effect, options) => runAbortable(counted(effect), options),
    iterate: (stream) => Stream.toAsyncIterableWith(stream, context),
    settled: () => run(Effect.map(Effect.timeoutOption(isIdle.await, PATIENCE), Option.isSome))
  }
}
