/**
 * Leases: who loads what is missing. The scripts do the work; see `Lease` in core.
 */
import { CacheError, type Codec, Lease, Snapshot } from "@tiercache/core"
import { Effect } from "effect"
import type { RedisValue } from "ioredis"
import * as BusMessage from "../BusMessage.ts"
import type * as RedisBus from "../RedisBus.ts"
import type * as RedisConnection from "../RedisConnection.ts"
import type * as Entries from "./entries.ts"
import { allOf, eachOf, groups, type Limits } from "./groups.ts"
import * as leaseScripts from "./leaseScripts.ts"
import type * as scripts from "./scripts.ts"
import * as Singles from "./singles.ts"
import * as singleScripts from "./singleScripts.ts"
import type { Server } from "./Server.ts"
import type * as Tags from "./tags.ts"
import type * as TagSlots from "./tagSlots.ts"
import type * as Writing from "./writing.ts"

interface Dependencies {
  readonly connection: RedisConnection.RedisConnection
  readonly bus: RedisBus.RedisBus
  readonly writing: Writing.Writing
  readonly entries: Entries.Entries
  readonly limits: Limits
  readonly encodeTags: Tags.Encode
  readonly tagSlots: TagSlots.TagSlots
}

/** What leases are taken with. */
interface Taking {
  readonly token: string
  readonly millis: number
  readonly tags: ReadonlyMap<string, Buffer | undefined>
  readonly deadline: number
}

export const make = (dependencies: Dependencies): Lease.Leases => {
  const { bus, connection, encodeTags, entries, limits, tagSlots, writing } = dependencies
  const takeOne = Singles.make(dependencies, singleScripts.take)
  const fillOne = Singles.make(dependencies, singleScripts.fill)
  let lastId = 0

  /** Runs a script that answers for each key, on items that have one each. */
  const runEach = <A, B>(
    operation: string,
    script: scripts.Lua,
    items: ReadonlyArray<A>,
    keyOf: (item: A) => string,
    args: (at: Writing.At, group: ReadonlyArray<A>) => ReadonlyArray<RedisValue>,
    read: (answer: unknown, item: A, server: Server) => B,
    { bytesOf, deadline }: { readonly bytesOf?: (item: A) => number; readonly deadline?: number | undefined } = {}
  ): Effect.Effect<ReadonlyArray<B>, CacheError.CacheError> =>
    eachOf(groups(items, keyOf, limits, bytesOf), (group) =>
      Effect.flatMap(
        writing.run(operation, script, group.map(keyOf), (at) => args(at, group), deadline),
        ({ reply, server }) =>
          CacheError.attempt(() => {
            if (!Array.isArray(reply) || reply.length !== group.length) throw strange(operation)
            return group.map((item, index) => read(reply[index], item, server))
          })
      )
    )

  /** What each key holds, `undefined` for what the script takes for a value and nobody here can read. */
  const ask = <A>(
    keys: ReadonlyArray<string>,
    codec: Codec.Codec<A>,
    { deadline, millis, tags, token }: Taking,
    when: leaseScripts.When
  ): Effect.Effect<ReadonlyArray<Lease.Lease<A> | undefined>, CacheError.CacheError> => {
    const [key = ""] = keys
    if (keys.length === 1 && tags.get(key) === undefined && !connection.isMock) {
      const single = { key, bytes: token.length, args: () => [token, millis, when] }
      return Effect.flatMap(takeOne("take", single, deadline), ({ reply, server }) =>
        CacheError.attempt(() => [leaseOf(server, reply, key, codec)])
      )
    }
    return runEach(
      "take",
      leaseScripts.take,
      keys,
      itself,
      (_, group) => [token, millis, when, ...group.map((key) => tags.get(key) ?? "")],
      (answer, key, server) => leaseOf(server, answer, key, codec),
      { deadline }
    )
  }

  const leaseOf = <A>(
    server: Server,
    answer: unknown,
    key: string,
    codec: Codec.Codec<A>
  ): Lease.Lease<A> | undefined => {
    const [how, millis, token, bytes]: ReadonlyArray<unknown> = Array.isArray(answer) ? answer : []
    const entry = entries.read(server, Buffer.isBuffer(bytes) ? bytes : undefined, key, codec)
    switch (String(how)) {
      case leaseScripts.TAKEN.hit:
        return entry === undefined ? undefined : { _tag: "Hit", entry }
      case leaseScripts.TAKEN.granted:
        return { _tag: "Granted", previous: entry }
      case leaseScripts.TAKEN.held:
        return { _tag: "Held", token: String(token), millis: Number(millis), previous: entry }
      case leaseScripts.TAKEN.failed:
        return { _tag: "Failed", millis: Number(millis), previous: entry }
      default:
        throw strange("take")
    }
  }

  /** What was loaded as it is sent. Throws a `CacheError`. */
  const filling = <A>({ graceMillis, key, payload, snapshot, tags = [], ttlMillis }: Lease.Loaded<A>) => ({
    key,
    payload,
    life: { ttlMillis: wholeMillis("fill", ttlMillis), graceMillis: wholeMillis("fill", graceMillis, 0) },
    tags,
    encodedTags: encodeTags("fill", tags),
    holds: snapshot === Snapshot.absent ? ("absence" as const) : ("value" as const)
  })

  return {
    token: () => Lease.tokenOf(bus.invalidation.origin, ++lastId),

    take: (keys, codec, options) =>
      CacheError.suspend(() => {
        const taking = {
          token: options.token,
          millis: wholeMillis("take", options.millis),
          tags: new Map(keys.map((key) => [key, encodeTags("take", options.tags?.get(key))])),
          deadline: connection.deadline()
        }
        if (partsOf(options.token) === undefined) throw foreign()
        const tagged = keys.map((key) => ({ key, tags: options.tags?.get(key) ?? [] }))
        return tagSlots.before("take", tagged, () =>
          Effect.flatMap(ask(keys, codec, taking, options.when), (found) => {
            const unread = keys.filter((_, index) => found[index] === undefined)
            const rest =
              unread.length === 0
                ? Effect.succeed([])
                : connection.before(taking.deadline, "take", ask(unread, codec, taking, "unread"))
            return Effect.flatMap(rest, (rest) => inPlace(found, rest))
          })
        )
      }),

    fill: (loaded, { push, token, writeId }) =>
      CacheError.suspend(() => {
        const lease = partsOf(token)
        if (lease === undefined) return Effect.succeed(loaded.map(() => false))
        const all = loaded.map(filling)
        const [first] = all
        if (first !== undefined && all.length === 1 && first.encodedTags === undefined && !connection.isMock) {
          const { holds, key, life, payload } = first
          const args = ({ envelope, header }: Writing.At) => [
            token,
            header(push === true ? "push" : "set", writeId),
            header("released", lease.id, lease.origin),
            life.ttlMillis + life.graceMillis,
            envelope(payload, life, undefined, holds)
          ]
          return Effect.map(fillOne("fill", { key, bytes: payload.length, args }), ({ reply }) => [isOne(reply)])
        }
        return tagSlots.before("fill", all, (deadline) =>
          runEach(
            "fill",
            leaseScripts.fill,
            all,
            keyOf,
            ({ envelope, header }, group) => [
              header("set", writeId),
              push === true ? header("push", writeId) : "",
              header("released", lease.id, lease.origin),
              token,
              ...group.flatMap(({ encodedTags, holds, life, payload }) => [
                life.ttlMillis + life.graceMillis,
                envelope(payload, life, encodedTags, holds)
              ])
            ],
            isOne,
            { bytesOf: ({ payload }) => payload.length, deadline }
          )
        )
      }),

    renew: (keys, token, millis) =>
      CacheError.suspend(() => {
        if (partsOf(token) === undefined) return Effect.succeed(keys.map(() => false))
        const args = [token, wholeMillis("renew", millis)]
        return runEach("renew", leaseScripts.renew, keys, itself, () => args, isOne)
      }),

    release: (keys, token, { failedForMillis } = {}) =>
      CacheError.suspend(() => {
        const lease = partsOf(token)
        if (lease === undefined) return Effect.void
        const backOffMillis = wholeMillis("release", failedForMillis ?? 0, 0)
        const kind = failedForMillis === undefined ? "released" : "failed"
        return Effect.asVoid(
          allOf(groups(keys, itself, limits), (group) =>
            Effect.as(
              writing.run("release", leaseScripts.release, group, ({ header }) => [
                header(kind, lease.id, lease.origin),
                token,
                backOffMillis
              ]),
              []
            )
          )
        )
      })
  }
}

