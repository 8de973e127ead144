/**
 * From when to when the server had which value.
 */
import type { Change } from "./History.ts"

/** Positions at which the server had a value, the first and the last of them. */
export interface Life {
  readonly from: number
  until: number
  /** The latest deadline that it ever had, in milliseconds. */
  deadline: number
}

const NEVER: Life = { from: Infinity, until: -1, deadline: -Infinity }

export class Lives {
  private readonly lives = new Map<number, Life>()
  private readonly last = new Map<string, Change>()

  constructor(changes: ReadonlyArray<Change>) {
    changes.forEach((change, index) => {
      const { cause, deadline, key, value } = change
      const replaced = this.last.get(key)?.value
      this.last.set(key, change)
      const life = replaced === undefined ? undefined : this.lives.get(replaced)
      if (cause === "expire") {
        if (life !== undefined) life.deadline = Math.max(life.deadline, deadline)
        return
      }
      if (life !== undefined) life.until = index
      if (value !== undefined) this.lives.set(value, { from: index + 1, until: Infinity, deadline })
    })
  }

  of(value: number): Life {
    return this.lives.get(value) ?? NEVER
  }

  /** What was written last to a key and may still be served at a moment: also what the server has evicted. */
  current(key: string, atMillis: number): number | undefined {
    const last = this.last.get(key)
    return last === undefined || last.deadline <= atMillis ? undefined : last.value
  }
}
