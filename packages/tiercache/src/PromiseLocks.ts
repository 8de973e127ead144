/**
 * Locks for those who `await`.
 */
import type { CacheKey } from "@tiercache/core"
import type { Lock } from "@tiercache/domains"
import { type Context, Duration, Effect } from "effect"

/** What a section knows of the lock that it runs under, see `Lock.Held`. */
export interface PromiseHeld {
  /** Grows with each time that the lock is obtained; 0 if the section runs without the lock, see `onUnavailable`. */
  readonly fence: number
  readonly isLocked: boolean
  /** Aborted when the lock is lost, and when the caller's signal is. A section that ignores it is waited for all the same. */
  readonly signal: AbortSignal
  /** Throws a `LockLost` if the lock is lost. Asks nobody, so it costs nothing. */
  readonly ensure: () => void
  /** For how many milliseconds the lock is had for certain, if it were not renewed any more. */
  readonly remaining: () => number
}

export interface PromiseLockOptions extends Omit<Lock.Options, "reentrant"> {
  /** Ends the waiting, and aborts the section. Rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface PromiseLocks {
  /**
   * Runs a function while no other process runs one under the same name.
   *
   * **Details**
   *
   * Rejects with `LockHeld` if others had the lock for all the time to wait, with `LockLost` if it was lost meanwhile, with `CacheError` if
   * the store cannot be reached, and with what the function rejects with. It settles when the function has: the lock is not given
   * back before.
   *
   * **Example**
   *
   * ```ts import.meta.vitest
   * import { createCache } from "tiercache"
   *
   * await using cache = await createCache()
   * const options = { ttl: "10 seconds", wait: "2 seconds" } as const
   * const result = await cache.withLock("rebalance:acct-1", options, async ({ ensure }) => {
   *   ensure()
   *   return "rebalanced"
   * })
   * result // => "rebalanced"
   * ```
   */
  readonly withLock: <A>(
    name: CacheKey.Input,
    options: PromiseLockOptions,
    section: (held: PromiseHeld) => A | PromiseLike<A>
  ) => Promise<A>
}

export const make = (lock: Lock.Lock["Service"], context: Context.Context<never>): PromiseLocks => {
  const run = Effect.runPromiseWith(context)
  const runSync = Effect.runSyncWith(context)

  const heldOf = (held: Lock.Held, signal: AbortSignal): PromiseHeld => ({
    fence: held.fence,
    isLocked: held.isLocked,
    signal,
    ensure: () => runSync(held.ensure),
    remaining: () => Duration.toMillis(runSync(held.remaining))
  })

  return {
    // async, so that what is thrown is a rejection
    withLock: async (name, { signal, ...options }, section) => {
      const locked = lock.withLock(name, options)((held) => settling((aborted) => section(heldOf(held, aborted))))
      if (signal === undefined) return run(locked)
      return run(locked, { signal }).catch((error: unknown) => Promise.reject(signal.aborted ? signal.reason : error))
    }
  }
}

/** A function as an Effect. Interrupting it aborts its signal and waits until it has settled: until then it may still do something. */
const settling = <A>(section: (signal: AbortSignal) => A | PromiseLike<A>): Effect.Effect<A, unknown> =>
  Effect.callback<A, unknown>((resume) => {
    const controller = new AbortController()
    const settled = (async () => section(controller.signal))().then(
      (value) => resume(Effect.succeed(value)),
      (error: unknown) => resume(Effect.fail(error))
    )
    return Effect.promise(() => {
      controller.abort()
      return settled
    })
  })
