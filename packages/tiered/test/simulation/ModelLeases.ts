/**
 * The leases of the shared store as one process sees them: a command for each key.
 */
import { type CacheError, type Entry, Lease } from "@tiercache/core"
import { Effect } from "effect"
import type { Stored } from "./Keyspace.ts"
import type { Run } from "./ModelBackend.ts"
import type { ModelRedis, Sender, Taken } from "./ModelRedis.ts"
import { read } from "./Values.ts"
import type { VirtualTime } from "./VirtualTime.ts"

interface Parts {
  readonly origin: string
  readonly server: ModelRedis
  readonly time: VirtualTime
  readonly run: Run
  /** Called with what the process is told to be stored. */
  readonly onStored: (value: number) => void
  readonly entryOf: <A>(stored: Stored, value: A) => Entry.Entry<A>
}

export const make = ({ entryOf, onStored, origin, run, server, time }: Parts): Lease.Leases => {
  let last = 0

  /** A script of its own for each, so that some of a call may be executed and others not. */
  const each = <A, B>(items: ReadonlyArray<A>, execute: (item: A) => B) =>
    Effect.forEach(items, (item) => run(true, [], () => execute(item)), { concurrency: "unbounded" })

  const leaseOf = <A>(taken: Taken, decode: (payload: Uint8Array) => A): Lease.Lease<A> => {
    const decoded = (stored: Stored) => entryOf(stored, decode(stored.payload))
    if (taken.type === "Hit") return { _tag: "Hit", entry: decoded(taken.entry) }
    const previous = taken.previous && decoded(taken.previous)
    if (taken.type === "Granted") return { _tag: "Granted", previous }
    const { millis } = taken
    return taken.type === "Failed"
      ? { _tag: "Failed", millis, previous }
      : { _tag: "Held", token: taken.token, millis, previous }
  }

  return {
    token: () => Lease.tokenOf(origin, ++last),
    take: (keys, codec, { millis, token, when }) =>
      each(keys, (key) => server.take(key, token, millis, when)).pipe(
        Effect.map((answers) =>
          answers.map((taken, index) => leaseOf(taken, (payload) => codec.decode(payload, keys[index] ?? "")))
        )
      ),
    fill: (loaded, { push, token, writeId }) => {
      const sender: Sender = { origin, writeId, operation: undefined, announces: undefined }
      const { now } = time
      return each(loaded, ({ graceMillis, key, payload, ttlMillis }) => {
        const freshUntil = now + ttlMillis
        const goneAfter = freshUntil + graceMillis
        return server.fill(key, payload, { token, push: push === true, freshUntil, goneAfter }, sender)
      }).pipe(
        Effect.tap((answers) =>
          Effect.sync(() => loaded.forEach(({ payload }, index) => answers[index] === true && onStored(read(payload))))
        )
      )
    },
    renew: (keys, token, millis) => each(keys, (key) => server.renew(key, token, millis)),
    release: (keys, token, options): Effect.Effect<void, CacheError.CacheError> =>
      Effect.asVoid(each(keys, (key) => server.release(key, token, options?.failedForMillis)))
  }
}
