/**
 * How values are loaded and kept: for a kind of data (`Entity`), and for one call.
 */
import { DateTime, Predicate } from "effect"
import * as CacheError from "./CacheError.ts"
import * as Ttl from "./Ttl.ts"

/**
 * When to load a fresh value anew, so that readers of hot keys never wait: when less than this time is left; or at random, the
 * sooner the longer loads take. The latter is XFetch: Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede
 * Prevention" (VLDB 2015); `xfetch` is its beta, and 1 is what they recommend. Its load time is the mean of the loads of this
 * kind of data in this process.
 */
export type RefreshAhead = Ttl.Input | { readonly xfetch: number }

export interface Options<in A> {
  /**
   * How long a value is fresh; or how to tell from the value and the time. `undefined` from a function says that this value is not
   * kept: a load hands it to its callers and stores nothing, a write deletes what was there.
   */
  readonly ttl?: Ttl.Input | ((value: A, now: DateTime.Utc) => Ttl.Input | undefined) | undefined
  /** When a value ends by itself, as a token does: no TTL goes beyond, those of calls included. What has ended is not kept. */
  readonly expiresAt?: ((value: A) => DateTime.Utc | undefined) | undefined
  /** Takes a random part, up to this one (from 0 to 1), off each TTL, so that entries do not expire all at once. */
  readonly jitter?: number | undefined
  /** How long it is remembered that there is no value; not at all unless given. */
  readonly negativeTtl?: Ttl.Input | undefined
  /** How long a value is kept beyond its TTL, for the two uses that follow. None unless given. What was deleted is not kept. */
  readonly grace?: Ttl.Input | undefined
  /** Returns what is kept if the load fails or takes longer than `hardTimeout`. True unless given. */
  readonly staleIfError?: boolean | undefined
  /** Returns what is kept at once, and loads in the background, whether that fails or not. False unless given. */
  readonly staleWhileRevalidate?: boolean | undefined
  readonly refreshAhead?: RefreshAhead | undefined
  /** Returns what is kept if the load takes longer, and goes on loading in the background. */
  readonly softTimeout?: Ttl.Input | undefined
  /**
   * Fails a caller who waited that long, with reason `Timeout`, and interrupts a load that took that long. Loads for which nobody
   * waits are interrupted after 30 seconds in any case.
   */
  readonly hardTimeout?: Ttl.Input | undefined
  /** Goes on loading when the last caller was interrupted. False unless given. */
  readonly background?: boolean | undefined
  /**
   * For how long nobody, in any process, tries again after a failed load; callers then fail with reason `LoadFailed`. Unless given,
   * as long as a stale value is there, which callers get instead, but 1 second at most; if there is none, the next caller tries again.
   */
  readonly backoff?: Ttl.Input | undefined
}

/** Options with their numbers checked and their defaults filled in; milliseconds. */
export interface LoadPolicy<in A> {
  /** With jitter taken off; 0 if it is not kept. Throws a `CacheError` with reason `InvalidOption` if the function returns what is no TTL. */
  readonly ttlMillis: (value: A) => number
  /** What of a TTL that is not the policy's remains for a value, with jitter taken off; 0 if the value is not kept. */
  readonly ownTtlMillis: (value: A, millis: number) => number
  /** Likewise, where it is not to take off jitter. */
  readonly untilExpiry: (value: A, millis: number) => number
  readonly jitter: number
  /** Likewise; `undefined` if an absence is not to be remembered. */
  readonly negativeMillis: () => number | undefined
  readonly graceMillis: number
  readonly staleIfError: boolean
  /** After which time a stale value is returned instead of waiting; `undefined` is never. */
  readonly softMillis: number | undefined
  readonly hardMillis: number | undefined
  /** How long a lease lasts unless it is renewed. */
  readonly leaseMillis: number
  /** A time before the end of freshness, or XFetch's beta. */
  readonly refreshAheadMillis: number | undefined
  readonly xfetch: number | undefined
  readonly background: boolean
  readonly backoffMillis: number | undefined
}

/** How soon another process takes over from one that died, at the latest. Longer loads renew their leases. */
const MAX_LEASE_MILLIS = 10_000

/** A shorter lease could end before Redis has answered. */
const MIN_LEASE_MILLIS = 1000

/** What options leave open. */
export interface Defaults {
  readonly ttl: Ttl.Input
  /** Gives numbers from 0 to 1. */
  readonly random: () => number
  /** The wall clock, which what comes from elsewhere expires by. */
  readonly wallClock: () => DateTime.Utc
}

