/**
 * Redis as the protocol sees it: what scripts read and write, in the order in which they are executed, and what they publish.
 *
 * **Details**
 *
 * Each method is one script or command, so it is atomic. What it changes is written down in `changes`, for the checker.
 */
import type { Invalidation } from "@tiercache/core"
import type { Change } from "./History.ts"
import { read } from "./Values.ts"
import type { VirtualTime } from "./VirtualTime.ts"

/** An entry with its deadline in milliseconds of the server's clock. */
export interface Stored {
  readonly payload: Uint8Array
  readonly version: number
  readonly deadline: number
}

/** An announcement as the scripts publish it. */
export interface Announcement {
  readonly kind: Invalidation.Kind
  readonly origin: string
  readonly writeId: number | undefined
  readonly keys: ReadonlyArray<string>
  readonly pushed: ReadonlyArray<Stored> | undefined
}

export type BusContent =
  | { readonly type: "subscribed" }
  | { readonly type: "heartbeat"; readonly id: number }
  | { readonly type: "announcement"; readonly announcement: Announcement }

/** What a connection to the bus brings, in the order in which it was published after the subscription. */
export interface BusItem {
  /** Of the server when this was published, see `History`. */
  readonly position: number
  readonly content: BusContent
}

/** A connection to the bus, as the server knows it. */
export interface Subscriber {
  readonly origin: string
  readonly receive: (item: BusItem) => void
}

/** Who sent a script. */
export interface Sender {
  readonly origin: string
  readonly writeId: number | undefined
  /** The operation that it belongs to. */
  readonly operation: number | undefined
}

export interface SetOptions {
  readonly deadline: number
  readonly only: "absent" | "present" | undefined
  readonly push: boolean
}

export class ModelRedis {
  readonly changes: Array<Change> = []
  readonly subscribers = new Set<Subscriber>()
  private readonly entries = new Map<string, Stored>()
  /** All keys that ever were. */
  private readonly known = new Set<string>()
  private readonly time: VirtualTime
  private micros = 0

  constructor(time: VirtualTime) {
    this.time = time
  }

  get(key: string): Stored | undefined {
    this.begin()
    return this.entries.get(key)
  }

  /** How many were written. */
  set(entries: ReadonlyMap<string, Uint8Array>, options: SetOptions, sender: Sender): number {
    this.begin()
    const { deadline, only, push } = options
    const written = [...entries].filter(([key]) => only === undefined || this.entries.has(key) === (only === "present"))
    for (const [key, payload] of written) {
      const version = Math.max(this.micros, (this.entries.get(key)?.version ?? -1) + 1)
      this.entries.set(key, { payload, version, deadline })
      this.known.add(key)
      this.note(key, "set", sender.operation)
    }
    const keys = written.map(([key]) => key)
    this.announce("set", keys, sender, push)
    return written.length
  }

  /** How many there were. What was not there is announced too: some L1 may hold what was evicted here. */
  unlink(keys: ReadonlyArray<string>, sender: Sender): number {
    this.begin()
    const found = keys.filter((key) => this.entries.delete(key))
    const missing = keys.filter((key) => !found.includes(key))
    for (const group of [found, missing]) {
      for (const key of group) this.note(key, "delete", sender.operation)
      this.announce("delete", group, sender)
    }
    return found.length
  }

  expire(key: string, deadline: number, sender: Sender): boolean {
    this.begin()
    const entry = this.entries.get(key)
    if (entry === undefined) return false
    this.entries.set(key, { ...entry, deadline })
    this.note(key, "expire", sender.operation)
    this.announce("expire", [key], sender)
    return true
  }

  /** Says that all keys are deleted that are not there, and returns them: some L1 may hold what was evicted here. */
  announcePattern(glob: string, sender: Sender): ReadonlyArray<string> {
    this.begin()
    const missing = [...this.known].filter((key) => !this.entries.has(key))
    for (const key of missing) this.note(key, "delete", sender.operation)
    this.announce("pattern", [glob], sender)
    return missing
  }

  /** All keys are deleted, and everybody is told. */
  flush(): void {
    this.begin()
    for (const key of this.known) {
      this.entries.delete(key)
      this.note(key, "delete", undefined)
    }
    this.publish(
      {
        type: "announcement",
        announcement: { kind: "flush", origin: "", writeId: undefined, keys: [], pushed: undefined }
      },
      () => true
    )
  }

  keys(): ReadonlyArray<string> {
    this.begin()
    return [...this.entries.keys()]
  }

  heartbeat(origin: string, id: number): void {
    this.begin()
    this.publish({ type: "heartbeat", id }, (subscriber) => subscriber.origin === origin)
  }

  subscribe(subscriber: Subscriber): void {
    subscriber.receive({ position: this.changes.length, content: { type: "subscribed" } })
    this.subscribers.add(subscriber)
  }

  /** Memory is short: an entry goes, and nobody is told. What an L1 holds of it is still the last that was written. */
  evict(key: string): void {
    this.begin()
    this.entries.delete(key)
  }

  /** Starts again with nothing. Its connections are for others to cut. */
  restart(): void {
    this.begin()
    const lost = [...this.entries.keys()]
    this.entries.clear()
    for (const key of lost) this.note(key, "restart", undefined)
  }

  /** What expired since the last script goes first. Two scripts take a microsecond at least. */
  private begin(): void {
    this.micros = Math.max(this.micros + 1, this.time.now * 1000)
    for (const [key, { deadline }] of this.entries) {
      if (deadline > this.time.now) continue
      this.entries.delete(key)
      this.changes.push({ key, cause: "expiry", value: undefined, deadline, operation: undefined })
    }
  }

  private note(key: string, cause: Change["cause"], operation: number | undefined): void {
    const entry = this.entries.get(key)
    const value = entry && read(entry.payload)
    this.changes.push({ key, cause, value, deadline: entry?.deadline ?? Infinity, operation })
  }

  private announce(kind: Invalidation.Kind, keys: ReadonlyArray<string>, sender: Sender, push = false): void {
    if (keys.length === 0) return
    const { origin, writeId } = sender
    const pushed = push ? keys.flatMap((key) => this.entries.get(key) ?? []) : undefined
    this.publish({ type: "announcement", announcement: { kind, origin, writeId, keys, pushed } }, () => true)
  }

  private publish(content: BusContent, isFor: (subscriber: Subscriber) => boolean): void {
    const item = { position: this.changes.length, content }
    for (const subscriber of this.subscribers) if (isFor(subscriber)) subscriber.receive(item)
  }
}
