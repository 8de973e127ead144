/**
 * From when to when the server had which value.
 */
import type { Change } from "./History.ts"

/** Positions at which the server had a value, the first and the last of them. */
export interface Life {
  readonly from: number
  /** Until it was replaced or removed, and everybody was told. */
  until: number
  /** Until it was, whether anybody was told or not: what was evicted is loaded again silently. */
  replacedAt: number
  /** Until its TTL was over. */
  staleAt: number
  /** The latest deadlines that it ever had, in milliseconds. */
  freshUntil: number
  deadline: number
}

const NEVER: Life = {
  from: Infinity,
  until: -1,
  replacedAt: -1,
  staleAt: -1,
  freshUntil: -Infinity,
  deadline: -Infinity
}

export class Lives {
  private readonly lives = new Map<number, Life>()
  private readonly last = new Map<string, Change>()

  constructor(changes: ReadonlyArray<Change>) {
    /** Values of each key that nobody was told to forget. */
    const open = new Map<string, ReadonlyArray<Life>>()
    changes.forEach((change, index) => {
      const { cause, deadline, freshUntil, key, value } = change
      const replaced = this.last.get(key)?.value
      this.last.set(key, change)
      const life = replaced === undefined ? undefined : this.lives.get(replaced)
      if (cause === "expire" && life !== undefined) {
        life.freshUntil = Math.max(life.freshUntil, freshUntil)
        life.deadline = Math.max(life.deadline, deadline)
      } else if (cause === "stale" && life !== undefined) life.staleAt = index
      if (cause === "expire" || cause === "stale") return
      if (life !== undefined) life.replacedAt = index
      const earlier = open.get(key) ?? []
      if (cause === "expiry" && life !== undefined) life.until = index
      else if (cause !== "fill") for (const life of earlier) life.until = Math.min(life.until, index)
      const left = earlier.filter(({ until }) => until === Infinity)
      if (value === undefined) return void open.set(key, left)
      const begun = { from: index + 1, until: Infinity, replacedAt: Infinity, staleAt: Infinity, freshUntil, deadline }
      this.lives.set(value, begun)
      open.set(key, [...left, begun])
    })
  }

  /** Whether the server ever had it. */
  has(value: number): boolean {
    return this.lives.has(value)
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
