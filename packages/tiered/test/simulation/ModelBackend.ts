/**
 * The shared store as one process sees it: `CacheBackend` over its connection for commands.
 */
import { CacheBackend, CacheError, type Entry, type Invalidation, Ttl } from "@tiercache/core"
import { Effect, Stream } from "effect"
import { COMMAND_MILLIS, type CommandConnection } from "./CommandConnection.ts"
import type { Operation } from "./History.ts"
import * as ModelLeases from "./ModelLeases.ts"
import type { Stored } from "./Keyspace.ts"
import type { ModelRedis, Sender } from "./ModelRedis.ts"
import type { VirtualTime } from "./VirtualTime.ts"

/** Keys in one command, so that a call with more is several commands. */
const KEYS_PER_COMMAND = 2

export interface Link {
  readonly origin: string
  readonly server: ModelRedis
  readonly commands: CommandConnection
  readonly time: VirtualTime
  /** Added to the server's time, it makes the process' own. */
  readonly offset: number
  /** The operation that is being started; `undefined` for what the cache does by itself. */
  readonly current: () => Operation | undefined
  /** Called when a command has failed. */
  readonly onFailure: () => void
  /** See `ModelLeases`. */
  readonly onStored: (value: number) => void
  readonly listen: Invalidation.Invalidation["Service"]["subscribe"]
}

/** Runs a script or a command, and notes the position at which its keys were seen. */
export type Run = <A>(
  isWrite: boolean,
  keys: ReadonlyArray<string>,
  execute: () => A
) => Effect.Effect<A, CacheError.CacheError>

export const make = ({ commands, current, listen, offset, onFailure, onStored, origin, server, time }: Link) => {
  const announcesApart = server.fault === "announces apart"

  const run: Run = (isWrite, keys, execute) => {
    const owner = current()
    const request = commands.send(isWrite, () => ({ answer: execute(), position: server.changes.length }))
    return Effect.suspend(() => {
      if (owner !== undefined) owner.isSent = true
      return isWrite && announcesApart ? Effect.tap(request, announce) : request
    }).pipe(
      Effect.map(({ answer, position }) => {
        for (const key of keys) owner?.positions.set(key, position)
        return answer
      }),
      Effect.tapError(() => Effect.sync(onFailure))
    )
  }

  const announce = commands.send(true, () => server.bus.announceWithheld(origin))

  const sender = (writeId?: number): Sender => {
    const owner = current()
    return { origin, writeId, operation: owner?.id, announces: owner?.announces }
  }

  const deadlineIn = (operation: string, ttl: Ttl.Input) => time.now + Ttl.toMillisUnsafe(operation, ttl)

  const put = (
    operation: string,
    payloads: ReadonlyArray<readonly [key: string, payload: Uint8Array]>,
    { grace, only, push, ttl, writeId }: CacheBackend.SetOptions
  ) => {
    const freshUntil = deadlineIn(operation, ttl)
    const goneAfter = freshUntil + (grace === undefined ? 0 : Ttl.toMillisUnsafe(operation, grace))
    const options = { freshUntil, goneAfter, only, push: push === true }
    const from = sender(writeId)
    const keys = payloads.map(([key]) => key)
    return run(true, keys, () => server.set(new Map(payloads), options, from))
  }

  const unlink = (keys: ReadonlyArray<string>) => {
    const from = sender()
    return run(true, keys, () => server.unlink(keys, from))
  }

  const read = <A>(keys: ReadonlyArray<string>, decode: (payload: Uint8Array, key: string) => A) =>
    Effect.map(
      run(false, keys, () => keys.map((key) => server.get(key))),
      (found) =>
        found.map((stored, index) => {
          // it may be gone by the time it arrives
          if (stored === undefined || stored.goneAfter <= time.now) return undefined
          return entryOf(stored, decode(stored.payload, keys[index] ?? ""))
        })
    )

  const entryOf = <A>(stored: Stored, value: A): Entry.Entry<A> => {
    const { freshUntil, goneAfter } = server.deadlinesOf(stored)
    const { version } = stored
    return { value, freshUntil: freshUntil + offset, goneAfter: goneAfter + offset, version, tier: "l2" }
  }

  const unsupported = Effect.fail(CacheError.make("model", "Unsupported", "no part of the model"))

  return {
    heartbeat: (id: number) => commands.send(false, () => server.heartbeat(origin, id)),
    backend: CacheBackend.CacheBackend.of({
      name: "model",
      unsupported: new Set<CacheBackend.Feature>(["increment", "run", "changes", "tags"]),
      // and one more, because here a request takes no time
      lateMillis: COMMAND_MILLIS + 1,
      peek: () => undefined,
      peekEntry: () => undefined,
      get: (key, codec) => Effect.map(read([key], codec.decode), ([entry]) => entry),
      getMany: (keys, codec) =>
        Effect.map(allOf(groups(keys).map((group) => read(group, codec.decode))), (found) => found.flat()),
      set: (key, codec, value, options) =>
        Effect.map(put("set", [[key, codec.encode(value, key)]], options), (written) => written > 0),
      setMany: (entries, codec, options) =>
        sum(
          groups(entries).map((group) =>
            put(
              "setMany",
              group.map(([key, value]) => [key, codec.encode(value, key)]),
              options
            )
          )
        ),
      delete: (key) => Effect.map(unlink([key]), (deleted) => deleted > 0),
      deleteMany: (keys) => unlink(keys),
      has: (key) =>
        Effect.map(
          run(false, [key], () => server.get(key)),
          (entry) => entry?.isStale === false
        ),
      ttl: () => unsupported,
      expire: (key, ttl) => {
        const freshUntil = deadlineIn("expire", ttl)
        const from = sender()
        return run(true, [key], () => server.expire(key, freshUntil, from))
      },
      scan: () => Stream.fromEffect(unsupported),
      deletePattern: ({ glob }) => {
        const from = sender()
        const owner = current()
        /** A script that returns the keys that are gone now. */
        const script = (execute: () => ReadonlyArray<string>) =>
          commands.send(true, () => {
            const gone = execute()
            for (const key of gone) owner?.positions.set(key, server.changes.length)
            return gone.length
          })
        return run(false, [], () => server.keys()).pipe(
          Effect.flatMap((keys) => script(() => (server.unlink(keys, from), keys))),
          Effect.tap(script(() => server.announcePattern(glob, from)))
        )
      },
      deleteTags: () => unsupported,
      keysByTag: () => Stream.fromEffect(unsupported),
      sweep: () => unsupported,
      increment: () => unsupported,
      run: () => unsupported,
      changes: Stream.fromEffect(unsupported),
      leases: ModelLeases.make({ origin, server, time, run, entryOf, onStored }),
      listen,
      health: Effect.succeed({ healthy: true, problem: undefined, warnings: [], details: {} }),
      stats: () => ({ unreadable: 0 })
    })
  }
}

const groups = <A>(items: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / KEYS_PER_COMMAND) }, (_, index) =>
    items.slice(index * KEYS_PER_COMMAND, (index + 1) * KEYS_PER_COMMAND)
  )

const allOf = <A>(effects: ReadonlyArray<Effect.Effect<A, CacheError.CacheError>>) =>
  Effect.all(effects, { concurrency: "unbounded" })

const sum = (counts: ReadonlyArray<Effect.Effect<number, CacheError.CacheError>>) =>
  Effect.map(allOf(counts), (counts) => counts.reduce((total, count) => total + count, 0))
