/**
 * Whether a history is one that a coherent cache can have.
 *
 * **Details**
 *
 * Time is exact here, and the order of the server is known, so nothing is left to doubt: of each value the checker knows from
 * which position to which the server had it, and of each operation which position it has seen.
 */
import type { Change, Final, Found, History, Holding, Leftover, Operation } from "./History.ts"
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
  const log = new Log(history.changes)
  return [
    ...checkReads(history, log, options),
    ...history.holdings.flatMap((holding) => checkHolding(holding, log)),
    ...history.finals.flatMap((final) => checkFinal(final, log, history.endedAt)),
    ...checkFailures(history, log),
    ...history.operations.flatMap(checkSettled),
    ...history.leftovers.flatMap(checkLeftover)
  ]
}

/** The positions at which the server had a value: from the first to the last of them. */
interface Life {
  readonly from: number
  until: number
  /** The latest deadline that it ever had. */
  deadline: number
}

class Log {
  readonly changes: ReadonlyArray<Change>
  private readonly lives = new Map<number, Life>()
  /** What L1s may still have: also what the server has evicted. */
  private readonly last = new Map<string, Change>()

  constructor(changes: ReadonlyArray<Change>) {
    this.changes = changes
    changes.forEach((change, index) => {
      const { cause, deadline, key, value } = change
      const previous = this.last.get(key)
      const life = previous?.value === undefined ? undefined : this.lives.get(previous.value)
      if (cause === "expire" && life !== undefined) life.deadline = Math.max(life.deadline, deadline)
      else if (life !== undefined) life.until = index
      if (cause === "set" && value !== undefined) this.lives.set(value, { from: index + 1, until: Infinity, deadline })
      this.last.set(key, change)
    })
  }

  lifeOf(value: number): Life {
    return this.lives.get(value) ?? { from: Infinity, until: -1, deadline: -Infinity }
  }

  lastOf(key: string): Change | undefined {
    return this.last.get(key)
  }
}

/** From a moment on, nothing older than a position is to be read under a key. */
interface Obligation {
  readonly key: string
  readonly since: number
  readonly position: number
  /** Of which this is a consequence. */
  readonly call: Call
}

const checkReads = (history: History, log: Log, options: Options): ReadonlyArray<Violation> => {
  const obligations = [...obligationsOfWrites(history.operations), ...obligationsOfExpiry(history, log)]
  const reads = history.operations.filter(({ kind, outcome }) => kind === "read" && outcome === "acknowledged")
  return reads.flatMap((read) =>
    [...read.found].flatMap(([key, found]) => {
      if (found === undefined || found.tier === "l2") return []
      return [
        ...checkStaleness(read, key, found, obligations, log, options),
        ...(found.isStale ? [] : checkOrder(read, key, found, history.operations, log)),
        ...checkDeadline(read, key, found, log)
      ]
    })
  )
}

const obligationsOfWrites = (operations: ReadonlyArray<Operation>): ReadonlyArray<Obligation> =>
  operations
    .filter(({ kind, outcome }) => kind !== "read" && outcome === "acknowledged")
    .flatMap(({ call, endedAt, positions }) =>
      [...positions].map(([key, position]) => ({ key, since: endedAt, position, call }))
    )

/** What expires is gone since its deadline, if the write that gave it the deadline was acknowledged. */
const obligationsOfExpiry = ({ operations }: History, { changes }: Log): ReadonlyArray<Obligation> => {
  const givenBy = new Map<string, number | undefined>()
  return changes.flatMap(({ cause, deadline, key, operation }, index) => {
    const giver = operations[givenBy.get(key) ?? -1]
    givenBy.set(key, operation)
    if (cause !== "expiry" || giver?.outcome !== "acknowledged") return []
    return [{ key, since: Math.max(deadline, giver.endedAt), position: index + 1, call: giver.call }]
  })
}

