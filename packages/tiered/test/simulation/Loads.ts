/**
 * The loads under way in a process: each looks at the database when it is told to, and ends when it is told to.
 */
import { Effect, Schema } from "effect"
import type { Database } from "./Database.ts"
import type { Load } from "./History.ts"

/** What a loader fails with. */
export class DatabaseFailed extends Schema.TaggedError<DatabaseFailed>()("DatabaseFailed", {}) {}

const FAILURE = Effect.fail(new DatabaseFailed())

interface Running {
  readonly load: Load
  readonly resume: (effect: Effect.Effect<number, DatabaseFailed>) => void
}

export interface Parts {
  readonly origin: string
  readonly database: Database
  readonly nextValue: () => number
  /** Where loads are written down. */
  readonly history: Array<Load>
}

export class Loads {
  private running: ReadonlyArray<Running> = []
  private readonly parts: Parts

  constructor(parts: Parts) {
    this.parts = parts
  }

  readonly load = (key: string): Effect.Effect<number, DatabaseFailed> =>
    Effect.callback((resume) => {
      const load: Load = { origin: this.parts.origin, key, value: undefined, sawChange: undefined, isStored: false }
      const running = { load, resume }
      this.parts.history.push(load)
      this.running = [...this.running, running]
      return Effect.sync(() => this.remove(running))
    })

  /** The oldest that has not looked does. */
  look(): boolean {
    const next = this.running.find(({ load }) => load.value === undefined)
    if (next !== undefined) this.valueOf(next.load)
    return next !== undefined
  }

  /** The oldest brings what it saw. */
  finish(): boolean {
    const oldest = this.running[0]
    if (oldest === undefined) return false
    this.remove(oldest)
    oldest.resume(Effect.succeed(this.valueOf(oldest.load)))
    return true
  }

  /** The oldest fails. */
  fail(): boolean {
    const oldest = this.running[0]
    if (oldest === undefined) return false
    this.remove(oldest)
    oldest.resume(FAILURE)
    return true
  }

  /** The process was told that this is stored. */
  readonly noteStored = (value: number): void => {
    for (const load of this.parts.history) if (load.value === value) load.isStored = true
  }

  private valueOf(load: Load): number {
    const { database, nextValue } = this.parts
    load.sawChange ??= database.read()
    return (load.value ??= nextValue())
  }

  private remove(running: Running): void {
    this.running = this.running.filter((other) => other !== running)
  }
}
