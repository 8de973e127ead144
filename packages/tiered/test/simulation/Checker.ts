/**
 * Whether a history is one that a coherent cache can have.
 *
 * **Details**
 *
 * Time is exact here, and the order of the server is known, so nothing is left to doubt: of each value the checker knows from
 * which position to which the server had it, and of each operation which position it has seen.
 */
import type { Final, History, Leftover, Load, Operation } from "./History.ts"
import { Lives } from "./Lives.ts"
import * as LoadChecker from "./LoadChecker.ts"
import { type Call, showCall } from "./Step.ts"
import { type Violation, violation } from "./Violation.ts"

export interface Options {
  readonly boundMillis: number
  /** For how long L1 may be served, marked stale, when its trust has lapsed. */
  readonly staleMillis: number
}

/** All violations; none for a history that a coherent cache can have. */
export const check = (history: History, options: Options): ReadonlyArray<Violation> => {
  const lives = new Lives(history.changes)
  const obligations = [
    ...obligationsOfWrites(history),
    ...obligationsOfRefills(history),
    ...obligationsOfExpiry(history)
  ]
  const sights = sightsOf(history)
  const seen = LoadChecker.seenOf(history)
  return [
    ...sights.flatMap((sight) => [
      ...checkStaleness(sight, obligations, lives, options),
      ...checkOrder(sight, history, lives),
      ...checkFollowing(sight, lives),
      ...checkDeadline(sight, lives)
    ]),
    ...LoadChecker.check(
      history,
      seen,
      lives,
      sights.filter(({ isDistrusted }) => !isDistrusted),
      options.boundMillis
    ),
    ...history.finals.flatMap((final) => checkFinal(final, lives, history.endedAt)),
    ...checkFailures(history, seen, lives),
    ...history.operations.flatMap(checkSettled),
    ...(history.hasOverslept ? violation("settles", "nothing was lost, and somebody waited all the same") : []),
    ...history.leftovers.flatMap(checkLeftover)
  ]
}

/** Something that L1 served. */
interface Sight {
  readonly origin: string
  readonly key: string
  readonly value: number
  readonly isDistrusted: boolean
  readonly isStale: boolean
  /** When it was asked. */
  readonly at: number
  /** Operations that ended up to this step had ended before. */
  readonly afterStep: number
  /** The position up to which the process had heard the bus. */
  readonly heard: number
  readonly call: Call | "peek"
}

const sightsOf = ({ operations, peeks }: History): ReadonlyArray<Sight> => [
  ...peeks.map((peek) => ({ ...peek, call: "peek" as const })),
  ...operations.flatMap(({ call, found, origin, startedAt, startedIn }) =>
    [...found].flatMap(([key, result]) => {
      if (result?.tier !== "l1") return []
      const { isDistrusted, isStale, value } = result
      return [{ origin, key, value, isDistrusted, isStale, at: startedAt, afterStep: startedIn - 1, heard: -1, call }]
    })
  )
]

/** From a moment on, nothing older than a position is to be served under a key. */
interface Obligation {
  readonly key: string
  readonly since: number
  readonly position: number
  /** For people. */
  readonly reason: string
}

const obligationsOfWrites = ({ operations }: History): ReadonlyArray<Obligation> =>
  operations
    .filter(({ kind, outcome }) => kind !== "read" && kind !== "load" && outcome === "acknowledged")
    .flatMap(({ call, endedAt, positions }) =>
      [...positions].map(([key, position]) => ({ key, since: endedAt, position, reason: showCall(call) }))
    )

/** What a loaded value replaces is announced in the same step, so the bound begins there. */
const obligationsOfRefills = ({ changes }: History): ReadonlyArray<Obligation> =>
  changes.flatMap(({ at, cause, key, value }, index) =>
    cause === "refill" ? [{ key, since: at, position: index + 1, reason: `the load of ${value}` }] : []
  )

/** What expires is gone since its deadline, if the write that gave it the deadline was acknowledged, or loaded it. */
const obligationsOfExpiry = ({ changes, operations }: History): ReadonlyArray<Obligation> => {
  const since = new Map<string, number | undefined>()
  return changes.flatMap(({ at, cause, deadline, freshUntil, key, operation }, index) => {
    if (cause === "expiry" || cause === "stale") {
      const written = since.get(key)
      if (written === undefined) return []
      const over = Math.max(cause === "stale" ? freshUntil : deadline, written)
      return [{ key, since: over, position: index + 1, reason: cause }]
    }
    const writer = operations[operation ?? -1]
    if (cause === "fill" || cause === "refill") since.set(key, at)
    else since.set(key, writer?.outcome === "acknowledged" ? writer.endedAt : undefined)
    return []
  })
}

const checkStaleness = (
  sight: Sight,
  obligations: ReadonlyArray<Obligation>,
  lives: Lives,
  { boundMillis, staleMillis }: Options
): ReadonlyArray<Violation> => {
  const { at, isDistrusted, key } = sight
  const end = endOf(sight, lives)
  if (end === Infinity) return []
  const due = at - boundMillis - (isDistrusted ? staleMillis : 0)
  const broken = obligations.find((duty) => duty.key === key && duty.since < due && end < duty.position)
  if (broken === undefined) return []
  return violation("bounded staleness", `${describe(sight)}, ${at - broken.since} ms after the end of ${broken.reason}`)
}

