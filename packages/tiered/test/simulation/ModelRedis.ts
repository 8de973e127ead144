/**
 * Redis as the protocol sees it: what scripts read and write, in the order in which they are executed, and what they publish.
 *
 * **Details**
 *
 * Each method is one script or command, so it is atomic.
 */
import type { Invalidation } from "@tiercache/core"
import type { Fault } from "./Fault.ts"
import type { Change, LeaseEvent } from "./History.ts"
import { type Deadlines, Keyspace, type Reason, type Stored, type StoredLease } from "./Keyspace.ts"
import { ModelBus } from "./ModelBus.ts"
import type { VirtualTime } from "./VirtualTime.ts"

/** What `take` found or did, see `Lease`. */
export type Taken =
  | { readonly type: "Hit"; readonly entry: Stored }
  | { readonly type: "Granted"; readonly previous: Stored | undefined }
  | { readonly type: "Held"; readonly token: string; readonly millis: number; readonly previous: Stored | undefined }
  | { readonly type: "Failed"; readonly millis: number; readonly previous: Stored | undefined }

/** Who sent a script. */
export interface Sender extends Reason {
  readonly origin: string
  readonly writeId: number | undefined
}

export interface SetOptions extends Deadlines {
  readonly only: "absent" | "present" | undefined
  readonly push: boolean
}

export interface FillOptions extends Deadlines {
  readonly token: string
  readonly push: boolean
}

export class ModelRedis {
  readonly changes: ReadonlyArray<Change>
  readonly leases: ReadonlyArray<LeaseEvent>
  readonly bus: ModelBus
  readonly fault: Fault | undefined
  private readonly keyspace: Keyspace
  private readonly time: VirtualTime

  constructor(time: VirtualTime, fault?: Fault) {
    this.time = time
    this.fault = fault
    this.keyspace = new Keyspace(time, fault)
    this.changes = this.keyspace.changes
    this.leases = this.keyspace.leases
    this.bus = new ModelBus(() => this.changes.length, fault)
  }

  get(key: string): Stored | undefined {
    this.keyspace.begin()
    return this.keyspace.at(key).entry
  }

  /** How many were written. */
  set(entries: ReadonlyMap<string, Uint8Array>, options: SetOptions, sender: Sender): number {
    this.keyspace.begin()
    const { only, push } = options
    const isThere = (key: string) => this.keyspace.fresh(key) !== undefined
    const written = [...entries].filter(([key]) => only === undefined || isThere(key) === (only === "present"))
    for (const [key, payload] of written) {
      this.keyspace.write(key, payload, options, this.leaseLeftBy("sets keep leases", key))
      this.keyspace.note(key, "set", sender)
    }
    const keys = written.map(([key]) => key)
    this.announce("set", keys, sender, push)
    return written.length
  }

  /** How many there were. What was not there is announced too: some L1 may hold what was evicted here. */
  unlink(keys: ReadonlyArray<string>, sender: Sender): number {
    this.keyspace.begin()
    const found = keys.filter((key) => this.keyspace.at(key).entry !== undefined)
    const missing = keys.filter((key) => !found.includes(key))
    for (const group of [found, missing]) {
      for (const key of group) {
        this.keyspace.keep(key, undefined, this.leaseLeftBy("deletes keep leases", key))
        this.keyspace.note(key, "delete", sender)
      }
      this.announce("delete", group, sender)
    }
    return found.length
  }

  /** Leaves a lease alone. */
  expire(key: string, freshUntil: number, sender: Sender): boolean {
    this.keyspace.begin()
    const entry = this.keyspace.fresh(key)
    if (entry === undefined) return false
    const goneAfter = freshUntil + entry.goneAfter - entry.freshUntil
    this.keyspace.keep(key, { ...entry, freshUntil, goneAfter }, this.keyspace.at(key).lease)
    this.keyspace.note(key, "expire", sender)
    this.announce("expire", [key], sender)
    return true
  }

  /** Finds the entry, or takes the lease. */
  take(key: string, token: string, millis: number, when: "stale" | "always"): Taken {
    this.keyspace.begin()
    const { entry, lease } = this.keyspace.at(key)
    const fresh = this.keyspace.fresh(key)
    if (fresh !== undefined && when === "stale") return { type: "Hit", entry: fresh }
    const left = (lease?.until ?? 0) - this.time.now
    if (lease !== undefined && left > 0 && this.fault !== "grants twice") {
      if (lease.token === undefined) return { type: "Failed", millis: left, previous: entry }
      this.keyspace.keep(key, entry, { ...lease, isAwaited: true })
      this.keyspace.noteLease(key, "awaited", lease.token, lease.until)
      return { type: "Held", token: lease.token, millis: left, previous: entry }
    }
    const until = this.time.now + millis
    this.keyspace.keep(key, entry, { token, until, isAwaited: false })
    this.keyspace.noteLease(key, "taken", token, until)
    return { type: "Granted", previous: entry }
  }

