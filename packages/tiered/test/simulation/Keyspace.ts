/**
 * What lies under the keys of the server, and what has happened to them, written down for the checker.
 */
import type { Fault } from "./Fault.ts"
import type { Change, LeaseEvent } from "./History.ts"
import { read } from "./Values.ts"
import type { VirtualTime } from "./VirtualTime.ts"

/** Until when an entry is fresh, and until when it is there, in milliseconds of the server's clock. */
export interface Deadlines {
  readonly freshUntil: number
  readonly goneAfter: number
}

export interface Stored extends Deadlines {
  readonly payload: Uint8Array
  readonly version: number
  /** Whether it was noted that it is stale. */
  readonly isStale: boolean
}

/** The right to load, or, without a token, that nobody is to try. */
export interface StoredLease {
  readonly token: string | undefined
  readonly until: number
  readonly isAwaited: boolean
}

/** An entry, a lease, or both. */
interface Slot {
  readonly entry: Stored | undefined
  readonly lease: StoredLease | undefined
}

/** Why a key was changed. */
export interface Reason {
  /** The operation that did it. */
  readonly operation: number | undefined
  /** The change of the database that it announces. */
  readonly announces: number | undefined
}

const EMPTY: Slot = { entry: undefined, lease: undefined }

export class Keyspace {
  readonly changes: Array<Change> = []
  readonly leases: Array<LeaseEvent> = []
  private readonly slots = new Map<string, Slot>()
  /** All keys that ever had an entry. */
  private readonly known = new Set<string>()
  private readonly time: VirtualTime
  private readonly fault: Fault | undefined
  private micros = 0

  constructor(time: VirtualTime, fault: Fault | undefined) {
    this.time = time
    this.fault = fault
  }

  /** What is over since the last script goes first. Two scripts take a microsecond at least. */
  begin(): void {
    this.micros = Math.max(this.micros + 1, this.time.now * 1000)
    for (const [key, { entry, lease }] of this.slots) this.age(key, entry, lease)
  }

  at(key: string): Slot {
    return this.slots.get(key) ?? EMPTY
  }

  fresh(key: string): Stored | undefined {
    const { entry } = this.at(key)
    return entry === undefined || entry.isStale ? undefined : entry
  }

  keys(): ReadonlyArray<string> {
    return [...this.slots.keys()]
  }

  /** Keys that had an entry and have none. */
  missing(): ReadonlyArray<string> {
    return [...this.known].filter((key) => this.at(key).entry === undefined)
  }

  keep(key: string, entry: Stored | undefined, lease: StoredLease | undefined): void {
    if (entry === undefined && lease === undefined) this.slots.delete(key)
    else this.slots.set(key, { entry, lease })
  }

  write(key: string, payload: Uint8Array, deadlines: Deadlines, lease: StoredLease | undefined): void {
    const { freshUntil, goneAfter } = deadlines
    const version = this.versionFor(this.at(key).entry)
    this.keep(key, { payload, version, freshUntil, goneAfter, isStale: false }, lease)
    this.known.add(key)
  }

  /** All keys that there were, and those that had an entry before. */
  clear(): ReadonlyArray<string> {
    const gone = new Set([...this.known, ...this.slots.keys()])
    this.slots.clear()
    return [...gone]
  }

  /** `was` is what a key had that has nothing now. */
  note(key: string, cause: Change["cause"], reason?: Reason, was?: Stored): void {
    const { entry } = this.at(key)
    this.changes.push({
      key,
      cause,
      value: entry && read(entry.payload),
      freshUntil: (entry ?? was)?.freshUntil ?? Infinity,
      deadline: (entry ?? was)?.goneAfter ?? Infinity,
      at: this.time.now,
      operation: reason?.operation,
      announces: reason?.announces
    })
  }

  noteLease(key: string, cause: LeaseEvent["cause"], token?: string, until = this.time.now): void {
    this.leases.push({ key, cause, token, until, at: this.time.now, position: this.changes.length })
  }

  private age(key: string, entry: Stored | undefined, lease: StoredLease | undefined): void {
    const { now } = this.time
    const isGone = entry !== undefined && entry.goneAfter <= now
    if (isGone) {
      this.keep(key, undefined, lease)
      this.note(key, "expiry", undefined, entry)
    } else if (entry !== undefined && entry.freshUntil <= now && !entry.isStale) {
      this.keep(key, { ...entry, isStale: true }, lease)
      this.note(key, "stale")
    }
    if ((isGone || entry === undefined) && (lease === undefined || lease.until <= now)) this.slots.delete(key)
  }

  private versionFor(replaced: Stored | undefined): number {
    if (this.fault === "versions shrink") return Number.MAX_SAFE_INTEGER - this.micros
    return Math.max(this.micros, (replaced?.version ?? -1) + 1)
  }
}
