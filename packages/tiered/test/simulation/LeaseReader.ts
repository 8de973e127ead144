/**
 * Reads through a cache with leases, as simply as the protocol allows.
 */
import { type CacheBackend, CacheError, type Lease, Snapshot } from "@tiercache/core"
import { Effect, Exit, Latch } from "effect"
import type { Found } from "./History.ts"
import type { DatabaseFailed } from "./Loads.ts"
import { codec, write } from "./Values.ts"

/** So short that many end before what was loaded is stored, in milliseconds. */
const LEASE_MILLIS = 60

/** How often a lease is renewed while it is needed. */
const RENEWALS_PER_LEASE = 3

export interface Options {
  /** Loads what is fresh, too. */
  readonly always: boolean
  readonly ttlMillis: number
  readonly graceMillis: number
  readonly push: boolean
  /** For how long nobody tries again after a load has failed. */
  readonly backoffMillis: number
}

export interface LeaseReader {
  readonly read: (key: string, options: Options) => Effect.Effect<Found, CacheError.CacheError | DatabaseFailed>
  /** How many wait for somebody else's load. */
  readonly waiting: () => number
}

interface Parts {
  readonly backend: CacheBackend.CacheBackend["Service"]
  readonly load: (key: string) => Effect.Effect<number, DatabaseFailed>
  /** Whether who waits looks again when the lease should have ended, and when messages may have been missed. */
  readonly looksAgain: boolean
}

/** Listens until the scope closes. */
export const make = Effect.fnUntraced(function* ({ backend, load, looksAgain }: Parts) {
  const waiting = new Set<{ readonly key: string; readonly wake: Latch.Latch }>()

  const wakeAll = () => {
    for (const { wake } of waiting) wake.openUnsafe()
  }
  yield* backend.listen({
    onMessage: ({ keys, kind }) => {
      if (kind === "flush" || kind === "pattern") return wakeAll()
      for (const { key, wake } of waiting) if (keys.includes(key)) wake.openUnsafe()
    },
    onConnected: () => looksAgain && wakeAll(),
    onDisconnected: () => {}
  })

  const read = (key: string, options: Options): Effect.Effect<Found, CacheError.CacheError | DatabaseFailed> =>
    Effect.suspend(() => {
      const waiter = { key, wake: Latch.makeUnsafe(false) }
      const token = backend.leases.token()
      const when = options.always ? "always" : "stale"
      return Effect.suspend(() => {
        // before the lease is asked for, or its end might be told before anybody listens
        waiting.add(waiter)
        return backend.leases.take([key], codec, { token, millis: LEASE_MILLIS, when })
      }).pipe(
        Effect.flatMap(([lease]) => settle(key, token, lease, waiter.wake, options)),
        Effect.ensuring(Effect.sync(() => waiting.delete(waiter)))
      )
    })

  const settle = (
    key: string,
    token: string,
    lease: Lease.Lease<number> | undefined,
    wake: Latch.Latch,
    options: Options
  ): Effect.Effect<Found, CacheError.CacheError | DatabaseFailed> => {
    if (lease?._tag === "Hit" && lease.entry.value !== undefined) {
      const { isDistrusted, tier, value } = lease.entry
      return Effect.succeed({ value, tier, isDistrusted: isDistrusted === true, isStale: false })
    }
    if (lease?._tag === "Granted") return loadUnder(key, token, options)
    if (lease?._tag !== "Held") return Effect.fail(CacheError.make("read", "LoadFailed", "the last load failed"))
    const settled = looksAgain ? Effect.raceFirst(wake.await, Effect.sleep(lease.millis)) : wake.await
    return Effect.andThen(settled, read(key, { ...options, always: false }))
  }

  const loadUnder = (key: string, token: string, options: Options) => {
    const renew = Effect.sleep(LEASE_MILLIS / RENEWALS_PER_LEASE).pipe(
      Effect.andThen(Effect.ignore(backend.leases.renew([key], token, LEASE_MILLIS))),
      Effect.forever
    )
    const loaded = Effect.onExit(Effect.raceFirst(load(key), renew), (exit) =>
      Effect.ignore(
        Exit.isSuccess(exit)
          ? fill(key, token, exit.value, options)
          : backend.leases.release([key], token, { failedForMillis: options.backoffMillis })
      )
    )
    return Effect.map(loaded, (value): Found => ({ value, tier: "loader", isDistrusted: false, isStale: false }))
  }

  const fill = (key: string, token: string, value: number, { graceMillis, push, ttlMillis }: Options) => {
    const snapshot = Snapshot.make(codec, value, key)
    return backend.leases.fill([{ key, snapshot, payload: write(value), ttlMillis, graceMillis }], { token, push })
  }

  const reader: LeaseReader = { read, waiting: () => waiting.size }
  return reader
})
