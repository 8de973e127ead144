/**
 * Goes through the keyspace in steps: with SCAN on every server, never with KEYS.
 *
 * How far a server has come is in a cursor, which means nothing to any other server, not even to one that has replaced it under the
 * same address with the same keys. So:
 *
 * 1. A step that fails is tried again for a while: a failover takes seconds. Only the first one of all fails at once.
 * 2. A cursor is sent only to the server that gave it. Where another one has taken its place, or other slots belong to it, the pass
 *    through that server begins anew; the others keep theirs.
 * 3. When all were gone through, it is asked again who has which keys, and who has others than before is gone through again: keys may
 *    have moved past the cursors.
 *
 * So every key that is there throughout is found, and some are found more than once.
 */
import { CacheError } from "@tiercache/core"
import { Effect, Option, Schedule, Stream } from "effect"
import type * as RedisConnection from "../RedisConnection.ts"
import * as redirection from "./redirection.ts"

/** What a step has found. */
interface Page {
  readonly keys: ReadonlyArray<string>
  /** About how many keys it has looked at. */
  readonly scanned: number
}

/** The pages of all keys that match; none has a key twice. */
export type Walk = (operation: string, glob: string) => Stream.Stream<Page, CacheError.CacheError>

interface Place {
  /** Who is still to be gone through; the first one now. */
  readonly open: ReadonlyArray<RedisConnection.Part>
  /** Of the first one. */
  readonly cursor: string
  /** Which server has given it, see `Server.replacements`. */
  readonly replacements: number
  readonly walked: ReadonlyArray<RedisConnection.Part>
  readonly passes: number
  /** How often the pass through a server began anew. */
  readonly restarts: number
  /** In a row. */
  readonly failures: number
}

/** What was found, and where to go on. */
type Step = readonly [ReadonlyArray<Page>, Option.Option<Place>]

const START = "0"

/** A cluster that is being resharded may not be quiet for hours. */
const MAX_PASSES = 3

/** More failovers than there are while keys are gone through. */
const MAX_RESTARTS = 10

const PAUSE_MILLIS = 250

/** Sentinel waits for 30 seconds, unless told otherwise, before it replaces a primary. */
const MAX_FAILURES = 60_000 / PAUSE_MILLIS

export const make =
  (connection: Pick<RedisConnection.RedisConnection, "layout">, scanCount: number): Walk =>
  (operation, glob) => {
    /** Who is still to be gone through. The pass that was under way goes on if its server has the same keys as before. */
    const look = (place: Place) =>
      Effect.map(connection.layout(operation), (parts) => {
        const [current] = place.open
        if (current === undefined && place.passes >= MAX_PASSES) return place
        const open = parts.filter((part) => !place.walked.some((walked) => isUnchanged(walked, part)))
        const same = open.find((part) => current !== undefined && isSame(part, current))
        if (same === undefined) return { ...begunAnew(place, current !== undefined), open }
        return { ...place, open: [same, ...open.filter((part) => part !== same)] }
      })

    /** A step through the first server; without a page if the cursor is not its. */
    const scan = (place: Place, { server }: RedisConnection.Part): Effect.Effect<Step, CacheError.CacheError> =>
      Effect.map(
        server.command(operation, async (client) => {
          const replacements = server.replacements()
          if (place.cursor !== START && replacements !== place.replacements) return undefined
          const [cursor, keys] = await client.scan(place.cursor, "MATCH", glob, "COUNT", scanCount)
          return { keys: [...new Set(keys)], next: { ...place, cursor, replacements, failures: 0 } }
        }),
        (found) => {
          if (found === undefined) return [[], Option.some(begunAnew(place, true))]
          const page = { keys: found.keys, scanned: Math.max(scanCount, found.keys.length) }
          return [[page], Option.some(found.next.cursor === START ? walkedOn(found.next) : found.next)]
        }
      )

    const step = (place: Place): Effect.Effect<Step, CacheError.CacheError> => {
      const [part] = place.open
      if (part !== undefined && place.failures === 0) return scan(place, part)
      return Effect.flatMap(look(place), (found): Effect.Effect<Step, CacheError.CacheError> => {
        const [part] = found.open
        return part === undefined ? Effect.succeed([[], Option.none()]) : scan(found, part)
      })
    }

    const failed = (place: Place): Step => [[], Option.some({ ...place, failures: place.failures + 1 })]

    return Stream.paginate(NOWHERE, (place: Place) => {
      if (place.restarts > MAX_RESTARTS) return Effect.fail(neverTheSame(operation))
      return Effect.catchIf(
        step(place),
        (error) => isPassing(error) && place !== NOWHERE && place.failures < MAX_FAILURES,
        () =>
          Effect.delay(
            Effect.sync(() => failed(place)),
            PAUSE_MILLIS
          )
      )
    })
  }

/** What fails for want of a server is tried again, for as long as a failover may take. */
export const persistently = <A>(command: Effect.Effect<A, CacheError.CacheError>) =>
  Effect.retry(command, { while: isPassing, schedule: Schedule.spaced(PAUSE_MILLIS), times: MAX_FAILURES })

const NOWHERE: Place = { open: [], cursor: START, replacements: 0, walked: [], passes: 0, restarts: 0, failures: 0 }

const isPassing = (error: CacheError.CacheError): boolean =>
  (error.reason === "Unavailable" || error.reason === "Timeout") && !redirection.isKeysApart(error)

const isSame = (one: RedisConnection.Part, other: RedisConnection.Part): boolean =>
  one.server === other.server && one.owned === other.owned

const isUnchanged = (walked: RedisConnection.Part, now: RedisConnection.Part): boolean =>
  isSame(walked, now) && !walked.isMoving && !now.isMoving

/** The first server was gone through. */
const walkedOn = (place: Place): Place => {
  const open = place.open.slice(1)
  const walked = [...place.walked, ...place.open.slice(0, 1)]
  return { ...place, open, walked, passes: place.passes + (open.length === 0 ? 1 : 0) }
}

const begunAnew = (place: Place, isRestart: boolean): Place => ({
  ...place,
  cursor: START,
  restarts: place.restarts + (isRestart ? 1 : 0)
})

const neverTheSame = (operation: string) =>
  CacheError.make(operation, "Unavailable", "the servers were replaced again and again meanwhile")
