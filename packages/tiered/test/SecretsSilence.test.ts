import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheBackend, Entity, Secrets, Switches, Tag } from "@tiercache/core"
import { LruStore, MemoryBackend } from "@tiercache/memory-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Context, Effect, Layer, Logger, Metric, Redacted, References, Schema, Tracer } from "effect"

const ring = Secrets.keyRing([{ id: "k1", key: Redacted.make(new Uint8Array(32).fill(1)) }])

const [ID, VALUE] = ["sesame", "hunter2"]

const options = {
  key: { id: Schema.String.check(Schema.isMaxLength(20)) },
  value: Schema.Struct({ token: Schema.String.check(Schema.isMaxLength(20)) }),
  tags: (id: string) => [Tag.connection(id)]
}
const Plain = Entity.make("auth", "plain", options)
const Secret = Entity.make("auth", "token", { ...options, secret: true })
const SecretInL1 = Entity.make("auth", "token_in_l1", { ...options, secret: true, l1: true })

/** Says all that a cache can be made to say. */
const switches = Switches.layer({
  logHits: true,
  logMisses: true,
  logSlowOps: true,
  slowOpThreshold: "1 millis",
  debugMode: true,
  logKeys: true
})

const tiered = Layer.unwrap(
  Effect.map(MemoryBackend.makeShared(), (shared) => {
    const store = Layer.effectContext(
      Effect.map(Layer.build(MemoryBackend.layerShared(shared, "a")), (context) => {
        const l2 = { ...Context.get(context, CacheBackend.CacheBackend), inProcess: false }
        return Context.add(context, CacheBackend.CacheBackend, l2)
      })
    )
    return TieredBackend.layer().pipe(Layer.provide(Layer.merge(store, LruStore.layer())))
  })
)

/** What the operations on an entity have said, in errors, logs, spans and metrics, those that fail included. */
const saidOf = Effect.fnUntraced(function* (entity: typeof Plain) {
  const said: Array<string> = []
  const show = (value: unknown) => said.push(inspect(value, { depth: 12 }))
  const logger = Logger.make<unknown, void>(({ cause, fiber, message }) => {
    show([message, cause, fiber.getRef(References.CurrentLogAnnotations)])
  })
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  yield* Effect.gen(function* () {
    const cache = yield* Cache.Cache
    const tokens = cache.entity(entity)
    const token = { token: VALUE }
    yield* tokens.get(ID)
    yield* tokens.set(ID, token)
    yield* tokens.get(ID)
    tokens.peek(ID)
    yield* tokens.getMany([ID, `${ID}-2`])
    yield* tokens.getOrLoad(`${ID}-3`, Effect.succeed(token))
    yield* tokens.refresh(ID, Effect.succeed(token))
    yield* tokens.expire(ID, "1 minute")
    yield* tokens.ttl(ID)
    const tooLong = { token: VALUE.repeat(3) }
    const failing: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      tokens.get(ID.repeat(4)),
      tokens.set(ID, tooLong),
      tokens.setMany([[ID, tooLong]]),
      tokens.getOrLoad(`${ID}-4`, Effect.succeed(tooLong)),
      tokens.set(ID, token, { ttl: "0 seconds" })
    ]
    for (const operation of failing) show(yield* Effect.flip(operation))
    yield* tokens.delete(ID)
    show(cache.metrics())
    show(yield* cache.health)
    show(yield* Metric.snapshot)
  }).pipe(
    Effect.provide(
      Layer.mergeAll(
        Cache.layer({ secrets: ring }).pipe(Layer.provide(switches), Layer.provide(tiered)),
        Logger.layer([logger]),
        Layer.succeed(References.MinimumLogLevel, "All")
      )
    ),
    Effect.provideService(Tracer.Tracer, tracer)
  )
  for (const { attributes, events, name, status } of spans) show([name, attributes, events, status])
  assert.isAbove(said.length, 10)
  return said.join("\n")
})

describe("of a secret entity", () => {
  for (const entity of [Secret, SecretInL1]) {
    it.effect(`neither ids nor values are said, with all logs on: ${entity.type}`, () =>
      Effect.map(saidOf(entity), (said) => {
        assert.include(said, entity.type)
        assert.notInclude(said, ID)
        assert.notInclude(said, VALUE)
      })
    )
  }

  it.effect("that is, of others the ids are said, and of none the values", () =>
    Effect.map(saidOf(Plain), (said) => {
      assert.include(said, ID)
      assert.notInclude(said, VALUE)
    })
  )
})
