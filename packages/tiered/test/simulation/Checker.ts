/**
 * Whether a history is one that a coherent cache can have.
 *
 * **Details**
 *
 * Time is exact here, and the order of the server is known, so nothing is left to doubt: of each value the checker knows from
 * which position to which the server had it, and of each operation which position it has seen.
 */
import type { Final, History, Leftover, Operation } from "./History.ts"
import { Lives } from "./Lives.ts"
import { type Call, showCall } from "./Step.ts"

export type Rule =
  /** A read that starts later than the bound after a write was acknowledged returns nothing that this write replaced. */
  | "bounded staleness"
  /** L1 serves nothing older than what the process has read, or has been told that it has written. */
  | "never backwards"
  /** L1 has nothing that was replaced by a write whose announcement has arrived. */
  | "follows the bus"
  /** L1 serves nothing beyond its deadline. */
  | "never expired"
  /** When all is quiet, L1 has what the server has, or nothing. */
  | "converges"
  /** When all is quiet, nothing is left of what was there before a write that failed. */
  | "no old value after a failed write"
  /** When all is quiet, nothing is there of which nobody knows whether it was stored. */
  | "no value of a failed write"
  /** When all is quiet, every operation has ended, as one should. */
  | "settles"
  /** When all is quiet, nothing is left in the tables. */
  | "forgets"

export interface Violation {
  readonly rule: Rule
  /** For people. */
  readonly message: string
}

export interface Options {
  readonly boundMillis: number
  /** For how long L1 may be served, marked stale, when its trust has lapsed. */
  readonly staleMillis: number
}

/** All violations; none for a history that a coherent cache can have. */
export const check = (history: History, options: Options): ReadonlyArray<Violation> => {
  const lives = new Lives(history.changes)
  const obligations = [...obligationsOfWrites(history), ...obligationsOfExpiry(history)]
  return [
    ...sightsOf(history).flatMap((sight) => [
      ...checkStaleness(sight, obligations, lives, options),
      ...checkOrder(sight, history, lives),
      ...checkFollowing(sight, lives),
      ...checkDeadline(sight, lives)
    ]),
    ...history.finals.flatMap((final) => checkFinal(final, lives, history.endedAt)),
    ...checkFailures(history, lives),
    ...history.operations.flatMap(checkSettled),
    ...history.leftovers.flatMap(checkLeftover)
  ]
}

/** Something that L1 served. */
interface Sight {
  readonly origin: string
  readonly key: string
  readonly value: number
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
  ...peeks.map((peek) => ({ ...peek, isStale: false, call: "peek" as const })),
  ...operations.flatMap(({ call, found, origin, startedAt, startedIn }) =>
    [...found].flatMap(([key, result]) => {
      if (result?.tier !== "l1") return []
      const { isStale, value } = result
      return [{ origin, key, value, isStale, at: startedAt, afterStep: startedIn - 1, heard: -1, call }]
    })
  )
]

/** From a moment on, nothing older than a position is to be served under a key. */
interface Obligation {
  readonly key: string
  readonly since: number
  readonly position: number
  /** Of which this is a consequence. */
  readonly call: Call
}

const obligationsOfWrites = ({ operations }: History): ReadonlyArray<Obligation> =>
  operations
    .filter(({ kind, outcome }) => kind !== "read" && outcome === "acknowledged")
    .flatMap(({ call, endedAt, positions }) =>
      [...positions].map(([key, position]) => ({ key, since: endedAt, position, call }))
    )

/** What expires is gone since its deadline, if the write that gave it the deadline was acknowledged. */
const obligationsOfExpiry = ({ changes, operations }: History): ReadonlyArray<Obligation> => {
  const lastWriters = new Map<string, Operation | undefined>()
  return changes.flatMap(({ cause, deadline, key, operation }, index) => {
    const writer = lastWriters.get(key)
    lastWriters.set(key, operations[operation ?? -1])
    if (cause !== "expiry" || writer?.outcome !== "acknowledged") return []
    return [{ key, since: Math.max(deadline, writer.endedAt), position: index + 1, call: writer.call }]
  })
}

const checkStaleness = (
  sight: Sight,
  obligations: ReadonlyArray<Obligation>,
  lives: Lives,
  { boundMillis, staleMillis }: Options
): ReadonlyArray<Violation> => {
  const { at, isStale, key, value } = sight
  const { until } = lives.of(value)
  if (until === Infinity) return []
  const due = at - boundMillis - (isStale ? staleMillis : 0)
  const broken = obligations.find((duty) => duty.key === key && duty.since < due && until < duty.position)
  if (broken === undefined) return []
  return violation(
    "bounded staleness",
    `${describe(sight)}, ${at - broken.since} ms after the end of ${showCall(broken.call)}`
  )
}

