/**
 * A cache under switches beside one without, and what is logged.
 */
import { Cache, CacheBackend, Entity, Switches } from "@tiercache/core"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Effect, Layer, Logger, References, Schema } from "effect"

export const Quotes = Entity.make("market", "quote", {
  key: { symbol: Schema.NonEmptyString },
  value: Schema.Struct({ last: Schema.Finite }),
  ttl: "5 seconds"
})

export const Sessions = Entity.make("auth", "session", {
  key: { session: Schema.NonEmptyString },
  value: Schema.Struct({ user: Schema.String }),
  ttl: "2 hours",
  secret: true
})

export type Backend = CacheBackend.CacheBackend["Service"]

/** Two caches of one store. */
export const open = Effect.fnUntraced(function* (
  options: Switches.Options,
  interfere: (backend: Backend) => Backend = (backend) => backend
) {
  const shared = yield* MemoryBackend.makeShared()
  const plain = (yield* MemoryBackend.make(shared, "plain")).backend
  const below = interfere((yield* MemoryBackend.make(shared, "switched")).backend)
  const make = (backend: Backend) => Effect.provideService(Cache.make(), CacheBackend.CacheBackend, backend)
  const backend = yield* Effect.provideService(Switches.make(options), CacheBackend.CacheBackend, below)
  return { cache: yield* make(backend), other: yield* make(plain), backend, below }
})

export interface Logged {
  readonly level: string
  readonly message: unknown
  readonly annotations: Readonly<Record<string, unknown>>
}

/** Runs a test with all levels logged into a list. */
export const logging = <A, E, R>(test: (logged: Array<Logged>) => Effect.Effect<A, E, R>) => {
  const logged: Array<Logged> = []
  const logger = Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    logged.push({ level: logLevel, message: Array.isArray(message) ? message[0] : message, annotations })
  })
  return test(logged).pipe(
    Effect.provide(Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All")))
  )
}
