/**
 * What the tests of this package share.
 */
import { CacheBackend, CacheError, Codec, type Invalidation } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect, Layer } from "effect"
import { Redis } from "ioredis"

/** For tests that are not about time-outs, on a machine that may be slow. */
export const PATIENT = { commandTimeout: "5 seconds", connectTimeout: "5 seconds" } as const

export const LONG = { ttl: "1 hour" } as const

/** A backend over the server that the test's layer started. */
export const backendLayer = (
  options: Partial<RedisBackend.Options> = {}
): Layer.Layer<CacheBackend.CacheBackend | Invalidation.Invalidation, CacheError.CacheError, RedisServer.RedisServer> =>
  Layer.unwrap(
    RedisServer.RedisServer.use(({ url }) => Effect.succeed(RedisBackend.layer({ url, ...PATIENT, ...options })))
  )

/** Another backend, for the life of the scope. */
export const makeBackend = (options: RedisBackend.Options) =>
  Effect.map(RedisBackend.make({ ...PATIENT, ...options }), (context) =>
    Context.get(context, CacheBackend.CacheBackend)
  )

/** A plain connection, for what the backend does not do. */
export const makeClient = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Redis(url, { retryStrategy: () => 20 }).on("error", () => {})),
    (client) => Effect.sync(() => client.disconnect())
  )

/** Waits for a condition that somebody else brings about. */
export const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.repeat(Effect.delay(condition, "5 millis"), { until: (holds) => holds }).pipe(Effect.asVoid)

/** The reason for which an effect fails, or `undefined`. */
export const reasonOf = <A, R>(effect: Effect.Effect<A, CacheError.CacheError, R>) =>
  Effect.match(effect, { onFailure: ({ reason }) => reason, onSuccess: () => undefined })

export const get = (backend: CacheBackend.CacheBackend["Service"], key: string) =>
  Effect.map(backend.get(key, Codec.msgpack), (entry) => entry?.value)

export const set = (backend: CacheBackend.CacheBackend["Service"], key: string, value: unknown) =>
  backend.set(key, Codec.msgpack, value, LONG)

/** A key that no other test has. */
export const uniqueKey = (name: string): string => `test-${crypto.randomUUID()}:${name}`