const itself = (key: string) => key
const keyOf = ({ key }: { readonly key: string }) => key
const isOne = (reply: unknown) => Number(reply) === 1

/** The first answers, with the later ones in the places of those that were none. */
const inPlace = <A>(
  found: ReadonlyArray<Lease.Lease<A> | undefined>,
  later: ReadonlyArray<Lease.Lease<A> | undefined>
): Effect.Effect<ReadonlyArray<Lease.Lease<A>>, CacheError.CacheError> => {
  const rest = later.values()
  const all = found.flatMap((lease) => lease ?? rest.next().value ?? [])
  return all.length === found.length ? Effect.succeed(all) : Effect.fail(strange("take"))
}

const TOKEN = new RegExp(`^(${BusMessage.ORIGIN}):(\\d{1,15})$`)

/**
 * The process and the number that a token names, see `Lease.tokenOf`: the end of its lease is announced with them. `undefined` for
 * what no backend of this kind has made, and which has no lease here.
 */
const partsOf = (token: string): { readonly origin: string; readonly id: number } | undefined => {
  const [, origin, id] = TOKEN.exec(token) ?? []
  return origin === undefined ? undefined : { origin, id: Number(id) }
}

const foreign = () => CacheError.make("take", "InvalidOption", "a token is one that a backend of this kind has made")

/** What Redis counts with. */
const wholeMillis = (operation: string, millis: number, least = 1): number => {
  const whole = Math.ceil(millis)
  if (whole >= least && whole <= Number.MAX_SAFE_INTEGER) return whole
  throw CacheError.make(operation, "InvalidOption", `milliseconds are ${least} at least; got ${millis}`)
}

const strange = (operation: string) =>
  CacheError.make(operation, "Decode", "the script answered in a form that it never uses")
