/**
 * What came of reading values through caches while their origin changed, and whether that is allowed.
 *
 * **Details**
 *
 * The origin counts the versions of each value, so a version tells which changes had happened when it was loaded. Each change is
 * made at the origin first, and then told to the cache, by a delete or by a set of the new version; from its
 * acknowledgement, and the staleness bound, nobody who begins to read may get anything older. Times as in `History`.
 */
import { Schema } from "effect"

/** How the cache is told of a change. */
export const How = Schema.Literals(["delete", "set", "pattern"])
export type How = typeof How.Type

/** What one caller got. */
export const Fetch = Schema.Struct({
  process: Schema.String,
  key: Schema.String,
  start: Schema.Finite,
  end: Schema.Finite,
  /** `undefined` if it failed. */
  version: Schema.UndefinedOr(Schema.Finite),
  /** The reason of a `CacheError`, or the message of another. */
  error: Schema.UndefinedOr(Schema.String),
  tier: Schema.UndefinedOr(Schema.Literals(["l1", "l2", "loader"])),
  isStale: Schema.Boolean,
  isSuperseded: Schema.Boolean
})
export type Fetch = typeof Fetch.Type

/** A change that the cache was told of. */
export const Change = Schema.Struct({
  process: Schema.String,
  key: Schema.String,
  by: How,
  version: Schema.Finite,
  start: Schema.Finite,
  end: Schema.Finite,
  isAcknowledged: Schema.Boolean
})
export type Change = typeof Change.Type

/** What a process finds when nobody changes anything any more. */
export interface Rest {
  readonly process: string
  readonly key: string
  readonly l1: number | undefined
  readonly l2: number | undefined
  /** At the origin, whose every change was acknowledged. */
  readonly current: number
}

/** All fetches that got something older than they may, in words. */
export const violations = (
  fetches: ReadonlyArray<Fetch>,
  changes: ReadonlyArray<Change>,
  boundMillis: number
): ReadonlyArray<string> => {
  const byKey = Map.groupBy(
    changes.filter(({ isAcknowledged }) => isAcknowledged),
    ({ key }) => key
  )
  return fetches.flatMap((fetch) => {
    const { version } = fetch
    if (version === undefined) return []
    const newer = byKey
      .get(fetch.key)
      ?.find((change) => change.version > version && change.end + boundMillis < fetch.start)
    return newer === undefined
      ? []
      : [`${describe(fetch)}, ${Math.round(fetch.start - newer.end)} ms after ${told(newer)}`]
  })
}

/** Everything that is left of what was changed since, in words. */
export const leftovers = (rests: ReadonlyArray<Rest>): ReadonlyArray<string> =>
  rests
    .filter(({ current, l1, l2 }) => [l1, l2].some((version) => version !== undefined && version !== current))
    .map(({ current, key, l1, l2, process }) => `${process} has ${key} = ${l1} in L1, ${l2} in L2; it is ${current}`)

const describe = ({ end, isStale, isSuperseded, key, process, start, tier, version }: Fetch): string => {
  const marks = `${isStale ? ", stale" : ""}${isSuperseded ? ", superseded" : ""}`
  return `${process} got ${key} = ${version} from ${tier}${marks} (${start.toFixed(1)}-${end.toFixed(1)})`
}

const told = ({ by, end, process, start, version }: Change): string =>
  `${process} told of ${version} by ${by} (${start.toFixed(1)}-${end.toFixed(1)})`
