/**
 * The operations that go through the indexes of a tag: in steps, so that thousands of keys do not keep Redis busy.
 */
import { type CacheBackend, CacheError, Envelope, Tag } from "@tiercache/core"
import { Effect, Option, Stream } from "effect"
import type { RedisValue } from "ioredis"
import type * as RedisConnection from "../RedisConnection.ts"
import { eachOf, groups, type Limits } from "./groups.ts"
import type * as scripts from "./scripts.ts"
import type { Server } from "./Server.ts"
import * as tagScripts from "./tagScripts.ts"
import type * as TagSlots from "./tagSlots.ts"
import type * as Writing from "./writing.ts"

interface Dependencies {
  readonly connection: RedisConnection.RedisConnection
  readonly writing: Writing.Writing
  readonly limits: Limits
  readonly tagSlots: TagSlots.TagSlots
}

const START = "0"

/** Indexes that are gone through at the same time, in a cluster: their commands leave in one write per server, and block it together. */
const INDEXES_AT_ONCE = 32

/** How far an index was gone through. */
interface Place {
  readonly cursor: string
  /** Who has given the cursor, and how often another one had taken its place, see `Server.replacements`. */
  readonly server: Server | undefined
  readonly replacements: number
}

const BEGINNING: Place = { cursor: START, server: undefined, replacements: 0 }

/** Tags as they are sent. Throws a `CacheError`. */
export type Encode = (operation: string, tags: ReadonlyArray<string> | undefined) => Buffer | undefined

export const encoder =
  (isSupported: boolean): Encode =>
  (operation, tags = []) => {
    if (tags.length > 0 && !isSupported)
      throw CacheError.make(operation, "Unsupported", "this Redis backend has no tags")
    return Envelope.encodeTags(Tag.distinct(operation, tags))
  }

export const make = ({
  connection,
  limits,
  tagSlots,
  writing
}: Dependencies): Pick<CacheBackend.CacheBackend["Service"], "deleteTags" | "keysByTag"> => {
  /**
   * The keys in an index, a step at a time. All that are in it throughout are found, some of them more than once. A cursor means
   * nothing to another server, to which the index has moved or which was promoted: there it is gone through from its beginning.
   */
  const pages = (operation: string, index: string): Stream.Stream<ReadonlyArray<string>, CacheError.CacheError> =>
    Stream.paginate(BEGINNING, (place: Place) =>
      Effect.map(
        connection.command(operation, index, async (client, server) => {
          const replacements = server.replacements()
          const isSame = place.server === server && place.replacements === replacements
          const [cursor, page] = await client.zscan(index, isSame ? place.cursor : START, "COUNT", limits.size)
          return { page, next: { cursor, server, replacements } }
        }),
        ({ next, page }) =>
          [[membersOf(page)], next.cursor === START ? Option.none<Place>() : Option.some<Place>(next)] as const
      )
    )

  /** Runs a script on keys; what it answers for each of them. */
  const ask = (
    operation: string,
    script: scripts.Lua,
    keys: ReadonlyArray<string>,
    args: (at: Writing.At) => ReadonlyArray<RedisValue>
  ): Effect.Effect<ReadonlyArray<number>, CacheError.CacheError> =>
    eachOf(groups(keys, itself, limits), (group) =>
      Effect.flatMap(writing.run(operation, script, group, args), ({ reply }) =>
        Array.isArray(reply) && reply.length === group.length
          ? Effect.succeed(reply.map(Number))
          : Effect.fail(strange(operation))
      )
    )

  const deleteIndexed = (index: string, tag: string, onDeleted: (keys: ReadonlyArray<string>) => void) =>
    pages("deleteTags", index).pipe(
      Stream.mapEffect((keys) =>
        Effect.map(
          ask("deleteTags", tagScripts.unlinkTagged, keys, ({ header }) => [header("delete"), header("missing"), tag]),
          (outcomes) => {
            onDeleted(keys.filter((_, index) => outcomes[index] !== tagScripts.UNTOUCHED))
            return outcomes.filter((outcome) => outcome === tagScripts.DELETED).length
          }
        )
      ),
      Stream.runFold(
        () => 0,
        (sum: number, count: number) => sum + count
      )
    )

  const deleteTag = (tag: string, onDeleted: (keys: ReadonlyArray<string>) => void) =>
    Effect.flatMap(tagSlots.indexesOf("deleteTags", tag), (indexes) =>
      // no key is in two indexes of a tag
      Effect.map(
        Effect.forEach(indexes, (index) => deleteIndexed(index, tag, onDeleted), { concurrency: INDEXES_AT_ONCE }),
        sumOf
      )
    )

  return {
    // one after the other, so that an entry that carries several of the tags is counted once
    deleteTags: (tags, onDeleted = () => {}) =>
      Effect.map(
        Effect.forEach(new Set(tags), (tag) => deleteTag(tag, onDeleted)),
        sumOf
      ),

    keysByTag: (tag) =>
      Stream.suspend(() => {
        const listed = new Set<string>()
        return Stream.fromIterableEffect(tagSlots.indexesOf("keysByTag", tag)).pipe(
          Stream.flatMap((index) => pages("keysByTag", index), { concurrency: INDEXES_AT_ONCE }),
          Stream.mapEffect((keys) =>
            Effect.map(
              ask("keysByTag", tagScripts.findTagged, keys, () => [tag]),
              (found) => keys.filter((_, index) => found[index] === 1)
            )
          ),
          Stream.flatMap(Stream.fromIterable),
          Stream.filter((key) => listed.size !== listed.add(key).size)
        )
      })
  }
}

/** ZSCAN answers with each member and its score. */
const membersOf = (page: ReadonlyArray<string>): ReadonlyArray<string> => page.filter((_, index) => index % 2 === 0)

const sumOf = (counts: ReadonlyArray<number>): number => counts.reduce((sum, count) => sum + count, 0)

const itself = (key: string) => key

const strange = (operation: string) =>
  CacheError.make(operation, "Decode", "the script answered in a form that it never uses")
