/**
 * A lock over Redis as the bench uses it, set up as its own documentation has it.
 */
export interface Locker {
  readonly name: string
  readonly open: (redisUrl: string) => Promise<{
    /** Runs a function while it holds the lock, however long it has to wait for it. */
    readonly withLock: (name: string, run: () => Promise<void>) => Promise<void>
    readonly close: () => Promise<unknown>
  }>
}

/** Longer than anybody holds one, in milliseconds. */
export const LEASE = 10_000

/** Who asks again and again does so every 10 ms: at the default of redlock, 200, it would mostly sleep. */
export const RETRY = 10
