/**
 * The operations that write. Each is a script, which announces what it did.
 */
import { type CacheBackend, CacheError, type Codec, type KeyPattern, Ttl } from "@tiercache/core"
import { Effect } from "effect"
import type { RedisValue } from "ioredis"
import * as BusMessage from "../BusMessage.ts"
import type * as RedisConnection from "../RedisConnection.ts"
import { allOf, type Group, groups, type Limits } from "./groups.ts"
import type * as scripts from "./scripts.ts"
import * as Singles from "./singles.ts"
import * as singleScripts from "./singleScripts.ts"
import type * as Tags from "./tags.ts"
import type * as TagSlots from "./tagSlots.ts"
import * as writeScripts from "./writeScripts.ts"
import type * as Writing from "./writing.ts"

type Service = CacheBackend.CacheBackend["Service"]

export interface Writes extends Pick<Service, "set" | "setMany" | "delete" | "deleteMany" | "expire" | "increment"> {
  /** Announces that all keys of a pattern were deleted, those included that only an L1 still has. */
  readonly announcePattern: (pattern: KeyPattern.KeyPattern) => Effect.Effect<void, CacheError.CacheError>
  /** Deletes many, by as few scripts as can be, each of which is run by `persist`. */
  readonly unlink: (
    operation: string,
    keys: ReadonlyArray<string>,
    persist: Persist
  ) => Effect.Effect<number, CacheError.CacheError>
}

/** Runs a command, again if need be. */
export type Persist = <A>(command: Effect.Effect<A, CacheError.CacheError>) => Effect.Effect<A, CacheError.CacheError>

interface Dependencies {
  readonly connection: RedisConnection.RedisConnection
  readonly writing: Writing.Writing
  readonly limits: Limits
  readonly encodeTags: Tags.Encode
  readonly tagSlots: TagSlots.TagSlots
}

const ONLY = { absent: "NX", present: "XX" } as const

/** What stands before and behind the digits of an integer in MessagePack, see `Codec.msgpack`. */
const INTEGER_MARK = Buffer.of(0xc1)

const NO_PAYLOAD = new Uint8Array()

