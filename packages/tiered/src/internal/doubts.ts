/**
 * Repeats what this process wrote or deleted and L2 did not acknowledge, see `Unacknowledged`.
 */
import type { CacheBackend, CacheError, MonotonicClock } from "@tiercache/core"
import { Effect } from "effect"
import * as Unacknowledged from "../Unacknowledged.ts"

/** Keys or tags that one call deletes again. */
const REPEATED_AT_ONCE = 500

export interface Doubts {
  /** Remembers keys, or tags; false if there were more than the limit, and the oldest were forgotten. */
  readonly addKeys: (keys: ReadonlyArray<string>) => boolean
  readonly addTags: (tags: ReadonlyArray<string>) => boolean
  /** Deletes what is in doubt. Fails while Redis cannot be asked. */
  readonly repeat: Effect.Effect<void, CacheError.CacheError>
  readonly size: () => number
  /** How many were deleted. */
  readonly repeated: () => number
}

export interface Dependencies {
  readonly l2: CacheBackend.CacheBackend["Service"]
  readonly now: MonotonicClock.Now
  /** Removes keys from L1, and keeps what is in flight for them from coming in. */
  readonly forget: (keys: ReadonlyArray<string>) => void
}

export const make = ({ forget, l2, now }: Dependencies, limit: number): Doubts => {
  const keys = Unacknowledged.make(limit, l2.lateMillis)
  const tags = Unacknowledged.make(limit, l2.lateMillis)
  let repeated = 0

  const repeatAll = Effect.fnUntraced(function* (
    table: Unacknowledged.Unacknowledged,
    deleteAll: (names: ReadonlyArray<string>) => Effect.Effect<unknown, CacheError.CacheError>
  ) {
    for (;;) {
      const batch = table.take(REPEATED_AT_ONCE, now())
      if (batch.keys.length === 0) return
      yield* deleteAll(batch.keys).pipe(
        Effect.andThen(
          Effect.sync(() => {
            repeated += batch.keys.length
            table.settle(batch)
          })
        ),
        // asked again, Redis would refuse again; the rest of L1 must not suffer from it
        Effect.catchIf(
          ({ reason }) => reason !== "Unavailable" && reason !== "Timeout",
          () => Effect.sync(() => table.giveUp(batch))
        )
      )
    }
  })
  const deleteKeys = (keys: ReadonlyArray<string>) =>
    Effect.ensuring(
      l2.deleteMany(keys),
      Effect.sync(() => forget(keys))
    )
  const deleteTags = (tags: ReadonlyArray<string>) => l2.deleteTags(tags, forget)

  return {
    addKeys: (names) => keys.add(names, now()),
    addTags: (names) => tags.add(names, now()),
    repeat: Effect.andThen(repeatAll(keys, deleteKeys), repeatAll(tags, deleteTags)),
    size: () => keys.size() + tags.size(),
    repeated: () => repeated
  }
}
