/**
 * Listing and deleting what matches a pattern.
 */
import type { CacheBackend, CacheError, KeyPattern } from "@tiercache/core"
import { Effect, Stream } from "effect"
import * as Keyspace from "./keyspace.ts"
import type * as Writes from "./writes.ts"

type Service = CacheBackend.CacheBackend["Service"]

/** A batch is not waited for longer than so many steps, in which almost nothing matched. */
const STEPS_PER_BATCH = 100

/** What `deletePattern` has done, and the batch that it collects. */
interface Deletion extends CacheBackend.Progress {
  readonly batch: ReadonlyArray<string>
  readonly steps: number
}

const NOTHING: Deletion = { scanned: 0, deleted: 0, batch: [], steps: 0 }

export const make = (
  walk: Keyspace.Walk,
  writes: Writes.Writes,
  deleteBatchSize: number
): Pick<Service, "scan" | "deletePattern"> => {
  const pages = (operation: string, { glob, matches }: KeyPattern.KeyPattern) =>
    Stream.map(walk(operation, glob), ({ keys, scanned }) => ({ keys: keys.filter(matches), scanned }))

  /** The first commands fail at once, as those of any operation do. */
  const persist = ({ deleted }: Deletion): Writes.Persist =>
    deleted > 0 ? Keyspace.persistently : (command) => command

  /** Deletes what was collected, in as many scripts as it takes. */
  const flush = (
    deletion: Deletion,
    onProgress: CacheBackend.DeletePatternOptions["onProgress"]
  ): Effect.Effect<Deletion, CacheError.CacheError> => {
    const { batch, scanned } = deletion
    const unlinkNext = (done: Deletion, start: number) =>
      Effect.map(
        writes.unlink("deletePattern", batch.slice(start, start + deleteBatchSize), persist(done)),
        (deleted) => ({ ...done, deleted: done.deleted + deleted })
      )
    const starts = Array.from(
      { length: Math.ceil(batch.length / deleteBatchSize) },
      (_, index) => index * deleteBatchSize
    )
    return Effect.map(
      Effect.reduce(starts, () => deletion, unlinkNext),
      ({ deleted }) => {
        onProgress?.({ scanned, deleted })
        return { scanned, deleted, batch: [], steps: 0 }
      }
    )
  }

  return {
    // SCAN repeats keys when a hash table shrinks, as it does when many are deleted; only who remembers all can tell
    scan: (pattern) =>
      Stream.suspend(() => {
        const listed = new Set<string>()
        return pages("scan", pattern).pipe(
          Stream.map(({ keys }) => keys.filter((key) => listed.size !== listed.add(key).size)),
          Stream.flattenIterable
        )
      }),

    deletePattern: (pattern, { onProgress } = {}) =>
      pages("deletePattern", pattern).pipe(
        Stream.runFoldEffect(
          () => NOTHING,
          (deletion: Deletion, { keys, scanned }) => {
            const batch = [...deletion.batch, ...keys]
            const next = { ...deletion, scanned: deletion.scanned + scanned, batch, steps: deletion.steps + 1 }
            const isFull = batch.length >= deleteBatchSize || next.steps >= STEPS_PER_BATCH
            return isFull ? flush(next, onProgress) : Effect.succeed(next)
          }
        ),
        Effect.flatMap((last) => (last.steps > 0 ? flush(last, onProgress) : Effect.succeed(last))),
        Effect.tap(() => writes.announcePattern(pattern)),
        Effect.map(({ deleted }) => deleted)
      )
  }
}
