/**
 * Random histories of operations, as plain data.
 */
import * as fc from "fast-check"
import type * as CacheBackend from "../../CacheBackend.ts"
import type { ClockKind } from "./Subject.ts"

/** One call. Keys and patterns are without prefix, times in milliseconds. */
export type Operation =
  | { readonly op: "get" | "peek" | "peekEntry" | "has" | "ttl" | "delete"; readonly key: string }
  | { readonly op: "getMany" | "deleteMany"; readonly keys: ReadonlyArray<string> }
  | ({ readonly op: "set"; readonly key: string; readonly value: unknown } & WriteOptions & Lifetime)
  | ({ readonly op: "setMany"; readonly entries: Entries } & WriteOptions & Lifetime)
  | { readonly op: "expire"; readonly key: string; readonly ttl: number }
  | { readonly op: "increment"; readonly key: string; readonly by: number; readonly ttl: number }
  | { readonly op: "scan" | "deletePattern"; readonly pattern: string }
  | ({ readonly op: "deleteTags" } & Tagged)
  | { readonly op: "keysByTag"; readonly tag: string }
  | (Leased & Tagged & { readonly op: "take"; readonly millis: number; readonly when: "stale" | "always" })
  | ({ readonly op: "fill"; readonly token: number; readonly entries: Entries } & Lifetime)
  | (Leased & { readonly op: "renew"; readonly millis: number })
  | (Leased & { readonly op: "release"; readonly failedFor: number | undefined })
  | { readonly op: "pass"; readonly millis: number }

type Entries = ReadonlyArray<readonly [key: string, value: unknown]>

/** Tags are without prefix. */
interface Tagged {
  readonly tags: ReadonlyArray<string>
}

interface Lifetime extends Tagged {
  readonly ttl: number
  readonly grace: number | undefined
}

interface WriteOptions {
  readonly only: "absent" | "present" | undefined
}

/** Tokens are numbers below `TOKENS`. */
interface Leased {
  readonly token: number
  readonly keys: ReadonlyArray<string>
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

/** How many loads there are that may be late for each other. */
export const TOKENS = 3

/** Few tags, so that entries share them. */
export const TAGS = ["red", "blue", "a"] as const

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
const tag = fc.constantFrom(...TAGS)
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

/** How long what is written lives, and how long leases and failures last. */
interface Times {
  readonly ttl: fc.Arbitrary<number>
  readonly grace: fc.Arbitrary<number | undefined>
  readonly lease: fc.Arbitrary<number>
  readonly tags: fc.Arbitrary<ReadonlyArray<string>>
}

type Features = ReadonlySet<CacheBackend.Feature>

/** Time on a test clock, which moves by as much as is asked for. */
const timedStep = (unsupported: Features): fc.Arbitrary<Step> => {
  const millis = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constant(LONG_MILLIS))
  const times = { ttl: millis, grace: fc.option(millis, { nil: undefined }), lease: millis, tags: tagsFor(unsupported) }
  const pass = fc.record({ op: fc.constant("pass" as const), millis: fc.integer({ min: 1, max: 60 }) })
  return fc
    .oneof({ weight: 5, arbitrary: call(times, unsupported) }, { weight: 1, arbitrary: pass })
    .map((operation) => [operation])
}

/**
 * Time on a live clock: what is written with a short TTL is followed at once by the wait for its end, perhaps after an
 * overwrite that survives it, so that no answer depends on how fast the machine is. Nobody can look at a lease without asking for
 * it, so none is waited for.
 */
const liveStep = (unsupported: Features): fc.Arbitrary<Step> => {
  const long = fc.constant(LONG_MILLIS)
  const times = { ttl: long, grace: fc.option(long, { nil: undefined }), lease: long, tags: tagsFor(unsupported) }
  const overwrite = fc.record({
    op: fc.constant("set" as const),
    key,
    value,
    ttl: long,
    grace: times.grace,
    tags: times.tags,
    only: fc.constant(undefined)
  })
  const brief = fc
    .tuple(
      fc.oneof(...writes({ ...times, ttl: fc.constant(SHORT_MILLIS) }, unsupported)),
      fc.option(overwrite, { nil: undefined })
    )
    .map(([brief, overwrite]): Step => [
      brief,
      ...(overwrite === undefined ? [] : [overwrite]),
      { op: "pass", millis: SHORT_MILLIS }
    ])
  return fc.oneof(
    { weight: 100 - LIVE_WAITS_PERCENT, arbitrary: call(times, unsupported).map((operation) => [operation]) },
    { weight: LIVE_WAITS_PERCENT, arbitrary: brief }
  )
}

const call = (times: Times, unsupported: Features): fc.Arbitrary<Operation> =>
  fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({ op: fc.constantFrom("get" as const, "peek" as const, "peekEntry" as const), key })
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("has" as const, "ttl" as const), key }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("delete" as const), key }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("getMany" as const, "deleteMany" as const), keys }) },
    ...writes(times, unsupported).map((arbitrary) => ({ weight: 2, arbitrary })),
    ...(unsupported.has("leases") ? [] : [{ weight: 5, arbitrary: leasing(times) }]),
    ...(unsupported.has("tags") ? [] : [{ weight: 3, arbitrary: byTags }]),
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constantFrom("scan" as const, "deletePattern" as const),
        pattern: fc.constantFrom(...PATTERNS)
      })
    }
  )

const tagsFor = (unsupported: Features): fc.Arbitrary<ReadonlyArray<string>> =>
  unsupported.has("tags") ? fc.constant([]) : fc.array(tag, { maxLength: 3 })

const byTags: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constant("deleteTags" as const), tags: fc.array(tag, { maxLength: 2 }) }),
  fc.record({ op: fc.constant("keysByTag" as const), tag })
)

const writes = ({ grace, tags, ttl }: Times, unsupported: Features): ReadonlyArray<fc.Arbitrary<Operation>> => {
  const by = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER)
  )
  const entries = fc.array(fc.tuple(key, value), { maxLength: 4 })
  const set = fc.record({ op: fc.constant("set" as const), key, value, ttl, grace, only, tags })
  const setMany = fc.record({ op: fc.constant("setMany" as const), entries, ttl, grace, only, tags })
  const expire = fc.record({ op: fc.constant("expire" as const), key, ttl })
  const increment = fc.record({ op: fc.constant("increment" as const), key, by, ttl })
  const loaded = fc.tuple(key, fc.option(value, { nil: undefined }))
  const fill = fc.record({
    op: fc.constant("fill" as const),
    token,
    entries: fc.uniqueArray(loaded, { selector: ([key]) => key, minLength: 1, maxLength: 4 }),
    ttl,
    grace,
    tags
  })
  return [
    set,
    setMany,
    ...(unsupported.has("expire") ? [] : [expire]),
    ...(unsupported.has("increment") ? [] : [increment]),
    ...(unsupported.has("leases") ? [] : [fill])
  ]
}

const token = fc.nat({ max: TOKENS - 1 })

const leasing = ({ lease: millis, tags }: Times): fc.Arbitrary<Operation> => {
  const keys = fc.uniqueArray(key, { minLength: 1, maxLength: 4 })
  const when = fc.constantFrom("stale" as const, "stale" as const, "always" as const)
  const failedFor = fc.oneof(fc.constantFrom(undefined, 0), millis)
  return fc.oneof(
    { weight: 3, arbitrary: fc.record({ op: fc.constant("take" as const), token, keys, millis, when, tags }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("renew" as const), token, keys, millis }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("release" as const), token, keys, failedFor }) }
  )
}
