/**
 * Rate limits as data: how much a subject may do in which time, by which algorithm, and what happens when nobody can tell.
 *
 * **Details**
 *
 * A policy has a name, and owns its limit and its window: two calls that name the same policy count in the same place.
 * `RateLimiter` applies it to subjects: users, addresses, connections.
 *
 * | policy           | promises                                          | keeps         |
 * | ---------------- | ------------------------------------------------- | ------------- |
 * | `gcra`           | a rate, and a burst on top of it                  | one number    |
 * | `fixedWindow`    | the limit in each window; twice that around a border | two numbers |
 * | `slidingCounter` | the limit in a window that slides, estimated      | three numbers |
 * | `exactLog`       | never more than the limit in any window           | a time per unit |
 * | `concurrency`    | so many at the same time                          | a time per slot |
 *
 * **Gotchas**
 *
 * Whoever changes the limit of a policy that is in use changes it for all subjects at once, and nobody is denied for longer than
 * the new limit explains.
 */
import { CacheError, Ttl } from "@tiercache/core"

export { Decision, RateLimited, Source, type Verdict } from "./RateLimitDecision.ts"

/**
 * What a limit answers while its store cannot: that all is allowed, that nothing is, or what a count in this process says. That
 * count applies the whole limit (`"local"`) or a share of it, such as 0.25 in each of four processes.
 */
export type OnStoreFailure = "allow" | "deny" | "local" | { readonly local: number }

/** What all policies have in common. */
export interface Options<Priority extends string = never> {
  /** What a policy answers while the store cannot be asked; `"allow"` unless given. */
  readonly onStoreFailure?: OnStoreFailure | undefined
  /** How long the store may take; 100 ms unless given. */
  readonly deadline?: Ttl.Input | undefined
  /**
   * How long a denial may be answered from this process' memory: never longer than it holds, and only to the same question. Not at
   * all unless given, since a refund or reset by another process is not heard of.
   */
  readonly denyCache?: Ttl.Input | undefined
  /** Counts and decides, but denies nobody: `Decision.shadowed` says what would have been denied. */
  readonly shadow?: boolean | undefined
  /** The share of the limit that calls of a priority may use up, above 0 and at most 1. Calls without a priority may use all. */
  readonly priorities?: Readonly<Record<Priority, number>> | undefined
}

/** What applies to a policy's calls, checked. */
export interface Rules<out Priority extends string = string> {
  readonly name: string
  /** The most that one call can get, and `Decision.limit`. */
  readonly limit: number
  /** The time in which a limit that is used up is available again. */
  readonly windowMicros: number
  readonly onStoreFailure: "allow" | "deny" | "local"
  /** Of the limit, for what counts in this process. */
  readonly localShare: number
  readonly deadlineMillis: number
  readonly denyCacheMicros: number
  readonly isShadow: boolean
  readonly shares: ReadonlyMap<Priority, number>
}

export interface Gcra<out Priority extends string = string> extends Rules<Priority> {
  readonly algorithm: "gcra"
  /** From one unit to the next at the steady rate. */
  readonly spacingMicros: number
  readonly maxWaitMicros: number
}

export interface FixedWindow<out Priority extends string = string> extends Rules<Priority> {
  readonly algorithm: "fixedWindow"
  readonly isAligned: boolean
}

export interface SlidingCounter<out Priority extends string = string> extends Rules<Priority> {
  readonly algorithm: "slidingCounter"
}

export interface ExactLog<out Priority extends string = string> extends Rules<Priority> {
  readonly algorithm: "exactLog"
}

/** What limits how much is done in a time. */
export type Policy<Priority extends string = string> =
  | Gcra<Priority>
  | FixedWindow<Priority>
  | SlidingCounter<Priority>
  | ExactLog<Priority>

/** What limits how many do it at the same time. */
export interface Concurrency<out Priority extends string = string> extends Rules<Priority> {
  readonly algorithm: "concurrency"
}

/** Products of a limit and a window in milliseconds, and sums of three of them, are exact up to here. */
const MAX_SLIDING_PRODUCT = 2 ** 51

