/**
 * How long an entry lives.
 */
import { Duration, Formatter, Option, Predicate } from "effect"
import * as CacheError from "./CacheError.ts"

/**
 * A time to live: `"5 seconds"`, `Duration.minutes(1)`, `{ minutes: 5 }`.
 *
 * **Gotchas**
 *
 * A bare number does not compile: libraries disagree whether it is seconds or milliseconds.
 */
export type Input = Exclude<Duration.Input, number | bigint | readonly [number, number] | "Infinity" | "-Infinity">

/** 100 years: a deadline stays far below 2^48 ms, what an envelope holds, and far above what a cache is for. */
const MAX_MILLIS = 100 * 365.25 * 24 * 3_600_000

/**
 * The milliseconds of a TTL, rounded up to whole ones: Redis' unit.
 *
 * **Details**
 *
 * Throws a `CacheError` with reason `InvalidOption` for what is no duration, is not above zero, or is above 100 years.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Ttl } from "@tiercache/core"
 *
 * Ttl.toMillisUnsafe("set", "5 seconds") // => 5000
 * ```
 */
export const toMillisUnsafe = (operation: string, ttl: Input): number => {
  const millis = typeof ttl === "string" ? parsed(ttl) : isInput(ttl) ? durationMillis(ttl) : NaN
  if (millis > 0 && millis <= MAX_MILLIS) return Math.ceil(millis)
  const got = Duration.isDuration(ttl) ? Duration.format(ttl) : Formatter.format(ttl).slice(0, 40)
  throw CacheError.make(
    operation,
    "InvalidOption",
    `a TTL is a duration above zero and of at most 100 years, such as "5 seconds"; got ${got}`
  )
}

/** To read a text takes longer than most of what an operation does, and a program has few of them. */
const known = new Map<string, number>()

/** Texts that are remembered: who makes them up at run time must not fill the memory. */
const MAX_KNOWN = 100

const parsed = (text: Exclude<Input, object>): number => {
  const remembered = known.get(text)
  if (remembered !== undefined) return remembered
  const millis = durationMillis(text)
  if (millis > 0 && known.size < MAX_KNOWN) known.set(text, millis)
  return millis
}

/** What the type says, for callers without types. */
const isInput = (input: unknown): boolean =>
  Duration.isDuration(input) ||
  (Predicate.isObject(input) && Object.values(input).every((part) => part === undefined || typeof part === "number"))

const durationMillis = (input: Input): number =>
  Option.match(Duration.fromInput(input), { onNone: () => NaN, onSome: Duration.toMillis })
