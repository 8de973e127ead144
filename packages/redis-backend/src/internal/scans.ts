/**
 * The operations that go through the keyspace: in steps, never with KEYS.
 */
import type { CacheBackend, CacheError, KeyPattern } from "@tiercache/core"
import { Effect, Option, Stream } from "effect"
import type * as RedisConnection from "../RedisConnection.ts"
import type * as Writes from "./writes.ts"

export interface Settings {
  readonly scanCount: number
  readonly deleteBatchSize: number
}

type Service = CacheBackend.CacheBackend["Service"]

const START = "0"

export const make = (
  connection: RedisConnection.RedisConnection,
  writes: Writes.Writes,
  { deleteBatchSize, scanCount }: Settings
): Pick<Service, "scan" | "deletePattern"> => {
  /** The keys that match, some of them more than once: SCAN repeats keys when a hash table is resized meanwhile. */
  const keysOf = (operation: string, { glob, matches }: KeyPattern.KeyPattern) =>
    Stream.paginate(START, (cursor: string) =>
      Effect.map(
        connection.command(operation, (client) => client.scan(cursor, "MATCH", glob, "COUNT", scanCount)),
        ([next, page]) =>
          [[...new Set(page)].filter(matches), next === START ? Option.none<string>() : Option.some(next)] as const
      )
    )

  return {
    scan: (pattern): Stream.Stream<string, CacheError.CacheError> =>
      Stream.suspend(() => {
        const listed = new Set<string>()
        return Stream.filter(keysOf("scan", pattern), (key) => listed.size !== listed.add(key).size)
      }),
    deletePattern: (pattern) =>
      keysOf("deletePattern", pattern).pipe(
        Stream.grouped(deleteBatchSize),
        Stream.mapEffect((keys) => writes.unlink("deletePattern", keys)),
        Stream.runFold(
          () => 0,
          (sum: number, count: number) => sum + count
        ),
        Effect.tap(() => writes.announcePattern(pattern))
      )
  }
}
