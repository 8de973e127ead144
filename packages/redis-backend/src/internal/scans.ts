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
  const scan = (operation: string, pattern: KeyPattern.KeyPattern): Stream.Stream<string, CacheError.CacheError> =>
    Stream.suspend(() => {
      // SCAN repeats keys when a hash table is resized meanwhile, so all that were listed are remembered
      const listed = new Set<string>()
      const isNew = (key: string) => pattern.matches(key) && listed.size !== listed.add(key).size
      return Stream.paginate(START, (cursor: string) =>
        Effect.map(
          connection.command(operation, (client) => client.scan(cursor, "MATCH", pattern.glob, "COUNT", scanCount)),
          ([next, keys]) => [keys.filter(isNew), next === START ? Option.none<string>() : Option.some(next)] as const
        )
      )
    })
  return {
    scan: (pattern) => scan("scan", pattern),
    deletePattern: (pattern) =>
      scan("deletePattern", pattern).pipe(
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
