/**
 * Running something for as long as permits are had for it.
 */
import type { CacheError } from "@tiercache/core"
import { Duration, Effect, Exit, type Scope } from "effect"
import { LockHeld, LockLost } from "../LockError.ts"
import type { Lease } from "./lockLease.ts"
import type * as Permits from "./lockPermits.ts"

/** What a section knows of the lock or the permits that it runs under. */
export interface Held {
  readonly name: string
  /** False if it runs although the store cannot be reached, see `onUnavailable`. */
  readonly isLocked: boolean
  /**
   * Grows with each time that the lock is obtained. What is written under it can carry this number, so that whoever stores it
   * refuses what comes from an earlier holder, see `FencedWrite`. 0 if the section is not locked.
   */
  readonly fence: number
  /** Fails if the lock is lost. Asks nobody, so it costs nothing: it belongs before every step that must not happen twice. */
  readonly ensure: Effect.Effect<void, LockLost>
  /** For how long the lock is had for certain, if it were not renewed any more. */
  readonly remaining: Effect.Effect<Duration.Duration>
  /** Fails when the lock is lost, or given back. */
  readonly lost: Effect.Effect<never, LockLost>
}

/** `fail` with the `CacheError`, or run without the lock. Where others have it, neither. */
export type OnUnavailable = "fail" | "run-unlocked"

const ofLease = (name: string, lease: Lease): Held => {
  const failure = Effect.suspend(() => Effect.fail(new LockLost({ lock: name, phase: "ensure" })))
  return {
    name,
    isLocked: true,
    fence: lease.fence,
    ensure: Effect.suspend(() => (lease.remaining() > 0 ? Effect.void : failure)),
    remaining: Effect.sync(() => Duration.millis(lease.remaining())),
    lost: Effect.andThen(lease.lost, failure)
  }
}

const unlocked = (name: string): Held => ({
  name,
  isLocked: false,
  fence: 0,
  ensure: Effect.void,
  remaining: Effect.succeed(Duration.zero),
  lost: Effect.never
})

/** An effect, or one that is made from what it may know. */
export type Section<A, E, R> = Effect.Effect<A, E, R> | ((held: Held) => Effect.Effect<A, E, R>)

const effectOf = <A, E, R>(section: Section<A, E, R>, held: Held): Effect.Effect<A, E, R> =>
  Effect.isEffect(section) ? section : Effect.suspend(() => section(held))

/** Whether the store could not do it; all else is a mistake. Memory that is full is no better than a store that is away. */
const UNAVAILABLE: ReadonlySet<CacheError.Reason> = new Set(["Unavailable", "Timeout", "Refused"])

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** A lease, or none because the store cannot be reached, or refuses. */
const obtain = (
  permits: Permits.Permits,
  request: Permits.Request,
  onUnavailable: OnUnavailable | undefined,
  restore: Restore
) =>
  Effect.catchTag(permits.obtain(request, restore), "CacheError", (error) =>
    onUnavailable === "run-unlocked" && UNAVAILABLE.has(error.reason)
      ? Effect.sync(() => void permits.metrics.unlocked++)
      : Effect.fail(error)
  )

/** Runs a section, and interrupts it when the lease is lost. */
export const guard = <A, E, R>(
  lease: Lease,
  name: string,
  section: Effect.Effect<A, E, R>
): Effect.Effect<A, E | LockLost, R> =>
  Effect.suspend(() => {
    let exit: Exit.Exit<A, E> | undefined
    const noted = Effect.onExit(section, (ended) =>
      Effect.sync(() => {
        exit = ended
      })
    )
    // the loser has ended when this goes on: the error tells how
    const lost: Effect.Effect<A, E | LockLost> = Effect.suspend(() =>
      Effect.fail(new LockLost({ lock: name, phase: "section", exit }))
    )
    return Effect.flatMap(
      Effect.raceFirst(Effect.exit(noted), Effect.as(lease.lost, undefined)),
      (ended) => ended ?? lost
    )
  })

/** Obtains, runs and gives back. What a section returned does not count if the lease was over before it ended. */
export const run = <A, E, R, R2 = R>(
  permits: Permits.Permits,
  request: Permits.Request,
  onUnavailable: OnUnavailable | undefined,
  section: Section<A, E, R>,
  within: (section: Effect.Effect<A, E, R>, lease: Lease, held: Held) => Effect.Effect<A, E, R2>
): Effect.Effect<A, E | LockHeld | LockLost | CacheError.CacheError, R | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { name } = request
      const lease = yield* obtain(permits, request, onUnavailable, restore)
      if (lease === undefined) return yield* restore(effectOf(section, unlocked(name)))
      const held = ofLease(name, lease)
      const exit = yield* Effect.exit(restore(guard(lease, name, within(effectOf(section, held), lease, held))))
      const wasKept = yield* lease.end
      if (Exit.isSuccess(exit) && !wasKept) return yield* new LockLost({ lock: name, phase: "release", exit })
      return yield* exit
    })
  )

/** Obtains, and gives back when the scope closes. */
export const acquire = (
  permits: Permits.Permits,
  request: Permits.Request,
  onUnavailable: OnUnavailable | undefined
): Effect.Effect<Held, LockHeld | CacheError.CacheError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const lease = yield* obtain(permits, request, onUnavailable, restore)
      if (lease === undefined) return unlocked(request.name)
      yield* Effect.addFinalizer(() => lease.end)
      return ofLease(request.name, lease)
    })
  )
