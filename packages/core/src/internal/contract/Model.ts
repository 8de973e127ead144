/**
 * What a cache is, as short as it can be said: a map with deadlines and leases.
 */
import * as KeyPattern from "../../KeyPattern.ts"
import type * as Lease from "../../Lease.ts"
import { KEYS, type Operation } from "./History.ts"
import type { ClockKind } from "./Subject.ts"

interface Held {
  /** `undefined` for a known absence. */
  readonly value: unknown
  readonly freshUntil: number
  readonly goneAfter: number
  readonly tags: ReadonlyArray<string>
}

interface Leased {
  /** None after a failed load. */
  readonly token: number | undefined
  readonly until: number
  readonly tags: ReadonlyArray<string>
}

/** What a read finds. */
export interface State {
  readonly value: unknown
  readonly isStale: boolean
}

/** What asking for a lease finds. */
export interface Answer {
  readonly tag: Lease.Lease<unknown>["_tag"]
  readonly state: State | undefined
  readonly token: number | undefined
  /** Not on a live clock, which goes on meanwhile. */
  readonly millis: number | undefined
}

/** How a call has to fail. */
export class Fails {
  readonly reason: "WrongType"
  constructor(reason: "WrongType") {
    this.reason = reason
  }
}

/** Has a prefix only because patterns need one. */
const PREFIX = "model"

type Only = "absent" | "present" | undefined

export class Model {
  private readonly clock: ClockKind
  private now = 0
  private readonly entries = new Map<string, Held>()
  private readonly leases = new Map<string, Leased>()

  constructor(clock: ClockKind) {
    this.clock = clock
  }

  /** Does what an operation has to do, and returns what it has to answer. */
  apply(operation: Operation): unknown {
    switch (operation.op) {
      case "get":
      case "peekEntry":
        return this.state(operation.key)
      case "peek":
        return this.present(operation.key)?.value
      case "getMany":
        return operation.keys.map((key) => this.state(key))
      case "has":
        return this.present(operation.key) !== undefined
      case "ttl": {
        const entry = this.present(operation.key)
        return entry && entry.freshUntil - this.now
      }
      case "set":
        return this.isAllowed(operation.key, operation.only) && this.write(operation.key, operation.value, operation)
      case "setMany": {
        const values = new Map(operation.entries)
        const allowed = [...values].filter(([key]) => this.isAllowed(key, operation.only))
        for (const [key, value] of allowed) this.write(key, value, operation)
        return allowed.length
      }
      case "delete":
        return this.delete([operation.key]) === 1
      case "deleteMany":
        return this.delete(operation.keys)
      case "deletePattern":
        return this.delete(KEYS.filter(matching(operation.pattern)))
      case "deleteTags":
        return this.delete(KEYS.filter((key) => operation.tags.some((tag) => this.carries(key, tag))))
      case "keysByTag":
        return KEYS.filter((key) => this.living(key)?.tags.includes(operation.tag) === true).toSorted()
      case "scan":
        return KEYS.filter((key) => this.living(key) !== undefined && matching(operation.pattern)(key)).toSorted()
      case "expire":
        return this.expire(operation.key, operation.ttl)
      case "increment":
        return this.increment(operation.key, operation.by, operation.ttl)
      case "take":
        return operation.keys.map((key) => this.take(key, operation))
      case "fill":
        return operation.entries.map(
          ([key, value]) => this.isHeldBy(key, operation.token) && this.write(key, value, operation)
        )
      case "renew":
        return operation.keys.map(
          (key) =>
            this.isHeldBy(key, operation.token) &&
            this.lease(key, operation.token, operation.millis, this.leased(key)?.tags ?? [])
        )
      case "release":
        return operation.keys.forEach((key) => this.release(key, operation))
      default:
        this.now += operation.millis
        return undefined
    }
  }

  state(key: string): State | undefined {
    const held = this.living(key)
    return held && { value: held.value, isStale: this.now >= held.freshUntil }
  }

  /** Whether there is a lease, and nothing else. */
  isLeasedOnly(key: string): boolean {
    return this.living(key) === undefined && this.leased(key) !== undefined
  }

