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
interface Announcement {
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
  readonly receive: (item: BusItem, isAhead?: boolean) => void
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

/** What the protocol relies on and would not get: each of these has to be noticed. */
export type Fault =
  /** Writes are announced by a command of their own, later. */
  | "announces apart"
  /** Now and then a message is lost, and what follows it arrives. */
  | "loses messages"
  /** Heartbeats arrive before the messages that were published earlier. */
  | "heartbeats overtake"
  /** A subscription begins later than it is acknowledged. */
  | "subscribes late"
  /** Newer entries have lower versions. */
  | "versions shrink"
  /** Readers are not told when entries expire. */
  | "hides deadlines"

/** Of so many messages one is lost, if messages are lost. */
const LOST = 5

export class ModelRedis {
  readonly changes: Array<Change> = []
  readonly subscribers = new Set<Subscriber>()
  private readonly entries = new Map<string, Stored>()
  /** All keys that ever were. */
  private readonly known = new Set<string>()
  private readonly time: VirtualTime
  readonly fault: Fault | undefined
  /** Announcements that wait for a command of their own, by who wrote. */
  private readonly withheld = new Map<string, Array<BusContent>>()
  /** Those whose subscription is not in force yet: they miss a message. */
  private readonly late = new Set<Subscriber>()
  private micros = 0
  private published = 0

  constructor(time: VirtualTime, fault?: Fault) {
    this.time = time
    this.fault = fault
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
      this.entries.set(key, { payload, deadline, version: this.versionFor(key) })
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
    const announcement = { kind: "flush", origin: "", writeId: undefined, keys: [], pushed: undefined } as const
    this.publish({ type: "announcement", announcement })
  }

  keys(): ReadonlyArray<string> {
    this.begin()
    return [...this.entries.keys()]
  }

  heartbeat(origin: string, id: number): void {
    this.begin()
    for (const subscriber of this.subscribers) {
      if (subscriber.origin === origin)
        subscriber.receive(this.item({ type: "heartbeat", id }), this.fault === "heartbeats overtake")
    }
  }

  subscribe(subscriber: Subscriber): void {
    subscriber.receive({ position: this.changes.length, content: { type: "subscribed" } })
    const subscribers = this.fault === "subscribes late" ? this.late : this.subscribers
    subscribers.add(subscriber)
  }

  /** Whether there was a subscription. */
  unsubscribe(subscriber: Subscriber): boolean {
    this.late.delete(subscriber)
    return this.subscribers.delete(subscriber)
  }

  /** Whether there was anything to announce yet. */
  announceWithheld(origin: string): boolean {
    const withheld = this.withheld.get(origin) ?? []
    this.withheld.delete(origin)
    for (const content of withheld) this.publish(content)
    return withheld.length > 0
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

  deadlineOf({ deadline }: Stored): number {
    return this.fault === "hides deadlines" ? Infinity : deadline
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

  private versionFor(key: string): number {
    if (this.fault === "versions shrink") return Number.MAX_SAFE_INTEGER - this.micros
    return Math.max(this.micros, (this.entries.get(key)?.version ?? -1) + 1)
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
    const content: BusContent = { type: "announcement", announcement: { kind, origin, writeId, keys, pushed } }
    if (this.fault !== "announces apart") return this.publish(content)
    this.withheld.set(origin, [...(this.withheld.get(origin) ?? []), content])
  }

  private publish(content: BusContent): void {
    if (this.fault === "loses messages" && ++this.published % LOST === 0) return
    for (const subscriber of this.subscribers) subscriber.receive(this.item(content))
    for (const subscriber of this.late) this.subscribers.add(subscriber)
    this.late.clear()
  }

  private item(content: BusContent): BusItem {
    return { position: this.changes.length, content }
  }
}
