import { assert, describe, it } from "@effect/vitest"
import { RedisCluster, RedisServer } from "@tiercache/core/testing"
import { Cache, CacheBackend, CacheError, Clear, Lock, Redis, Tag, Tiered, User } from "tiercache"
import { Context, Deferred, Effect, Fiber, Layer, Stream } from "effect"
import * as fc from "fast-check"
import * as Population from "../../domains/test/clear/Population.ts"

const isFull = process.env["TIERCACHE_TEST_FULL"] === "1"

const PATIENT = { commandTimeout: "5 seconds" } as const

type Services = Cache.Cache | CacheBackend.CacheBackend | Lock.Lock

/** What a process has. */
const start = (layer: Layer.Layer<Services, CacheError.CacheError>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => ({
    cache: Context.get(context, Cache.Cache),
    locks: Context.get(context, Lock.Lock),
    state: () => Context.get(context, CacheBackend.CacheBackend).stats().coherence?.state
  }))

type Process = Effect.Success<ReturnType<typeof start>>

const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(Effect.delay(condition, "5 millis"), { until: (holds) => holds })

const keysOf = ({ cache }: Process) =>
  Effect.map(Stream.runCollect(cache.keys("*")), (keys) => keys.map(String).toSorted())

/** Stores a population, clears a part of it, and looks at what is left: in the store, and in the L1 of another process. */
const checkOnce = Effect.fnUntraced(function* (
  self: Process,
  other: Process | undefined,
  { isAggressive, operation, population }: Population.Clearing
) {
  const clear = Clear.make(self.cache, { aggressive: isAggressive })
  yield* clear.all
  yield* Population.store(self.cache, population)
  const keys = population.entries.map(({ key }) => key)
  const held = (key: (typeof keys)[number]) => other?.cache.peek(key) === 1
  if (other !== undefined) yield* eventually(Effect.map(other.cache.getMany(keys), () => keys.every(held)))
  const kept = population.entries.filter((entry) => !operation.concerns(entry)).map(({ key }) => key)
  assert.strictEqual(yield* operation.run(clear), keys.length - kept.length, operation.name)
  assert.deepStrictEqual(yield* keysOf(self), kept.map(String).toSorted())
  if (other !== undefined) {
    const gone = keys.filter((key) => !kept.includes(key))
    yield* eventually(Effect.sync(() => !gone.some(held)))
    if (operation.name !== "all") assert.isTrue(kept.every(held))
  }
})

/** What is random is run in the runtime of the test. */
const check = (self: Process, other: Process | undefined, runs: number) =>
  Effect.gen(function* () {
    const run = Effect.runPromiseWith(yield* Effect.context())
    yield* Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(Population.clearing, (clearing) => run(checkOnce(self, other, clearing))),
        { numRuns: isFull ? runs * 20 : runs }
      )
    )
  })

describe("clear", { concurrent: true }, () => {
  it.live("deletes precisely what belongs to whom it is told, in Redis", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      yield* check(yield* start(Redis.layer({ redis: { url, ...PATIENT } })), undefined, 20)
    })
  )

  it.live("deletes it from the L1s of other processes too", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const layer = Tiered.layer({ redis: { url, ...PATIENT } })
      const [self, other] = [yield* start(layer), yield* start(layer)]
      yield* eventually(Effect.sync(() => self.state() === "trusted" && other.state() === "trusted"))
      yield* check(self, other, 15)
    })
  )

  it.live("deletes it from all nodes of a cluster", () =>
    Effect.gen(function* () {
      const { addresses } = yield* RedisCluster.make({ replicas: 0 })
      yield* check(yield* start(Redis.layer({ redis: { cluster: addresses, ...PATIENT } })), undefined, 5)
    })
  )

  it.live("leaves locks, and keeps what another process is loading from being stored", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const layer = Tiered.layer({ redis: { url, ...PATIENT } })
      const [self, other] = [yield* start(layer), yield* start(layer)]
      const clear = Clear.make(self.cache, { aggressive: true })
      const held = yield* other.locks.acquire("mine")
      const settings = other.cache.entity(User.Settings)
      for (const operation of [clear.user("ada"), clear.domain("user"), clear.all]) {
        const [begun, answer] = [yield* Deferred.make<void>(), yield* Deferred.make<undefined>()]
        const slow = Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(answer))
        const load = yield* Effect.forkChild(settings.lookup("ada", slow, { negativeTtl: "1 hour" }))
        yield* Deferred.await(begun)
        assert.strictEqual(yield* operation, 0)
        yield* Deferred.succeed(answer, undefined)
        assert.isTrue((yield* Fiber.join(load)).superseded)
        assert.isUndefined(yield* self.cache.lookup(User.Settings.key("ada"), { fresh: true }))
      }
      assert.deepStrictEqual(yield* Stream.runCollect(self.cache.keysByTag(Tag.user("ada"))), [])
      yield* held.ensure
      assert.isTrue(
        (yield* Effect.flip(self.locks.withLock("mine", { wait: "50 millis" })(Effect.void)))._tag === "LockHeld"
      )
    })
  )
})