  /** Stores what was loaded, if the lease is still there; whether it was. */
  fill(key: string, payload: Uint8Array, options: FillOptions, sender: Sender): boolean {
    this.keyspace.begin()
    const { entry, lease } = this.keyspace.at(key)
    if (lease?.token !== options.token && this.fault !== "fills without a lease") return this.fault === "claims to fill"
    this.keyspace.write(key, payload, options, undefined)
    this.keyspace.note(key, entry === undefined ? "fill" : "refill", sender)
    if (entry !== undefined) this.announce("set", [key], sender, options.push)
    else if (lease?.isAwaited === true) this.tell("released", key, options.token)
    return true
  }

  /** Whether the lease is still there. */
  renew(key: string, token: string, millis: number): boolean {
    this.keyspace.begin()
    const { entry, lease } = this.keyspace.at(key)
    if (lease?.token !== token) return false
    const until = this.time.now + millis
    this.keyspace.keep(key, entry, { ...lease, until })
    this.keyspace.noteLease(key, "renewed", token, until)
    return true
  }

  release(key: string, token: string, failedForMillis: number | undefined): void {
    this.keyspace.begin()
    const { entry, lease } = this.keyspace.at(key)
    if (lease?.token !== token) return
    const until = this.time.now + (failedForMillis ?? 0)
    const backoff = until > this.time.now ? { token: undefined, until, isAwaited: false } : undefined
    this.keyspace.keep(key, entry, backoff)
    this.keyspace.noteLease(key, "released", token)
    if (lease.isAwaited) this.tell(failedForMillis === undefined ? "released" : "failed", key, token)
  }

  /** Says that all keys are deleted that are not there, and returns them: some L1 may hold what was evicted here. */
  announcePattern(glob: string, sender: Sender): ReadonlyArray<string> {
    this.keyspace.begin()
    const missing = this.keyspace.missing()
    for (const key of missing) this.keyspace.note(key, "forget", sender)
    this.announce("pattern", [glob], sender)
    return missing
  }

  /** All keys are deleted, and everybody is told. */
  flush(sender: Sender): void {
    this.keyspace.begin()
    for (const key of this.keyspace.clear()) this.keyspace.note(key, "delete", sender)
    this.bus.announce({ kind: "flush", origin: "", writeId: undefined, keys: [], pushed: undefined })
  }

  keys(): ReadonlyArray<string> {
    this.keyspace.begin()
    return this.keyspace.keys()
  }

  heartbeat(origin: string, id: number): void {
    this.keyspace.begin()
    this.bus.heartbeat(origin, id)
  }

  /** Memory is short: a key goes, and nobody is told. What an L1 holds of it is still the last that was written. */
  evict(key: string): void {
    this.keyspace.begin()
    this.keyspace.keep(key, undefined, undefined)
    this.keyspace.noteLease(key, "evicted")
  }

  /** Starts again with nothing. Its connections are for others to cut. */
  restart(): void {
    this.keyspace.begin()
    const lost = this.keyspace.keys()
    this.keyspace.clear()
    for (const key of lost) this.keyspace.note(key, "restart")
  }

  deadlinesOf({ freshUntil, goneAfter }: Stored): Deadlines {
    return this.fault === "hides deadlines" ? { freshUntil: Infinity, goneAfter: Infinity } : { freshUntil, goneAfter }
  }

  /** A lease that should be void. */
  private leaseLeftBy(fault: Fault, key: string): StoredLease | undefined {
    return this.fault === fault ? this.keyspace.at(key).lease : undefined
  }

  private announce(kind: Invalidation.Kind, keys: ReadonlyArray<string>, sender: Sender, push = false): void {
    if (keys.length === 0) return
    const { origin, writeId } = sender
    const pushed = push ? keys.flatMap((key) => this.keyspace.at(key).entry ?? []) : undefined
    this.bus.announce({ kind, origin, writeId, keys, pushed })
  }

  /** Tells those who wait for a lease how it has ended. */
  private tell(kind: "released" | "failed", key: string, token: string): void {
    const end = token.lastIndexOf(":")
    const [origin, id] = [token.slice(0, end), Number(token.slice(end + 1))]
    this.bus.announce({ kind, origin, writeId: id, keys: [key], pushed: undefined })
  }
}
