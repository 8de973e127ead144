/**
 * Random histories of operations, as plain data.
 */
import * as fc from "fast-check"
import type * as CacheBackend from "../../CacheBackend.ts"
import type { ClockKind } from "./Subject.ts"

/** One call. Keys and patterns are without prefix, times in milliseconds. */
export type Operation =
  | { readonly op: "get" | "peek" | "has" | "ttl" | "delete"; readonly key: string }
  | { readonly op: "getMany" | "deleteMany"; readonly keys: ReadonlyArray<string> }
  | ({ readonly op: "set"; readonly key: string; readonly value: unknown } & WriteOptions)
  | ({ readonly op: "setMany"; readonly entries: ReadonlyArray<readonly [string, unknown]> } & WriteOptions)
  | { readonly op: "expire"; readonly key: string; readonly ttl: number }
  | { readonly op: "increment"; readonly key: string; readonly by: number; readonly ttl: number }
  | { readonly op: "scan" | "deletePattern"; readonly pattern: string }
  | { readonly op: "pass"; readonly millis: number }

interface WriteOptions {
  readonly ttl: number
  readonly only: "absent" | "present" | undefined
}

export interface History {
  /** Compares the whole content with the model after each step, not only at the end: reading changes what is in L1. */
  readonly checksEachStep: boolean
  readonly steps: ReadonlyArray<Step>
}

/** Operations between which no other answer is compared: on a live clock it could depend on the speed of the machine. */
type Step = ReadonlyArray<Operation>

/** Few keys, so that operations meet; some are beginnings of others. */
export const KEYS = ["a", "b", "ab", "user:1", "user:12"] as const

const PATTERNS = ["*", "a*", "?", "user:*", "user:1", "*1*", "c*"] as const

/** A TTL that does not end within a history, and on a live clock one that is waited for. */
const LONG_MILLIS = 3_600_000
const SHORT_MILLIS = 40

/** How many operations of a live history, in a hundred, wait for something to expire. */
const LIVE_WAITS_PERCENT = 1

const MAX_STEPS = 30

/** The histories that a backend with these features can be asked to live through. */
export const arbitrary = (clock: ClockKind, unsupported: Features): fc.Arbitrary<History> => {
  const step = clock === "test" ? timedStep(unsupported) : liveStep(unsupported)
  return fc.record({ checksEachStep: fc.boolean(), steps: fc.array(step, { maxLength: MAX_STEPS, size: "max" }) })
}

const key = fc.constantFrom(...KEYS)
const keys = fc.array(key, { maxLength: 6 })
const only = fc.constantFrom("absent" as const, "present" as const, undefined)

const value = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -5, max: 5 }) },
  fc.constantFrom(null, false, true, "", "0", -0, NaN, Infinity, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
  fc.double(),
  fc.string({ unit: "grapheme" }).filter((text) => text.isWellFormed()),
  fc.bigInt(),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 20 }),
  fc.record(
    { n: fc.double(), at: fc.date({ noInvalidDate: true }), list: fc.array(fc.bigInt()), none: fc.constant(undefined) },
    { requiredKeys: [], noNullPrototype: true }
  ),
  fc.array(fc.tuple(fc.string(), fc.integer())).map((pairs) => new Map(pairs))
)

type Features = ReadonlySet<CacheBackend.Feature>

/** Time on a test clock, which moves by as much as is asked for. */
const timedStep = (unsupported: Features): fc.Arbitrary<Step> => {
  const ttl = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constant(LONG_MILLIS))
  const pass = fc.record({ op: fc.constant("pass" as const), millis: fc.integer({ min: 1, max: 60 }) })
  return fc
    .oneof({ weight: 5, arbitrary: call(ttl, unsupported) }, { weight: 1, arbitrary: pass })
    .map((operation) => [operation])
}

/**
 * Time on a live clock: what is written with a short TTL is followed at once by the wait for its end, perhaps after an
 * overwrite that survives it, so that no answer depends on how fast the machine is.
 */
const liveStep = (unsupported: Features): fc.Arbitrary<Step> => {
  const long = fc.constant(LONG_MILLIS)
  const overwrite = fc.record({ op: fc.constant("set" as const), key, value, ttl: long, only: fc.constant(undefined) })
  const brief = fc
    .tuple(fc.oneof(...writes(fc.constant(SHORT_MILLIS), unsupported)), fc.option(overwrite, { nil: undefined }))
    .map(([brief, overwrite]): Step => [
      brief,
      ...(overwrite === undefined ? [] : [overwrite]),
      { op: "pass", millis: SHORT_MILLIS }
    ])
  return fc.oneof(
    { weight: 100 - LIVE_WAITS_PERCENT, arbitrary: call(long, unsupported).map((operation) => [operation]) },
    { weight: LIVE_WAITS_PERCENT, arbitrary: brief }
  )
}

const call = (ttl: fc.Arbitrary<number>, unsupported: Features): fc.Arbitrary<Operation> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ op: fc.constantFrom("get" as const, "peek" as const), key }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("has" as const, "ttl" as const), key }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("delete" as const), key }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("getMany" as const, "deleteMany" as const), keys }) },
    ...writes(ttl, unsupported).map((arbitrary) => ({ weight: 2, arbitrary })),
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constantFrom("scan" as const, "deletePattern" as const),
        pattern: fc.constantFrom(...PATTERNS)
      })
    }
  )

const writes = (ttl: fc.Arbitrary<number>, unsupported: Features): ReadonlyArray<fc.Arbitrary<Operation>> => {
  const by = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER)
  )
  const entries = fc.array(fc.tuple(key, value), { maxLength: 4 })
  const set = fc.record({ op: fc.constant("set" as const), key, value, ttl, only })
  const setMany = fc.record({ op: fc.constant("setMany" as const), entries, ttl, only })
  const expire = fc.record({ op: fc.constant("expire" as const), key, ttl })
  const increment = fc.record({ op: fc.constant("increment" as const), key, by, ttl })
  return [
    set,
    setMany,
    ...(unsupported.has("expire") ? [] : [expire]),
    ...(unsupported.has("increment") ? [] : [increment])
  ]
}