/** 31 years in microseconds: added to the time of today it is still far below 2^53. */
const MAX_MICROS = 1e15

const MAX_LIMIT = 1e9

/** Each unit takes an entry in a list, and up to so many are written in one step. */
const MAX_LOGGED = 10_000

/** The spacing of units is rounded up to whole microseconds: here by less than 1 %. */
const MIN_SPACING_MICROS = 100

const DEFAULT_DEADLINE = "100 millis"
const DEFAULT_LEASE = "30 seconds"

export interface GcraOptions<Priority extends string = never> extends Options<Priority> {
  /** Units per period, in the long run. */
  readonly limit: number
  readonly period: Ttl.Input
  /** Units at one instant, after a rest; `limit` unless given. */
  readonly burst?: number | undefined
  /** The longest that `reserve` may make somebody wait; it cannot be used unless given. */
  readonly maxWait?: Ttl.Input | undefined
}

/**
 * A steady rate with room for a burst: the generic cell rate algorithm (ITU-T I.371, annex A), which is a leaky bucket and a token
 * bucket at once.
 *
 * **Details**
 *
 * Each unit moves one number, the theoretical arrival time, by period / limit. In any time t no more than
 * burst + t · limit / period units pass; so to never pass n in a window of w, choose burst + limit · w / period ≤ n.
 *
 * Throws a `CacheError` with reason `InvalidOption` for more than 10 000 units a second, which one key cannot count exactly.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { RateLimit } from "@tiercache/domains"
 *
 * const orders = RateLimit.gcra("api_orders", { limit: 100, period: "1 minute", burst: 20 })
 * orders.limit // => 20
 * ```
 */
export const gcra = <Priority extends string = never>(name: string, options: GcraOptions<Priority>): Gcra<Priority> => {
  const limit = integer(name, "limit", options.limit, MAX_LIMIT)
  const burst = integer(name, "burst", options.burst ?? limit, MAX_LIMIT)
  const spacing = micros(options.period) / limit
  const spacingMicros = Math.ceil(spacing)
  const maxWaitMicros = options.maxWait === undefined ? 0 : micros(options.maxWait)
  const windowMicros = burst * spacingMicros
  if (spacing < MIN_SPACING_MICROS) throw invalid(name, "allows more than 10 000 units a second")
  if (windowMicros + maxWaitMicros > MAX_MICROS) throw invalid(name, "fills up its burst in more than 31 years")
  return {
    algorithm: "gcra",
    ...rules(name, burst, windowMicros, options),
    spacingMicros,
    maxWaitMicros
  }
}

export interface WindowOptions<Priority extends string = never> extends Options<Priority> {
  readonly limit: number
  readonly window: Ttl.Input
}

export interface FixedWindowOptions<Priority extends string = never> extends WindowOptions<Priority> {
  /**
   * A window begins with the first call after the last one (`"first"`, unless given), or at the multiples of its length since
   * 1970 (`"clock"`): days begin at midnight UTC. In memory these are counted from an arbitrary moment.
   */
  readonly align?: "first" | "clock" | undefined
}

/**
 * So much in each window, counted anew in the next: what quotas and billing mean. Around the border of two windows twice the limit
 * can pass in less than a window.
 */
export const fixedWindow = <Priority extends string = never>(
  name: string,
  options: FixedWindowOptions<Priority>
): FixedWindow<Priority> => {
  const limit = integer(name, "limit", options.limit, MAX_LIMIT)
  const isAligned = options.align === "clock"
  if (!isAligned && options.align !== undefined && options.align !== "first") {
    throw invalid(name, 'has an `align` that is neither "first" nor "clock"')
  }
  return { algorithm: "fixedWindow", ...rules(name, limit, windowMicros(name, options), options), isAligned }
}

/**
 * The count of the current window plus that of the last one, weighted by how much of it the sliding window still covers. Exact if
 * the last window's calls were spread evenly; at worst, twice the limit passes in a window. The estimate is described by
 * Cloudflare ("How we built rate limiting capable of scaling to millions of domains", 2017).
 */