/** The options of a kind of data with those of a call; what a call gives as `undefined` it leaves out. */
export const withCall = <A>(own: Options<A>, call: Options<A>): Required<Options<A>> => ({
  ttl: call.ttl ?? own.ttl,
  expiresAt: own.expiresAt ?? call.expiresAt,
  jitter: call.jitter ?? own.jitter,
  negativeTtl: call.negativeTtl ?? own.negativeTtl,
  grace: call.grace ?? own.grace,
  staleIfError: call.staleIfError ?? own.staleIfError,
  staleWhileRevalidate: call.staleWhileRevalidate ?? own.staleWhileRevalidate,
  refreshAhead: call.refreshAhead ?? own.refreshAhead,
  softTimeout: call.softTimeout ?? own.softTimeout,
  hardTimeout: call.hardTimeout ?? own.hardTimeout,
  background: call.background ?? own.background,
  backoff: call.backoff ?? own.backoff
})

/** Throws a `CacheError` with reason `InvalidOption` for what `resolve` would not take. */
export const check = <A>(operation: string, options: Options<A>): void => {
  resolve(operation, options, { ttl: "1 second", random: () => 0, wallClock: () => DateTime.makeUnsafe(0) })
}

/** Checks options, and fills in what they leave open. Throws a `CacheError` with reason `InvalidOption`. */
export const resolve = <A>(operation: string, options: Options<A>, defaults: Defaults): LoadPolicy<A> => {
  const { random, ttl, wallClock } = defaults
  const toMillis = (input: Ttl.Input) => Ttl.toMillisUnsafe(operation, input)
  const millis = (input: Ttl.Input | undefined) => (input === undefined ? undefined : toMillis(input))
  const invalid = (problem: string) => CacheError.make(operation, "InvalidOption", problem)
  const { refreshAhead } = options
  const jitter = options.jitter ?? 0
  if (!(jitter >= 0 && jitter <= 1)) throw invalid(`jitter is a number from 0 to 1; got ${jitter}`)
  const isXFetch = Predicate.isObject(refreshAhead) && "xfetch" in refreshAhead
  if (isXFetch && !(refreshAhead.xfetch > 0)) throw invalid(`xfetch is a number above 0; got ${refreshAhead.xfetch}`)
  const isRevalidated = options.staleWhileRevalidate === true
  const hardMillis = millis(options.hardTimeout)
  const negativeMillis = millis(options.negativeTtl)
  const given = options.ttl ?? ttl
  const fixed = typeof given === "function" ? undefined : toMillis(given)
  const jittered = (millis: number) => Math.max(1, Math.round(millis * (1 - jitter * random())))
  const untilExpiry = (value: A, millis: number) => {
    const end = options.expiresAt?.(value)
    if (end === undefined) return millis
    return Math.max(0, Math.min(millis, Math.floor(DateTime.toEpochMillis(end) - DateTime.toEpochMillis(wallClock()))))
  }
  /** The message of `toMillis` would quote what was taken from the value. */
  const ownMillis = (own: Ttl.Input | undefined) => {
    try {
      return own === undefined ? 0 : jittered(toMillis(own))
    } catch {
      throw invalid("`ttl` returned for a value what is no TTL")
    }
  }
  return {
    ttlMillis: (value) =>
      untilExpiry(value, typeof given === "function" ? ownMillis(given(value, wallClock())) : jittered(fixed ?? 0)),
    ownTtlMillis: (value, millis) => untilExpiry(value, jittered(millis)),
    untilExpiry,
    jitter,
    negativeMillis: () => (negativeMillis === undefined ? undefined : jittered(negativeMillis)),
    graceMillis: millis(options.grace) ?? 0,
    staleIfError: isRevalidated || (options.staleIfError ?? true),
    softMillis: isRevalidated ? 0 : millis(options.softTimeout),
    hardMillis,
    leaseMillis: Math.min(MAX_LEASE_MILLIS, Math.max(MIN_LEASE_MILLIS, hardMillis ?? MAX_LEASE_MILLIS)),
    refreshAheadMillis: isXFetch ? undefined : millis(refreshAhead),
    xfetch: isXFetch ? refreshAhead.xfetch : undefined,
    background: options.background ?? false,
    backoffMillis: millis(options.backoff)
  }
}

interface Deadlines {
  readonly freshUntil: number
  readonly goneAfter: number
}

/** Whether a value may be returned although its TTL is over: it is kept, and this policy keeps it as long. */
export const mayBeServedStale = <A>(policy: LoadPolicy<A>, entry: Deadlines, now: number): boolean =>
  now < servedStaleUntil(policy, entry)

/** Until when a value may be returned. */
export const servedStaleUntil = <A>({ graceMillis }: LoadPolicy<A>, { freshUntil, goneAfter }: Deadlines): number =>
  Math.min(goneAfter, freshUntil + graceMillis)
