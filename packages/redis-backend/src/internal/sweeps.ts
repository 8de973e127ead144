/**
 * Removing what nobody else would. See `CacheBackend.sweep`.
 */
import { type CacheBackend, CacheError, Ttl } from "@tiercache/core"
import { Effect, Predicate, Stream } from "effect"
import type * as RedisConnection from "../RedisConnection.ts"
import { eachOf, groups, type Limits } from "./groups.ts"
import * as Keyspace from "./keyspace.ts"
import * as luaTags from "./luaTags.ts"
import * as sweepScripts from "./sweepScripts.ts"
import type * as Writing from "./writing.ts"

interface Dependencies {
  readonly connection: RedisConnection.RedisConnection
  readonly writing: Writing.Writing
  readonly limits: Limits
}

type Sweep = CacheBackend.CacheBackend["Service"]["sweep"]

const NOTHING: CacheBackend.SweepProgress = { scanned: 0, trimmed: 0, orphans: 0, deleted: 0 }

export const make =
  (walk: Keyspace.Walk, { connection, limits, writing }: Dependencies): Sweep =>
  ({ dryRun = false, maxAge, onDeleted, onProgress, prefix, spared }) => {
    const dry = dryRun ? "dry" : ""
    const own = `${prefix}:`
    const ownTags = luaTags.indexesOf(own, connection.isCluster)
    const ownKeys = { glob: `${own}*`, matches: (key: string) => key.startsWith(own) }

    /** Goes through what matches, and sums up what was found. */
    const through = (
      { glob, matches }: typeof ownTags,
      before: CacheBackend.SweepProgress,
      sweep: (keys: ReadonlyArray<string>) => Effect.Effect<Partial<CacheBackend.Swept>, CacheError.CacheError>
    ) =>
      Effect.suspend(() => {
        // only who leaves what it finds finds it again
        const left = new Set<string>()
        const isNew = (key: string) => matches(key) && (!dryRun || left.size !== left.add(key).size)
        return walk("sweep", glob).pipe(
          Stream.runFoldEffect(
            () => before,
            (sum: CacheBackend.SweepProgress, { keys, scanned }) =>
              Effect.map(sweep(keys.filter(isNew)), ({ deleted = 0, orphans = 0, trimmed = 0 }) => {
                const next = {
                  scanned: sum.scanned + scanned,
                  trimmed: sum.trimmed + trimmed,
                  orphans: sum.orphans + orphans,
                  deleted: sum.deleted + deleted
                }
                onProgress?.(next)
                return next
              })
          )
        )
      })

    const trim = (index: string): Effect.Effect<number, CacheError.CacheError> => {
      const some = writing.run("sweep", sweepScripts.trim, [index], () => [limits.size, dry])
      return Effect.flatMap(Keyspace.persistently(some), ({ reply }) => {
        const count = Number(reply)
        if (dryRun || count < limits.size) return Effect.succeed(count)
        return Effect.map(trim(index), (more) => count + more)
      })
    }

    /** In the order of the keys. */
    const unlinkOrphans = (keys: ReadonlyArray<string>, seconds: number) =>
      eachOf(groups(keys, itself, limits), (group) =>
        writing
          .run("sweep", sweepScripts.unlinkOrphans, group, ({ header }) => [header("delete"), seconds, dry])
          .pipe(
            Keyspace.persistently,
            Effect.flatMap(({ reply }) =>
              Predicate.isString(reply) && reply.length === group.length
                ? Effect.succeed(reply.split(""))
                : Effect.fail(strange)
            )
          )
      )

    const sweepTags = (indexes: ReadonlyArray<string>) =>
      Effect.map(
        // what somebody else has put there is no index
        Effect.forEach(indexes, (index) => Effect.catchIf(trim(index), isWrongType, () => Effect.succeed(0))),
        (counts) => ({ trimmed: counts.reduce((sum, count) => sum + count, 0) })
      )

    const sweepKeys = (seconds: number) => (keys: ReadonlyArray<string>) => {
      const candidates = keys.filter((key) => !spared.some((beginning) => key.startsWith(beginning)))
      return Effect.map(unlinkOrphans(candidates, seconds), (outcomes) => {
        const deleted = candidates.filter((_, index) => outcomes[index] === sweepScripts.DELETED)
        if (deleted.length > 0) onDeleted?.(deleted)
        const left = outcomes.filter((outcome) => outcome === sweepScripts.ORPHANED)
        return { orphans: left.length + deleted.length, deleted: deleted.length }
      })
    }

    return CacheError.suspend(() => {
      const seconds = Math.ceil(Ttl.toMillisUnsafe("sweep", maxAge) / 1000)
      return through(ownTags, NOTHING, sweepTags).pipe(
        Effect.flatMap((trimmed) => through(ownKeys, trimmed, sweepKeys(seconds))),
        Effect.map(({ deleted, orphans, trimmed }) => ({ deleted, orphans, trimmed }))
      )
    })
  }

const itself = (key: string) => key

const isWrongType = ({ reason }: CacheError.CacheError) => reason === "WrongType"

const strange = CacheError.make("sweep", "Decode", "the script answered in a form that it never uses")