export const slidingCounter = <Priority extends string = never>(
  name: string,
  options: WindowOptions<Priority>
): SlidingCounter<Priority> => {
  const limit = integer(name, "limit", options.limit, MAX_LIMIT)
  const window = windowMicros(name, options)
  if ((limit * window) / 1000 > MAX_SLIDING_PRODUCT) {
    throw invalid(name, "is beyond what can be counted exactly: limit times window in milliseconds is at most 2^51")
  }
  return { algorithm: "slidingCounter", ...rules(name, limit, window, options) }
}

/**
 * Never more than the limit in any window, however calls fall: the time of each unit is kept. For small limits that somebody else
 * enforces, such as a broker's; at most 10 000.
 */
export const exactLog = <Priority extends string = never>(
  name: string,
  options: WindowOptions<Priority>
): ExactLog<Priority> => {
  const limit = integer(name, "limit", options.limit, MAX_LOGGED)
  return { algorithm: "exactLog", ...rules(name, limit, windowMicros(name, options), options) }
}

export interface ConcurrencyOptions<Priority extends string = never> extends Options<Priority> {
  /** Slots. */
  readonly limit: number
  /** How long the slot of a process that died stays taken; 30 seconds unless given. */
  readonly lease?: Ttl.Input | undefined
}

/**
 * So many at the same time, each for as long as it takes. Slots are leased and renewed, so those of a process that died come back;
 * a process that cannot renew for a whole lease goes on without its slot.
 */
export const concurrency = <Priority extends string = never>(
  name: string,
  options: ConcurrencyOptions<Priority>
): Concurrency<Priority> => {
  const limit = integer(name, "limit", options.limit, MAX_LOGGED)
  const lease = windowMicros(name, { window: options.lease ?? DEFAULT_LEASE })
  return { algorithm: "concurrency", ...rules(name, limit, lease, options) }
}

/** What headers can carry, see RFC 9651, section 3.3.3. */
const NAME = /^[\x20-\x7e]{1,100}$/

const rules = <Priority extends string>(
  name: string,
  limit: number,
  windowMicros: number,
  options: Options<Priority>
): Rules<Priority> => {
  if (!NAME.test(name)) throw invalid(name, "has a name that is not 1 to 100 printable ASCII characters")
  const [onStoreFailure, localShare] = failureOf(name, options.onStoreFailure)
  const shares = new Map<Priority, number>()
  for (const priority in options.priorities) shares.set(priority, shareOf(name, options.priorities[priority]))
  return {
    name,
    limit,
    windowMicros,
    onStoreFailure,
    localShare,
    deadlineMillis: Ttl.toMillisUnsafe("RateLimit", options.deadline ?? DEFAULT_DEADLINE),
    denyCacheMicros: options.denyCache === undefined ? 0 : micros(options.denyCache),
    isShadow: options.shadow === true,
    shares
  }
}

const failureOf = (name: string, input: OnStoreFailure = "allow"): readonly ["allow" | "deny" | "local", number] => {
  if (input === "allow" || input === "deny" || input === "local") return [input, 1]
  if (typeof input === "object" && input !== null) return ["local", shareOf(name, input.local)]
  throw invalid(name, 'has an `onStoreFailure` that is neither "allow", "deny", "local" nor { local: share }')
}

const shareOf = (name: string, share: number): number => {
  if (share > 0 && share <= 1) return share
  throw invalid(name, "has a share that is not above 0 and at most 1")
}

const integer = (name: string, option: string, value: number, most: number): number => {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw invalid(name, `has a \`${option}\` that is no integer from 1 to ${most}`)
}

const micros = (ttl: Ttl.Input): number => Ttl.toMillisUnsafe("RateLimit", ttl) * 1000

const windowMicros = (name: string, { window }: { readonly window: Ttl.Input }): number => {
  const length = micros(window)
  if (length <= MAX_MICROS) return length
  throw invalid(name, "has a window of more than 31 years")
}

const invalid = (name: string, problem: string) =>
  CacheError.make("RateLimit", "InvalidOption", `the policy ${JSON.stringify(name)} ${problem}`)