export const make = (dependencies: Dependencies): Writes => {
  const { connection, encodeTags, limits, tagSlots, writing } = dependencies
  const { run } = writing
  const setOne = Singles.make(dependencies, singleScripts.set)
  const unlinkOne = Singles.make(dependencies, singleScripts.unlink, ({ header }) => [
    header("delete"),
    header("missing")
  ])

  /** Throws a `CacheError`. */
  const writtenOf = <A>(
    operation: string,
    codec: Codec.Codec<A>,
    [key, value, own]: CacheBackend.ManyEntry<A>,
    { grace, tags, ttl }: CacheBackend.SetOptions
  ): Written => ({
    key,
    payload: own?.payload ?? codec.encode(value, key),
    life: {
      ttlMillis: Ttl.toMillisUnsafe(operation, own?.ttl ?? ttl),
      graceMillis: grace === undefined ? 0 : Ttl.toMillisUnsafe(operation, grace)
    },
    tags: own?.tags ?? tags ?? [],
    encodedTags: encodeTags(operation, own?.tags ?? tags)
  })

  const count = (
    operation: string,
    script: scripts.Lua,
    keys: ReadonlyArray<string>,
    args: (at: Writing.At) => ReadonlyArray<RedisValue>,
    deadline?: number
  ) => Effect.map(run(operation, script, keys, args, deadline), ({ reply }) => Number(reply))

  /** In one script. */
  const unlinkGroup = (operation: string, keys: ReadonlyArray<string>) =>
    count(operation, writeScripts.unlink, keys, ({ header }) => [header("delete"), header("missing")])

  const unlink = (operation: string, keys: ReadonlyArray<string>, within: Limits, persist: Persist) =>
    sumOf(groups(keys, itself, within), (group) => persist(unlinkGroup(operation, group)))

  const put = (
    operation: string,
    written: ReadonlyArray<Written>,
    { only, push, writeId }: CacheBackend.SetOptions,
    deadline: number | undefined
  ) =>
    count(
      operation,
      writeScripts.set,
      written.map(keyOf),
      ({ envelope, header }) => [
        header("set", writeId),
        push === true ? header("push", writeId) : "",
        only === undefined ? "" : ONLY[only],
        ...written.flatMap(({ encodedTags, life, payload }) => [
          life.ttlMillis + life.graceMillis,
          envelope(payload, life, encodedTags)
        ])
      ],
      deadline
    )

  return {
    // the caller has chosen how many
    unlink: (operation, keys, persist) => unlink(operation, keys, { ...limits, size: keys.length }, persist),

    // on all servers, each of which has had its own part of the keys, and is heard by itself
    announcePattern: ({ globs }) =>
      Effect.forEach(
        connection.servers(),
        (server) =>
          server.command("deletePattern", (client) =>
            client.publish(server.channel, BusMessage.encode(writing.at(server).header("pattern"), globs))
          ),
        { concurrency: "unbounded", discard: true }
      ),

    set: (key, codec, value, options) =>
      CacheError.suspend(() => {
        const written = writtenOf("set", codec, [key, value, { payload: options.payload }], options)
        if (!connection.isMock && written.encodedTags === undefined && options.only === undefined) {
          return Effect.map(setOne("set", singleOf(written, options)), isOne)
        }
        return Effect.map(
          tagSlots.before("set", [written], (deadline) => put("set", [written], options, deadline)),
          (count) => count > 0
        )
      }),

    setMany: (entries, codec, options) =>
      CacheError.suspend(() => {
        const written = new Map(entries.map((entry) => [entry[0], writtenOf("setMany", codec, entry, options)]))
        const all = [...written.values()]
        return tagSlots.before("setMany", all, (deadline) =>
          sumOf(groups(all, keyOf, limits, bytesOf), (group) => put("setMany", group, options, deadline))
        )
      }),

    delete: (key) =>
      connection.isMock
        ? Effect.map(unlinkGroup("delete", [key]), (deleted) => deleted > 0)
        : Effect.map(unlinkOne("delete", { key, bytes: 0, args: nothing }), isOne),

    deleteMany: (keys) => unlink("deleteMany", [...new Set(keys)], limits, once),

    expire: (key, ttl) =>
      CacheError.suspend(() => {
        const ttlMillis = Ttl.toMillisUnsafe("expire", ttl)
        const args = ({ deadline, header }: Writing.At) => [
          header("expire"),
          ttlMillis,
          Math.floor(deadline(ttlMillis))
        ]
        return Effect.flatMap(run("expire", writeScripts.expire, [key], args), ({ reply }) =>
          reply === null ? wrongType("expire", "what is stored is no entry") : Effect.succeed(Number(reply) > 0)
        )
      }),

    increment: (key, options) =>
      CacheError.suspend(() => {
        const ttlMillis = Ttl.toMillisUnsafe("increment", options.ttl)
        const by = integerOf(options.by ?? 1)
        const args = ({ envelope, header }: Writing.At) => [
          header("set"),
          ttlMillis,
          envelope(NO_PAYLOAD, { ttlMillis, graceMillis: 0 }),
          INTEGER_MARK,
          by
        ]
        return Effect.flatMap(run("increment", writeScripts.increment, [key], args), ({ reply }) =>
          reply === null
            ? wrongType("increment", "what is stored is no integer, or the sum is beyond ±(2^53 - 1)")
            : Effect.succeed(Number(reply))
        )
      })
  }
}

/** An entry as it is sent. */
interface Written extends TagSlots.Tagged {
  readonly payload: Uint8Array
  readonly life: Writing.Life
  readonly encodedTags: Uint8Array | undefined
}

const singleOf = ({ key, life, payload }: Written, { push, writeId }: CacheBackend.SetOptions): Singles.Single => ({
  key,
  bytes: payload.length,
  args: ({ envelope, header }) => [
    header(push === true ? "push" : "set", writeId),
    life.ttlMillis + life.graceMillis,
    envelope(payload, life)
  ]
})

const nothing = () => []
const isOne = ({ reply }: scripts.Answer) => Number(reply) === 1
const itself = (key: string) => key
const once: Persist = (command) => command
const keyOf = ({ key }: Written) => key
const bytesOf = ({ encodedTags, payload }: Written) => payload.length + (encodedTags?.length ?? 0)

const integerOf = (by: number): number => {
  if (Number.isSafeInteger(by)) return by
  throw CacheError.make("increment", "InvalidOption", "by is an integer between ±(2^53 - 1)")
}

const wrongType = (operation: string, message: string) => Effect.fail(CacheError.make(operation, "WrongType", message))

const sumOf = <A>(
  groups: ReadonlyArray<Group<A>>,
  f: (items: ReadonlyArray<A>) => Effect.Effect<number, CacheError.CacheError>
): Effect.Effect<number, CacheError.CacheError> =>
  Effect.map(
    allOf(groups, (items) => Effect.map(f(items), (count) => [count])),
    (counts) => counts.reduce((sum, count) => sum + count, 0)
  )
