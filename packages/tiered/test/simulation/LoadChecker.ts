/**
 * Whether what was loaded was stored, served and returned as it may be, and whether those who loaded had the right to.
 */
import type { Change, History, LeaseEvent, Operation } from "./History.ts"
import type { Lives } from "./Lives.ts"
import { showCall } from "./Step.ts"
import { type Violation, violation } from "./Violation.ts"

/** The last change of the database that each loaded value knows of. */
export type Seen = ReadonlyMap<number, number>

export const seenOf = ({ loads }: History): Seen =>
  new Map(
    loads.flatMap(({ sawChange, value }) =>
      value === undefined || sawChange === undefined ? [] : [[value, sawChange] as const]
    )
  )

/** Something that L1 served. */
interface Served {
  readonly origin: string
  readonly key: string
  readonly value: number
  /** When it was asked. */
  readonly at: number
}

export const check = (
  history: History,
  seen: Seen,
  lives: Lives,
  served: ReadonlyArray<Served>,
  boundMillis: number
): ReadonlyArray<Violation> => [
  ...checkStored(history, seen),
  ...checkServed(history, seen, served, boundMillis),
  ...checkReturned(history, seen, lives, boundMillis),
  ...checkLeases(history),
  ...checkLoads(history)
]

/** Whether a value was loaded before the change of the database that a write was to announce. */
export const isOlder = (value: number, { announces }: Operation, seen: Seen): boolean =>
  (seen.get(value) ?? Infinity) < (announces ?? 0)

/** Once a change of the database was announced by the server, what was loaded before it is not stored any more. */
const checkStored = ({ changes }: History, seen: Seen): ReadonlyArray<Violation> => {
  const announced = new Map<string, number>()
  return changes.flatMap(({ announces, cause, key, value }, index) => {
    const last = announced.get(key) ?? 0
    announced.set(key, Math.max(last, announces ?? 0))
    const sawChange = cause === "fill" || cause === "refill" ? seen.get(value ?? NaN) : undefined
    if (sawChange === undefined || sawChange >= last) return []
    const message = `${key} = ${value} was stored at ${index + 1}, and had seen ${sawChange} when ${last} was announced`
    return violation("no resurrection", message)
  })
}

/** Nor does L1 serve it later than the bound after the announcement was acknowledged. */
const checkServed = (
  { operations }: History,
  seen: Seen,
  served: ReadonlyArray<Served>,
  boundMillis: number
): ReadonlyArray<Violation> => {
  const writes = operations.filter(isAnnouncement)
  return served.flatMap(({ at, key, origin, value }) => {
    const newer = writes.find(
      (write) => isOlder(value, write, seen) && write.endedAt + boundMillis < at && write.positions.has(key)
    )
    if (newer === undefined) return []
    const message = `${origin} got ${key} = ${value}, loaded before ${showCall(newer.call)}, which ended at ${newer.endedAt} ms`
    return violation("no resurrection", message)
  })
}

/**
 * Who asks when the process has made a change, or has heard of it, gets nothing older: nobody joins a load that began before. A
 * process that hears nothing may join an own load for as long as that takes; what it finds elsewhere is not older than the bound.
 */
const checkReturned = (
  { changes, loads, operations }: History,
  seen: Seen,
  lives: Lives,
  boundMillis: number
): ReadonlyArray<Violation> => {
  const writes = operations.filter(isAnnouncement)
  const loaders = new Map(loads.map(({ origin, value }) => [value, origin]))
  return operations
    .filter(({ kind }) => kind === "load")
    .flatMap(({ call, found, heard, origin, startedAt, startedIn }) =>
      [...found].flatMap(([key, result]) => {
        if (result === undefined) return []
        const { value } = result
        const message = `${origin}: ${showCall(call)} got ${key} = ${value}`
        const isOwn = (write: Operation) => write.origin === origin && write.endedIn < startedIn
        const isLate = (write: Operation) =>
          loaders.get(value) !== origin && write.endedAt + boundMillis < startedAt && write.positions.has(key)
        const newer = writes.filter((write) => isOlder(value, write, seen))
        const own = newer.find((write) => isOwn(write) && write.keys.includes(key))
        if (own !== undefined) return violation("follows the bus", `${message}, after its own ${showCall(own.call)}`)
        const late = newer.find(isLate)
        if (late !== undefined) return violation("bounded staleness", `${message}, long after ${showCall(late.call)}`)
        const sawChange = seen.get(value) ?? Infinity
        const isNewer = (change: Change) => change.key === key && (change.announces ?? 0) > sawChange
        const isOld = changes.slice(0, heard).some(isNewer) || (lives.has(value) && lives.of(value).until < heard)
        return isOld ? violation("follows the bus", `${message}, and had heard all up to ${heard}`) : []
      })
    )
}

const isAnnouncement = ({ announces, outcome }: Operation): boolean =>
  announces !== undefined && outcome === "acknowledged"

/** Only one process at a time is told to load a key, until its lease is over, or something happened to the key. */
const checkLeases = ({ changes, leases }: History): ReadonlyArray<Violation> => {
  const holders = new Map<string, LeaseEvent>()
  let position = 0
  return leases.flatMap((event) => {
    for (const change of changes.slice(position, event.position)) if (voids(change)) holders.delete(change.key)
    position = event.position
    const { at, cause, key, token } = event
    const holder = holders.get(key)
    if (cause === "awaited") return []
    if (cause === "taken" || cause === "renewed") holders.set(key, event)
    else holders.delete(key)
    if (cause !== "taken" || holder === undefined || holder.until <= at) return []
    const message = `${token} was granted ${key} at ${at} ms, and ${holder.token} had it until ${holder.until} ms`
    return violation("one lease at a time", message)
  })
}

/** What happens to a value by itself, or to its deadline, is no matter of its lease. */
const voids = ({ cause }: Change): boolean =>
  cause === "set" || cause === "fill" || cause === "refill" || cause === "delete" || cause === "restart"

/** Each load has a lease, unless the server could not be asked. */
const checkLoads = ({ failures, leases, loads }: History): ReadonlyArray<Violation> => {
  const rights = new Map<string, number>()
  const count = (origin: string, key: string, by: number) => {
    const name = `${origin}:${key}`
    rights.set(name, (rights.get(name) ?? 0) + by)
  }
  for (const { cause, key, token } of leases) if (cause === "taken") count(originOf(token ?? ""), key, 1)
  for (const { key, origin } of loads) count(origin, key, -1)
  return [...rights].flatMap(([name, left]) => {
    const allowed = failures.filter((origin) => origin === originOf(name)).length
    return left + allowed >= 0
      ? []
      : violation("one lease at a time", `${name} was loaded ${-left} times without a lease`)
  })
}

/** Of a token, which ends with a number. */
const originOf = (token: string): string => token.slice(0, token.lastIndexOf(":"))
