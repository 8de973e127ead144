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
  /** The number of a new write: one more than that of the last. */
  readonly begin: () => number
  readonly end: (writeId: number, isAcknowledged: boolean) => void
  /** Whether an announcement of this write is to be ignored. A write of many keys may have several. */
  readonly isExpected: (writeId: number) => boolean
  /** Whether the answer to this write is still to come. */
  readonly isInFlight: (writeId: number) => boolean
  /** From now on the announcements of the writes in flight count, because their tokens are forgotten. */
  readonly voidAll: () => void
}

/** Remembers what was acknowledged of the last `limit` writes, of one at least. To forget one costs an L1 entry, no more. */
export const make = (limit: number): OwnWrites => {
  const places = Math.max(1, limit)
  let last = 0
  const inFlight = new Set<number>()
  // each in the place of the one that is `limit` older: to find the oldest member of a set takes longer with each that has left it
  const acknowledged: Array<number> = []
  return {
    begin: () => {
      inFlight.add(++last)
      return last
    },
    end: (writeId, isAcknowledged) => {
      if (inFlight.delete(writeId) && isAcknowledged) acknowledged[writeId % places] = writeId
    },
    isExpected: (writeId) => inFlight.has(writeId) || acknowledged[writeId % places] === writeId,
    isInFlight: (writeId) => inFlight.has(writeId),
    voidAll: () => inFlight.clear()
  }
}
