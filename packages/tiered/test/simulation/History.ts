/**
 * What a simulation writes down.
 *
 * **Details**
 *
 * The server's changes are numbered in the order in which they happened. A *position* is a number of changes: the state at
 * position p is what the first p changes made of an empty server. So a position says which state an operation has seen, exactly.
 */

import type { Call } from "./Step.ts"

/** Something that happened to a key on the server. */
export interface Change {
  readonly key: string
  /**
   * A loaded value is a `fill` where there was none, which is announced to nobody, and a `refill` where there was one. To `forget`
   * is a delete of what is not there.
   */
  readonly cause: "set" | "fill" | "refill" | "delete" | "forget" | "expire" | "stale" | "expiry" | "restart"
  /** What the key holds afterwards. */
  readonly value: number | undefined
  /** Until when it is fresh, and until when it is there, in milliseconds; of an expiry, since when not. */
  readonly freshUntil: number
  readonly deadline: number
  readonly at: number
  /** The operation that did it, if it was one of a caller. */
  readonly operation: number | undefined
  /** The change of the database that it is to announce. */
  readonly announces: number | undefined
}

/** Something that happened to the lease of a key; writes and deletes void it besides. */
export interface LeaseEvent {
  readonly key: string
  readonly cause: "taken" | "awaited" | "renewed" | "released" | "evicted"
  readonly token: string | undefined
  /** Until when it lasts, in milliseconds. */
  readonly until: number
  readonly at: number
  /** The number of changes that happened before. */
  readonly position: number
}

/** A call of a loader. */
export interface Load {
  readonly origin: string
  readonly key: string
  /** What it brings, once it has looked at the database, and the last change that it saw there. */
  value: number | undefined
  sawChange: number | undefined
  /** Whether the process was told that it is stored. */
  isStored: boolean
}

/** What a read found. */
export interface Found {
  readonly value: number
  readonly tier: "l1" | "l2" | "loader"
  /** Served although L1 was not trusted. */
  readonly isDistrusted: boolean
  /** Served although its TTL was over. */
  readonly isStale: boolean
}

/** `lost` with its process. */
export type Outcome = "pending" | "acknowledged" | "failed" | "interrupted" | "defect" | "lost"

export interface Operation {
  readonly id: number
  /** The process, by the name under which it announces its writes. */
  readonly origin: string
  readonly call: Call
  readonly kind: "read" | "load" | "write" | "deletePattern"
  readonly keys: ReadonlyArray<string>
  /** The change that was made to the database before it began, for it to announce. */
  readonly announces: number | undefined
  /** When it began and when it ended: in milliseconds, and in steps, of which several share a millisecond. */
  readonly startedAt: number
  readonly startedIn: number
  /** The position of the server when it began, and the one up to which the process had heard the bus. */
  readonly startPosition: number
  readonly heard: number
  endedAt: number
  endedIn: number
  outcome: Outcome
  /** Whether the process has tried to ask the server. */
  isSent: boolean
  /** The position after the server executed it, of each key that it asked the server for and got an answer. */
  readonly positions: Map<string, number>
  /** What a read found: `undefined` for nothing. */
  readonly found: Map<string, Found | undefined>
}

/** What a process would have served at once, after a step. */
export interface Peek {
  readonly origin: string
  readonly key: string
  readonly value: number
  readonly isDistrusted: boolean
  readonly isStale: boolean
  /** In milliseconds. */
  readonly at: number
  readonly afterStep: number
  /** The position up to which it had heard the bus. */
  readonly heard: number
}

/** What a process has when all is quiet. */
export interface Final {
  readonly origin: string
  readonly key: string
  readonly peeked: number | undefined
  readonly got: number | undefined
}

/** What a process still keeps in its tables when all is quiet. */
export interface Leftover {
  readonly origin: string
  readonly unacknowledged: number
  readonly inFlight: number
  readonly waiting: number
}

export interface History {
  readonly changes: ReadonlyArray<Change>
  readonly leases: ReadonlyArray<LeaseEvent>
  readonly loads: ReadonlyArray<Load>
  /** The processes whose commands have failed, once for each. */
  readonly failures: ReadonlyArray<string>
  readonly operations: ReadonlyArray<Operation>
  readonly peeks: ReadonlyArray<Peek>
  readonly finals: ReadonlyArray<Final>
  readonly leftovers: ReadonlyArray<Leftover>
  /** Whether somebody learned only after a long time that a lease had ended, although nothing was lost. */
  readonly hasOverslept: boolean
  /** When all was quiet, in milliseconds. */
  readonly endedAt: number
}
