/**
 * Own writes whose outcome nobody knows.
 *
 * **Details**
 *
 * Redis may have executed a write whose answer was lost, or may still do so, or not. The caller got an error. What must not
 * remain is the old value, in L2 or in any L1: so the keys are kept here and deleted, which can be repeated without harm, as
 * soon as Redis answers again; and once more when the write can no longer be executed, in case it was late. A key that is
 * written again meanwhile is deleted all the same: that costs a miss, and no old value.
 *
 * Tags whose deletion is in doubt are kept likewise, in a table of their own.
 */

export interface Batch {
  readonly keys: ReadonlyArray<string>
  /** What was known of the keys; a key that is in doubt again since is not settled. */
  readonly doubts: ReadonlyArray<Doubt>
  readonly takenAt: number
}

interface Doubt {
  /** From then on, the write is not executed any more. */
  readonly lateUntil: number
  isDeleted: boolean
}

export interface Unacknowledged {
  /** Remembers keys; false if there were more than the limit, and the oldest were forgotten. */
  readonly add: (keys: ReadonlyArray<string>, now: number) => boolean
  /** At most `count` of the keys that are to be deleted now, the oldest first. */
  readonly take: (count: number, now: number) => Batch
  /** The keys of a batch were deleted. */
  readonly settle: (batch: Batch) => void
  /** The keys of a batch cannot be deleted. */
  readonly giveUp: (batch: Batch) => void
  readonly size: () => number
}

/** `lateMillis` is how long after its failure a write may still be executed. */
export const make = (limit: number, lateMillis: number): Unacknowledged => {
  const pending = new Map<string, Doubt>()

  const forget = ({ doubts, keys }: Batch, isSettled: (doubt: Doubt) => boolean) =>
    keys.forEach((key, index) => {
      const doubt = doubts[index]
      if (doubt === undefined || pending.get(key) !== doubt) return
      doubt.isDeleted = true
      if (isSettled(doubt)) pending.delete(key)
    })

  return {
    add: (keys, now) => {
      for (const key of keys) {
        pending.delete(key)
        pending.set(key, { lateUntil: now + lateMillis, isDeleted: false })
      }
      const isComplete = pending.size <= limit
      for (const key of pending.keys()) {
        if (pending.size <= limit) break
        pending.delete(key)
      }
      return isComplete
    },
    take: (count, now) => {
      const due = [...pending].filter(([, doubt]) => !doubt.isDeleted || now >= doubt.lateUntil).slice(0, count)
      return { keys: due.map(([key]) => key), doubts: due.map(([, doubt]) => doubt), takenAt: now }
    },
    settle: (batch) => forget(batch, ({ lateUntil }) => batch.takenAt >= lateUntil),
    giveUp: (batch) => forget(batch, () => true),
    size: () => pending.size
  }
}
