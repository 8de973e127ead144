/**
 * The own writes whose announcements come back over the bus and mean nothing new.
 *
 * **Details**
 *
 * What an own write means for L1 is decided when its answer arrives, so its announcement is ignored, if it arrives before the
 * answer or after it. Not so if the write failed: then it may have been executed long after this process gave it up, and its
 * announcement counts like anybody's.
 */

export interface OwnWrites {
  /** The number of a new write. */
  readonly begin: () => number
  readonly end: (writeId: number, isAcknowledged: boolean) => void
  /** Whether an announcement of this write is to be ignored. A write of many keys may have several. */
  readonly isExpected: (writeId: number) => boolean
  /** From now on the announcements of the writes in flight count, because their tokens are forgotten. */
  readonly voidAll: () => void
}

/** Remembers the last `limit` of the acknowledged. To forget one costs an L1 entry, no more. */
export const make = (limit: number): OwnWrites => {
  let last = 0
  const inFlight = new Set<number>()
  const acknowledged = new Set<number>()
  return {
    begin: () => {
      inFlight.add(++last)
      return last
    },
    end: (writeId, isAcknowledged) => {
      if (!inFlight.delete(writeId) || !isAcknowledged) return
      acknowledged.add(writeId)
      if (acknowledged.size > limit) for (const oldest of acknowledged) return void acknowledged.delete(oldest)
    },
    isExpected: (writeId) => inFlight.has(writeId) || acknowledged.has(writeId),
    voidAll: () => inFlight.clear()
  }
}
