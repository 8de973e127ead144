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
  readonly cause: "set" | "delete" | "expire" | "expiry" | "restart"
  /** What the key holds afterwards. */
  readonly value: number | undefined
  /** Until when, in milliseconds; of an expiry, since when it is gone. */
  readonly deadline: number
  /** The operation that did it, if it was one of a caller. */
  readonly operation: number | undefined
}

/** What a read found. */
export interface Found {
  readonly value: number
  readonly tier: "l1" | "l2"
  /** Served although L1 was not trusted. */
  readonly isStale: boolean
}

/** `lost` with its process. */
export type Outcome = "pending" | "acknowledged" | "failed" | "interrupted" | "defect" | "lost"

export interface Operation {
  readonly id: number
  /** The process, by the name under which it announces its writes. */
  readonly origin: string
  readonly call: Call
  readonly kind: "read" | "write" | "deletePattern"
  readonly keys: ReadonlyArray<string>
  /** When it began and when it ended: in milliseconds, and in steps, of which several share a millisecond. */
  readonly startedAt: number
  readonly startedIn: number
  /** The position of the server when it began. */
  readonly startPosition: number
  endedAt: number
  endedIn: number
  outcome: Outcome
  /** Whether the process has tried to ask the server. */
  isSent: boolean
  /** The position after the server executed it, of each key that it asked the server for. */
  readonly positions: Map<string, number>
  /** What a read found: `undefined` for nothing. */
  readonly found: Map<string, Found | undefined>
}

/** What a process would have served at once, after a step. */
export interface Peek {
  readonly origin: string
  readonly key: string
  readonly value: number
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
}

export interface History {
  readonly changes: ReadonlyArray<Change>
  readonly operations: ReadonlyArray<Operation>
  readonly peeks: ReadonlyArray<Peek>
  readonly finals: ReadonlyArray<Final>
  readonly leftovers: ReadonlyArray<Leftover>
  /** When all was quiet, in milliseconds. */
  readonly endedAt: number
}