const checkOrder = (sight: Sight, { operations }: History, lives: Lives): ReadonlyArray<Violation> => {
  const { afterStep, isStale, key, origin, value } = sight
  const { until } = lives.of(value)
  if (isStale || until === Infinity) return []
  const newer = operations.find(
    (earlier) =>
      earlier.origin === origin &&
      earlier.outcome === "acknowledged" &&
      earlier.endedIn <= afterStep &&
      seenBy(earlier, key, lives) > until
  )
  if (newer === undefined) return []
  return violation(
    "never backwards",
    `${describe(sight)}, after ${showCall(newer.call)} had seen ${newer.found.get(key)?.value}`
  )
}

/** The oldest position that an operation may have seen. */
const seenBy = ({ found, positions }: Operation, key: string, lives: Lives): number => {
  const read = found.get(key)
  if (read === undefined || read.tier === "l2") return positions.get(key) ?? -1
  return read.isStale ? -1 : lives.of(read.value).from
}

const checkFollowing = (sight: Sight, lives: Lives): ReadonlyArray<Violation> =>
  lives.of(sight.value).until >= sight.heard
    ? []
    : violation("follows the bus", `${describe(sight)}, and had heard all up to ${sight.heard}`)

const checkDeadline = (sight: Sight, lives: Lives): ReadonlyArray<Violation> => {
  const { deadline } = lives.of(sight.value)
  if (sight.at < deadline) return []
  return violation("never expired", `${describe(sight)} at ${sight.at} ms, gone since ${deadline} ms`)
}

const checkFinal = ({ got, key, origin, peeked }: Final, lives: Lives, endedAt: number): ReadonlyArray<Violation> => {
  const value = lives.current(key, endedAt)
  // of what was evicted only L1 knows
  const isRight = (seen: number | undefined) => seen === undefined || seen === value
  if (isRight(peeked) && isRight(got)) return []
  return violation("converges", `${origin} has ${peeked} and gets ${got} for ${key}, where the server has ${value}`)
}

/** Those of processes that live: what a process knew of its failures dies with it. */
const checkFailures = (
  { changes, endedAt, leftovers, operations }: History,
  lives: Lives
): ReadonlyArray<Violation> => {
  const living = new Set(leftovers.map(({ origin }) => origin))
  const writers = new Map(
    changes.flatMap(({ cause, operation, value }) => (cause === "set" ? [[value, operation]] : []))
  )
  return operations
    .filter((operation) => living.has(operation.origin) && isFailedWrite(operation))
    .flatMap(({ call, id, keys, origin, startPosition }) =>
      keys.flatMap((key) => {
        const value = lives.current(key, endedAt)
        if (value === undefined) return []
        const message = `${origin} failed to ${showCall(call)}, and ${key} is ${value}`
        if (lives.of(value).from <= startPosition) return violation("no old value after a failed write", message)
        return writers.get(value) === id ? violation("no value of a failed write", message) : []
      })
    )
}

/** Whether a set or a delete, without a condition, has failed. Of others that fail nothing is promised. */
const isFailedWrite = ({ call, isSent, kind, outcome }: Operation): boolean => {
  if (kind !== "write" || !isSent || (outcome !== "failed" && outcome !== "interrupted")) return false
  return call.call !== "expire" && !("options" in call && call.options.only !== undefined)
}

const checkSettled = ({ call, origin, outcome }: Operation): ReadonlyArray<Violation> =>
  outcome === "pending" || outcome === "defect"
    ? violation("settles", `${origin}: ${showCall(call)} is ${outcome}`)
    : []

const checkLeftover = ({ inFlight, origin, unacknowledged }: Leftover): ReadonlyArray<Violation> =>
  inFlight === 0 && unacknowledged === 0
    ? []
    : violation("forgets", `${origin} keeps ${inFlight} keys in flight and ${unacknowledged} in doubt`)

const violation = (rule: Rule, message: string): ReadonlyArray<Violation> => [{ rule, message }]

const describe = ({ afterStep, call, key, origin, value }: Sight): string =>
  `${origin}: ${call === "peek" ? `peek after step ${afterStep}` : showCall(call)} got ${key} = ${value} from L1`
