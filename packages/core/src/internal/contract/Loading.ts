/**
 * Loading a value under a lease, step by step.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type * as CacheError from "../../CacheError.ts"
import * as Codec from "../../Codec.ts"
import type * as Entry from "../../Entry.ts"
import type * as Lease from "../../Lease.ts"
import * as MonotonicClock from "../../MonotonicClock.ts"
import * as Snapshot from "../../Snapshot.ts"
import { LONG, SHORT, type Subject } from "./Subject.ts"

export const LONG_MILLIS = 3_600_000
export const SHORT_MILLIS = 100

/** Asks for one key, under a token of its own unless given. */
export const take = (
  { backend }: Subject,
  key: string,
  options?: Partial<Lease.TakeOptions>
): Effect.Effect<Lease.Lease<unknown>, CacheError.CacheError> => {
  const token = backend.leases.token()
  return Effect.map(
    backend.leases.take([key], Codec.msgpack, { token, millis: LONG_MILLIS, when: "stale", ...options }),
    ([lease]) => lease ?? assert.fail("take did not answer")
  )
}

/** Takes the lease of keys that nobody else has; the token. */
export const grant = Effect.fnUntraced(function* (
  { backend }: Subject,
  keys: ReadonlyArray<string>,
  options?: Partial<Lease.TakeOptions>
) {
  const token = backend.leases.token()
  const leases = yield* backend.leases.take(keys, Codec.msgpack, {
    token,
    millis: LONG_MILLIS,
    when: "stale",
    ...options
  })
  for (const { _tag } of leases) assert.strictEqual(_tag, "Granted")
  return token
})

interface Lifetime {
  readonly ttlMillis?: number
  readonly graceMillis?: number
}

/** What was loaded; `undefined` for a value that does not exist. */
export const loaded = (key: string, value: unknown, lifetime?: Lifetime): Lease.Loaded<unknown> => ({
  key,
  snapshot: value === undefined ? Snapshot.absent : Snapshot.make(Codec.msgpack, value, key),
  payload: value === undefined ? new Uint8Array() : Codec.msgpack.encode(value, key),
  ttlMillis: LONG_MILLIS,
  graceMillis: 0,
  ...lifetime
})

/** Stores what was loaded for one key; whether it was. */
export const fill = (
  { backend }: Subject,
  key: string,
  token: string,
  value: unknown,
  options?: Lifetime & Pick<Lease.FillOptions, "push">
): Effect.Effect<boolean, CacheError.CacheError> =>
  Effect.map(
    backend.leases.fill([loaded(key, value, options)], { token, push: options?.push }),
    ([isFilled]) => isFilled ?? assert.fail("fill did not answer")
  )

/** Loads a value for a key that has none. */
export const load = (subject: Subject, key: string, value: unknown, lifetime?: Lifetime) =>
  Effect.flatMap(grant(subject, [key]), (token) => fill(subject, key, token, value, lifetime))

/** Stores a value, and waits until it is stale. */
export const storeStale = Effect.fnUntraced(function* (subject: Subject, keys: ReadonlyArray<string>, value: unknown) {
  const { backend } = subject
  yield* backend.setMany(
    keys.map((key) => [key, value] as const),
    Codec.msgpack,
    { ttl: SHORT, grace: LONG }
  )
  yield* subject.elapse
  for (const key of keys) {
    yield* subject.eventually(Effect.flatMap(backend.get(key, Codec.msgpack), isStale))
    yield* subject.eventually(Effect.map(backend.has(key), (has) => !has))
  }
})

/** Whether there is an entry that may be served, but not as fresh. */
export const isStale = (entry: Entry.Entry<unknown> | undefined): Effect.Effect<boolean> =>
  Effect.map(MonotonicClock.now, (now) => entry !== undefined && entry.freshUntil <= now() && now() < entry.goneAfter)

/** A lease in the terms of the tests: what it is, and what is beside it. */
export const describe = (
  lease: Lease.Lease<unknown> | undefined
): readonly [tag: string | undefined, value?: unknown] =>
  lease?._tag === "Hit" ? ["Hit", lease.entry.value] : [lease?._tag, lease?.previous?.value]

/** What a `take` of one key finds, with a token that is of no further use. */
export const look = (subject: Subject, key: string, options?: Partial<Lease.TakeOptions>) =>
  Effect.map(take(subject, key, options), describe)
