/**
 * Loading values under leases, and entries as nobody here would write them.
 */
import { CacheBackend, Codec, Envelope, type Lease, Snapshot } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Effect, Layer } from "effect"
import { backendLayer, makeClient } from "./support.ts"

type Backend = CacheBackend.CacheBackend["Service"]

export const withServer = backendLayer().pipe(Layer.provideMerge(RedisServer.layer()))

export const HOUR = 3_600_000

export const setup = Effect.gen(function* () {
  const { url } = yield* RedisServer.RedisServer
  return { url, backend: yield* CacheBackend.CacheBackend, client: yield* makeClient(url) }
})

export const takeMany = (backend: Backend, keys: ReadonlyArray<string>, options: Partial<Lease.TakeOptions> = {}) =>
  Effect.suspend(() => {
    const token = options.token ?? backend.leases.token()
    const given = { token, millis: HOUR, when: "stale", ...options } as const
    return Effect.map(backend.leases.take(keys, Codec.msgpack, given), (leases) => ({ leases, token }))
  })

/** How an answer begins and, if there is one, the value that was there. */
export const shown = (lease: Lease.Lease<unknown> | undefined) => {
  const entry = lease?._tag === "Hit" ? lease.entry : lease?.previous
  return entry === undefined ? lease?._tag : [lease?._tag, entry.value]
}

export const take = (backend: Backend, key: string, options: Partial<Lease.TakeOptions> = {}) =>
  Effect.map(takeMany(backend, [key], options), ({ leases, token }) => ({ token, lease: shown(leases[0]) }))

export const loaded = (key: string, value: unknown): Lease.Loaded<unknown> => ({
  key,
  snapshot: value === undefined ? Snapshot.absent : Snapshot.make(Codec.msgpack, value, key),
  payload: value === undefined ? new Uint8Array() : Codec.msgpack.encode(value, key),
  ttlMillis: HOUR,
  graceMillis: 0
})

export const fill = (
  { leases }: Backend,
  key: string,
  token: string,
  value: unknown,
  options?: Omit<Lease.FillOptions, "token">
) => {
  const { fill } = leases
  return Effect.map(fill([loaded(key, value)], { token, ...options }), ([isFilled]) => isFilled)
}

/** The server shares this machine's wall clock. */
export const wallMillis = () => performance.timeOrigin + performance.now()

/** An entry of our layout, as nobody here would write it. */
export const stored = (parts: Partial<Envelope.Envelope>) => {
  const deadline = wallMillis() + HOUR
  return Envelope.encode({
    freshUntil: deadline,
    goneAfter: deadline,
    version: 1,
    holds: "value",
    lease: undefined,
    payload: Codec.msgpack.encode("value", ""),
    ...parts
  })
}

/** Stale for an hour. */
export const staleNow = () => {
  const now = wallMillis()
  return { freshUntil: now - 1000, goneAfter: now + HOUR }
}