/** The last position at which it was right to serve it like that. */
const endOf = ({ isStale, value }: Sight, lives: Lives): number => {
  const { staleAt, until } = lives.of(value)
  return isStale ? until : Math.min(until, staleAt)
}

const checkOrder = (sight: Sight, { loads, operations }: History, lives: Lives): ReadonlyArray<Violation> => {
  const { afterStep, isDistrusted, key, origin, value } = sight
  const { replacedAt } = lives.of(value)
  const end = Math.min(endOf(sight, lives), replacedAt)
  if (isDistrusted || end === Infinity) return []
  const newer = operations.find(
    (earlier) =>
      earlier.origin === origin &&
      earlier.outcome === "acknowledged" &&
      earlier.endedIn <= afterStep &&
      seenBy(earlier, key, loads, lives) > end
  )
  if (newer === undefined) return []
  return violation(
    "never backwards",
    `${describe(sight)}, after ${showCall(newer.call)} had seen ${newer.found.get(key)?.value}`
  )
}

/** The oldest position that an operation may have seen. */
const seenBy = (
  { found, kind, positions }: Operation,
  key: string,
  loads: ReadonlyArray<Load>,
  lives: Lives
): number => {
  const read = found.get(key)
  if (kind !== "load" && (read === undefined || read.tier === "l2")) return positions.get(key) ?? -1
  if (read === undefined || read.isDistrusted) return -1
  // nobody knows of the others whether they are stored, and where they are not, they were not seen there
  const isUnknown = loads.some(({ isStored, value }) => value === read.value && !isStored)
  return isUnknown ? -1 : lives.of(read.value).from
}

const checkFollowing = (sight: Sight, lives: Lives): ReadonlyArray<Violation> =>
  endOf(sight, lives) >= sight.heard
    ? []
    : violation("follows the bus", `${describe(sight)}, and had heard all up to ${sight.heard}`)

const checkDeadline = (sight: Sight, lives: Lives): ReadonlyArray<Violation> => {
  const { deadline, freshUntil } = lives.of(sight.value)
  const over = sight.isStale ? deadline : freshUntil
  if (sight.at < over) return []
  return violation("never expired", `${describe(sight)} at ${sight.at} ms, over since ${over} ms`)
}

const checkFinal = ({ got, key, origin, peeked }: Final, lives: Lives, endedAt: number): ReadonlyArray<Violation> => {
  // of what was evicted only L1 knows, also when it was loaded again
  const isRight = (seen: number | undefined) => {
    if (seen === undefined) return true
    const { deadline, until } = lives.of(seen)
    return until === Infinity && deadline > endedAt
  }
  if (isRight(peeked) && isRight(got)) return []
  const value = lives.current(key, endedAt)
  return violation("converges", `${origin} has ${peeked} and gets ${got} for ${key}, where the server has ${value}`)
}

/** Those of processes that live: what a process knew of its failures dies with it. */
const checkFailures = (history: History, seen: LoadChecker.Seen, lives: Lives): ReadonlyArray<Violation> => {
  const { changes, endedAt, leftovers, operations } = history
  const living = new Set(leftovers.map(({ origin }) => origin))
  const writers = new Map(
    changes.flatMap(({ cause, operation, value }) => (cause === "set" ? [[value, operation]] : []))
  )
  const failures = operations.filter((operation) => living.has(operation.origin) && isFailedWrite(operation))
  return failures.flatMap((operation) => {
    const { call, id, keys, origin, startPosition } = operation
    return keys.flatMap((key) => {
      const value = lives.current(key, endedAt)
      if (value === undefined) return []
      const message = `${origin} failed to ${showCall(call)}, and ${key} is ${value}`
      if (lives.of(value).from <= startPosition || LoadChecker.isOlder(value, operation, seen))
        return violation("no old value after a failed write", message)
      return writers.get(value) === id ? violation("no value of a failed write", message) : []
    })
  })
}

/** Whether a set or a delete, without a condition, has failed. Of others that fail nothing is promised. */
const isFailedWrite = ({ call, isSent, kind, outcome }: Operation): boolean => {
  if (kind !== "write" || !isSent || (outcome !== "failed" && outcome !== "interrupted")) return false
  return call.call !== "expire" && !("options" in call && "only" in call.options && call.options.only !== undefined)
}

const checkSettled = ({ call, origin, outcome }: Operation): ReadonlyArray<Violation> =>
  outcome === "pending" || outcome === "defect"
    ? violation("settles", `${origin}: ${showCall(call)} is ${outcome}`)
    : []

const checkLeftover = ({ inFlight, origin, unacknowledged, waiting }: Leftover): ReadonlyArray<Violation> => {
  if (inFlight === 0 && unacknowledged === 0 && waiting === 0) return []
  const message = `${origin} keeps ${inFlight} keys in flight, ${unacknowledged} in doubt and ${waiting} that wait`
  return violation("forgets", message)
}

const describe = ({ afterStep, call, key, origin, value }: Sight): string =>
  `${origin}: ${call === "peek" ? `peek after step ${afterStep}` : showCall(call)} got ${key} = ${value} from L1`