  /** Fresh or stale, with a value or without. */
  private living(key: string): Held | undefined {
    const held = this.entries.get(key)
    return held === undefined || this.now >= held.goneAfter ? undefined : held
  }

  /** Fresh, with a value. */
  private present(key: string): Held | undefined {
    const held = this.living(key)
    return held === undefined || held.value === undefined || this.now >= held.freshUntil ? undefined : held
  }

  private isAllowed(key: string, only: Only): boolean {
    return only === undefined || (this.present(key) !== undefined) === (only === "present")
  }

  private write(
    key: string,
    value: unknown,
    {
      grace,
      tags,
      ttl
    }: { readonly ttl: number; readonly grace: number | undefined; readonly tags: ReadonlyArray<string> }
  ): true {
    const freshUntil = this.now + ttl
    this.entries.set(key, { value, freshUntil, goneAfter: freshUntil + (grace ?? 0), tags })
    this.leases.delete(key)
    return true
  }

  private delete(keys: ReadonlyArray<string>): number {
    for (const key of keys) this.leases.delete(key)
    return keys.filter((key) => this.living(key) !== undefined && this.entries.delete(key)).length
  }

  private expire(key: string, ttl: number): boolean {
    const held = this.present(key)
    if (held === undefined) return false
    const freshUntil = this.now + ttl
    this.entries.set(key, { ...held, freshUntil, goneAfter: freshUntil + held.goneAfter - held.freshUntil })
    return true
  }

  private increment(key: string, by: number, ttl: number): number | Fails {
    const held = this.present(key)
    const value = held === undefined ? 0 : held.value
    if (typeof value !== "number" || !Number.isSafeInteger(value) || Object.is(value, -0)) return new Fails("WrongType")
    if (!Number.isSafeInteger(value + by)) return new Fails("WrongType")
    this.write(
      key,
      value + by,
      held === undefined
        ? { ttl, grace: undefined, tags: [] }
        : { ttl: held.freshUntil - this.now, grace: held.goneAfter - held.freshUntil, tags: held.tags }
    )
    return value + by
  }

  /** A lease is there until its end, and for its holder as long as what it is to replace. */
  private leased(key: string): Leased | undefined {
    const lease = this.leases.get(key)
    if (lease === undefined || this.now < lease.until) return lease
    return lease.token !== undefined && this.living(key) !== undefined ? lease : undefined
  }

  private isHeldBy(key: string, token: number): boolean {
    return this.leased(key)?.token === token
  }

  private carries(key: string, tag: string): boolean {
    return this.living(key)?.tags.includes(tag) === true || this.leased(key)?.tags.includes(tag) === true
  }

  private lease(key: string, token: number | undefined, millis: number, tags: ReadonlyArray<string>): true {
    this.leases.set(key, { token, until: this.now + millis, tags })
    return true
  }

  private take(key: string, { millis, tags, token, when }: Extract<Operation, { readonly op: "take" }>): Answer {
    const state = this.state(key)
    const none = { state, token: undefined, millis: undefined }
    if (when === "stale" && state?.isStale === false) return { ...none, tag: "Hit" }
    const lease = this.leased(key)
    if (lease === undefined || this.now >= lease.until || lease.token === token) {
      this.lease(key, token, millis, tags)
      return { ...none, tag: "Granted" }
    }
    const left = this.clock === "test" ? lease.until - this.now : undefined
    return { state, tag: lease.token === undefined ? "Failed" : "Held", token: lease.token, millis: left }
  }

  private release(key: string, { failedFor, token }: Extract<Operation, { readonly op: "release" }>): void {
    const lease = this.leased(key)
    if (lease?.token !== token) return
    this.leases.delete(key)
    if (failedFor !== undefined && failedFor > 0) this.lease(key, undefined, failedFor, lease.tags)
  }
}

const matching = (pattern: string) => {
  const { matches } = KeyPattern.make(PREFIX, pattern)
  return (key: string) => matches(`${PREFIX}:${key}`)
}
