/**
 * What a cache is, as short as it can be said: a map with deadlines.
 */
import * as KeyPattern from "../../KeyPattern.ts"
import type { Operation } from "./History.ts"

interface Held {
  readonly value: unknown
  readonly goneAfter: number
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

export class Model {
  private now = 0
  private readonly entries = new Map<string, Held>()

  /** Does what an operation has to do, and returns what it has to answer. */
  apply(operation: Operation): unknown {
    switch (operation.op) {
      case "get":
      case "peek":
        return this.value(operation.key)
      case "getMany":
        return operation.keys.map((key) => this.value(key))
      case "has":
        return this.isLiving(operation.key)
      case "ttl":
        return this.living(operation.key, ({ goneAfter }) => goneAfter - this.now)
      case "set":
        return this.isAllowed(operation) && this.write(operation.key, operation.value, operation.ttl)
      case "setMany": {
        const values = new Map(operation.entries)
        const allowed = [...values].filter(([key]) => this.isAllowed({ key, only: operation.only }))
        for (const [key, value] of allowed) this.write(key, value, operation.ttl)
        return allowed.length
      }
      case "delete":
        return this.delete([operation.key]) === 1
      case "deleteMany":
        return this.delete(operation.keys)
      case "deletePattern":
        return this.delete(this.matching(operation.pattern))
      case "scan":
        return this.matching(operation.pattern)
      case "expire":
        return this.living(operation.key, ({ value }) => this.write(operation.key, value, operation.ttl)) ?? false
      case "increment":
        return this.increment(operation.key, operation.by, operation.ttl)
      default:
        this.now += operation.millis
        return undefined
    }
  }

  private living<A>(key: string, f: (held: Held) => A): A | undefined {
    const held = this.entries.get(key)
    return held === undefined || this.now >= held.goneAfter ? undefined : f(held)
  }

  private isLiving(key: string): boolean {
    return this.living(key, () => true) ?? false
  }

  private value(key: string): unknown {
    return this.living(key, ({ value }) => value)
  }

  private isAllowed({ key, only }: { readonly key: string; readonly only: "absent" | "present" | undefined }): boolean {
    return only === undefined || this.isLiving(key) === (only === "present")
  }

  private write(key: string, value: unknown, ttl: number): true {
    this.entries.set(key, { value, goneAfter: this.now + ttl })
    return true
  }

  private delete(keys: ReadonlyArray<string>): number {
    return keys.filter((key) => this.isLiving(key) && this.entries.delete(key)).length
  }

  private matching(pattern: string): ReadonlyArray<string> {
    const { matches } = KeyPattern.make(PREFIX, pattern)
    return [...this.entries.keys()].filter((key) => this.isLiving(key) && matches(`${PREFIX}:${key}`)).toSorted()
  }

  private increment(key: string, by: number, ttl: number): number | Fails {
    const value = this.isLiving(key) ? this.value(key) : 0
    if (typeof value !== "number" || !Number.isSafeInteger(value) || Object.is(value, -0)) return new Fails("WrongType")
    if (!Number.isSafeInteger(value + by)) return new Fails("WrongType")
    const left = this.living(key, ({ goneAfter }) => goneAfter - this.now)
    this.write(key, value + by, left ?? ttl)
    return value + by
  }
}
