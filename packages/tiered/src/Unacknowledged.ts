/**
 * Own writes whose outcome nobody knows.
 *
 * **Details**
 *
 * Redis may have executed a write whose answer was lost, or not. The caller got an error. What must not remain is the old
 * value, in L2 or in any L1: so the keys are kept here and deleted, which can be repeated without harm, as soon as Redis
 * answers again. A key that is written again meanwhile is deleted all the same: that costs a miss, and no old value.
 */

/** How often `add` was called for a key before it was taken: if it was added again since, it stays. */
export interface Batch {
  readonly keys: ReadonlyArray<string>
  readonly upTo: number
}

export interface Unacknowledged {
  /** Remembers keys; false if there were more than the limit, and the oldest were forgotten. */
  readonly add: (keys: ReadonlyArray<string>) => boolean
  /** At most `count` of the keys, the oldest first. */
  readonly take: (count: number) => Batch
  /** The keys of a batch were deleted. */
  readonly settle: (batch: Batch) => void
  readonly size: () => number
}

export const make = (limit: number): Unacknowledged => {
  /** With the sequence number of when they were added last, in that order. */
  const pending = new Map<string, number>()
  let added = 0
  return {
    add: (keys) => {
      for (const key of keys) {
        pending.delete(key)
        pending.set(key, ++added)
      }
      const isComplete = pending.size <= limit
      for (const key of pending.keys()) {
        if (pending.size <= limit) break
        pending.delete(key)
      }
      return isComplete
    },
    take: (count) => ({ keys: [...pending.keys()].slice(0, count), upTo: added }),
    settle: ({ keys, upTo }) => {
      for (const key of keys) if ((pending.get(key) ?? Infinity) <= upTo) pending.delete(key)
    },
    size: () => pending.size
  }
}