const checkStaleness = (
  read: Operation,
  key: string,
  found: Found,
  obligations: ReadonlyArray<Obligation>,
  log: Log,
  { boundMillis, staleMillis }: Options
): ReadonlyArray<Violation> => {
  const bound = found.isStale ? boundMillis + staleMillis : boundMillis
  const { until } = log.lifeOf(found.value)
  const broken = obligations.find(
    (obligation) => obligation.key === key && read.startedAt > obligation.since + bound && until < obligation.position
  )
  if (broken === undefined) return []
  const age = read.startedAt - broken.since
  return violation("bounded staleness", `${describe(read, key, found)}, ${age} ms after the end of ${showCall(broken.call)}`)
}

const checkOrder = (
  read: Operation,
  key: string,
  found: Found,
  operations: ReadonlyArray<Operation>,
  log: Log
): ReadonlyArray<Violation> => {
  const { until } = log.lifeOf(found.value)
  const newer = operations.find((earlier) => {
    if (earlier.origin !== read.origin || earlier.outcome !== "acknowledged" || earlier.endedIn >= read.startedIn) return false
    return seenBy(earlier, key, log) > until
  })
  if (newer === undefined) return []
  return violation("never backwards", `${describe(read, key, found)}, after ${describe(newer, key, newer.found.get(key))}`)
}

/** The oldest position that an operation may have seen. */
const seenBy = ({ found, positions }: Operation, key: string, log: Log): number => {
  const read = found.get(key)
  if (read === undefined || read.tier === "l2") return positions.get(key) ?? -1
  return read.isStale ? -1 : log.lifeOf(read.value).from
}

const checkDeadline = (read: Operation, key: string, found: Found, log: Log): ReadonlyArray<Violation> => {
  const { deadline } = log.lifeOf(found.value)
  if (read.startedAt < deadline) return []
  return violation("never expired", `${describe(read, key, found)} at ${read.startedAt} ms, gone since ${deadline} ms`)
}

const checkHolding = ({ heard, key, origin, step, value }: Holding, log: Log): ReadonlyArray<Violation> => {
  const { until } = log.lifeOf(value)
  if (until >= heard) return []
  return violation("follows the bus", `${origin} holds ${key} = ${value} after step ${step}, and heard all up to ${heard}`)
}

const checkFinal = ({ got, key, origin, peeked }: Final, log: Log, endedAt: number): ReadonlyArray<Violation> => {
  const last = log.lastOf(key)
  const value = last === undefined || last.deadline <= endedAt ? undefined : last.value
  // of what was evicted only L1 knows
  const isRight = (seen: number | undefined) => seen === undefined || seen === value
  if (isRight(peeked) && isRight(got)) return []
  return violation("converges", `${origin} has ${peeked} and gets ${got} for ${key}, where the server has ${value}`)
}

/** Those of processes that live: what a process knew of its failures dies with it. */
const checkFailures = ({ leftovers, operations }: History, log: Log): ReadonlyArray<Violation> => {
  const living = new Set(leftovers.map(({ origin }) => origin))
  return operations.flatMap(({ call, keys, kind, origin, outcome, startPosition }) => {
    if (kind !== "write" || !living.has(origin) || (outcome !== "failed" && outcome !== "interrupted")) return []
    return keys.flatMap((key) => {
      const value = log.lastOf(key)?.value
      if (value === undefined || log.lifeOf(value).from > startPosition) return []
      return violation("no old value after a failed write", `${origin} failed to ${showCall(call)}, and ${key} still is ${value}`)
    })
  })
}

const checkSettled = ({ call, origin, outcome }: Operation): ReadonlyArray<Violation> =>
  outcome === "pending" || outcome === "defect" ? violation("settles", `${origin}: ${showCall(call)} is ${outcome}`) : []

const checkLeftover = ({ inFlight, origin, unacknowledged }: Leftover): ReadonlyArray<Violation> =>
  inFlight === 0 && unacknowledged === 0
    ? []
    : violation("forgets", `${origin} keeps ${inFlight} keys in flight and ${unacknowledged} in doubt`)

const violation = (rule: Rule, message: string): ReadonlyArray<Violation> => [{ rule, message }]

const describe = ({ call, origin }: Operation, key: string, found: Found | undefined): string =>
  `${origin}: ${showCall(call)} saw ${key} = ${found?.value}${found === undefined ? "" : ` from ${found.tier}`}`
