/**
 * What Effect's own stores do over its `Redis` service, as tests for any topology. With a `tag`, keys that belong together lie in one slot
 * of a cluster.
 */
import { assert, layer as withLayer } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Queue, Schedule, Schema } from "effect"
import {
  CircuitBreaker,
  Persistable,
  PersistedCache,
  PersistedQueue,
  Persistence,
  RateLimiter,
  Redis
} from "effect/persistence"
import { eventually } from "../support.ts"

class User extends Schema.Class<User>("User")({ id: Schema.Int, name: Schema.String }) {}

class Find extends Persistable.Class<{ payload: { id: number } }>()("Find", {
  primaryKey: ({ id }) => `find:${id}`,
  success: User,
  error: Schema.String
}) {}

const Item = Schema.Struct({ n: Schema.Int })

const ann = new User({ id: 1, name: "Ann" })
const bob = new User({ id: 2, name: "Bob" })

export const suite = <E>(
  name: string,
  layer: Layer.Layer<Redis.Redis, E>,
  options: { readonly tag: boolean }
): void => {
  const unique = (text: string) => {
    const id = `${text}-${crypto.randomUUID()}`
    return options.tag ? `{${id}}` : id
  }
  withLayer(layer, { excludeTestServices: true })(name, (it) => {
    it.effect("Persistence: keeps successes and failures, one by one and many at once", () =>
      Effect.gen(function* () {
        const persistence = yield* Persistence.Persistence
        const [storeId, otherId] = [unique("users"), unique("users")]
        const store = yield* persistence.make({ storeId, timeToLive: () => "1 hour" })
        const other = yield* persistence.make({ storeId: otherId })
        const keys = [1, 2, 3].map((id) => new Find({ id }))
        const [one, two, three] = [new Find({ id: 1 }), new Find({ id: 2 }), new Find({ id: 3 })]
        assert.deepStrictEqual(yield* store.getMany(keys), [undefined, undefined, undefined])
        yield* store.set(one, Exit.succeed(ann))
        yield* store.setMany([
          [two, Exit.fail("gone")],
          [three, Exit.succeed(bob)]
        ])
        yield* other.set(one, Exit.succeed(bob))
        assert.deepStrictEqual(yield* store.get(one), Exit.succeed(ann))
        assert.deepStrictEqual(yield* store.getMany(keys), [Exit.succeed(ann), Exit.fail("gone"), Exit.succeed(bob)])
        const redis = yield* Redis.Redis
        for (const id of [1, 2, 3]) {
          const ttl = yield* redis.send<number>("PTTL", `${storeId}:find:${id}`)
          assert.isTrue(ttl > 0 && ttl <= 3_600_000)
        }
        yield* store.remove(one)
        assert.isUndefined(yield* store.get(one))
        yield* store.clear
        yield* store.clear
        assert.deepStrictEqual(yield* store.getMany(keys), [undefined, undefined, undefined])
        assert.deepStrictEqual(yield* other.get(one), Exit.succeed(bob))
      }).pipe(Effect.provide(Persistence.layerRedis))
    )

    it.effect("PersistedCache: looks up once, for all caches of a store", () =>
      Effect.gen(function* () {
        let lookups = 0
        const storeId = unique("cached")
        const make = PersistedCache.make(
          ({ id }: Find) =>
            Effect.sync(() => {
              lookups++
              return new User({ id, name: "Ann" })
            }),
          { storeId, timeToLive: () => "1 hour" }
        )
        const [first, second] = [yield* make, yield* make]
        for (const cache of [first, first, second]) {
          assert.deepStrictEqual(yield* cache.get(new Find({ id: 1 })), ann)
        }
        assert.strictEqual(lookups, 1)
        yield* first.invalidate(new Find({ id: 1 }))
        yield* first.get(new Find({ id: 1 }))
        assert.strictEqual(lookups, 2)
      }).pipe(Effect.provide(Persistence.layerRedis))
    )

    it.effect("PersistedQueue: delivers each element once, again after a failure, and keeps what is exhausted", () => {
      const prefix = `${unique("queues")}:`
      return Effect.gen(function* () {
        const queue = yield* PersistedQueue.make({ name: "jobs", schema: Item })
        yield* queue.offer({ n: 1 }, { id: "one" })
        yield* queue.offer({ n: 1 }, { id: "one" })
        yield* queue.offer({ n: 2 })
        const take = queue.take((item) => Effect.succeed(item.n))
        assert.deepStrictEqual(new Set([yield* take, yield* take]), new Set([1, 2]))

        // nothing else to take: who waits gets the next, at once
        const waiting = yield* Effect.forkChild(take)
        yield* queue.offer({ n: 3 })
        assert.strictEqual(yield* Fiber.join(waiting), 3)

        const options = { name: "failing", schema: Item, maxAttempts: 2, retrySchedule: Schedule.spaced("1 millis") }
        const failing = yield* PersistedQueue.make(options)
        yield* failing.offer({ n: 4 })
        for (const attempt of [1, 2]) {
          const error = yield* Effect.flip(failing.take((_, { attempts }) => Effect.fail(attempts)))
          assert.strictEqual(error, attempt)
        }
        const redis = yield* Redis.Redis
        const failed = redis.send<ReadonlyArray<string>>("LRANGE", `${prefix}failing:failed`, "0", "-1")
        yield* eventually(Effect.map(failed, ({ length }) => length === 1))
        assert.include((yield* failed)[0], `"n":4`)
      }).pipe(
        Effect.provide(
          PersistedQueue.layer.pipe(
            Layer.provide(PersistedQueue.layerStoreRedis({ prefix, pollInterval: "20 millis" }))
          )
        )
      )
    })

    it.effect("PersistedQueue: what is interrupted is delivered again", () => {
      const prefix = `${unique("queues")}:`
      return Effect.gen(function* () {
        const queue = yield* PersistedQueue.make({ name: "jobs", schema: Item })
        yield* queue.offer({ n: 1 })
        const started = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          queue.take(() => Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
        )
        yield* Deferred.await(started)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(yield* queue.take((item) => Effect.succeed(item.n)), 1)
      }).pipe(
        Effect.provide(
          PersistedQueue.layer.pipe(
            Layer.provide(PersistedQueue.layerStoreRedis({ prefix, pollInterval: "20 millis" }))
          )
        )
      )
    })

    it.effect("CircuitBreaker: opens for all that share the store", () =>
      Effect.gen(function* () {
        const make = CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(2), openDuration: "1 hour" })
        const [one, two] = [yield* make, yield* make]
        const key = unique("payments")
        const charge = (breaker: CircuitBreaker.CircuitBreaker) =>
          Effect.flip(breaker.execute(Effect.fail("down"), { key }))
        assert.strictEqual(yield* charge(one), "down")
        assert.strictEqual(yield* charge(two), "down")
        const error = yield* charge(one)
        assert.isTrue(typeof error !== "string" && error.reason._tag === "CircuitOpen")
      }).pipe(Effect.provide(CircuitBreaker.layerStoreRedis()))
    )

    it.effect("RateLimiter: the store that Effect has counts, in both ways", () =>
      Effect.gen(function* () {
        const limiter = yield* RateLimiter.make
        for (const algorithm of ["fixed-window", "token-bucket"] as const) {
          const consume = limiter.consume({ key: unique(algorithm), algorithm, limit: 2, window: "1 hour" })
          assert.strictEqual((yield* consume).remaining, 1)
          assert.strictEqual((yield* consume).remaining, 0)
          assert.strictEqual((yield* Effect.flip(consume)).reason._tag, "RateLimitExceeded")
        }
      }).pipe(Effect.provide(RateLimiter.layerStoreRedis()))
    )

    it.effect("channels: what is published arrives, and no longer when the scope has closed", () =>
      Effect.gen(function* () {
        const redis = yield* Redis.Redis
        const channel = unique("events")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const [one, two] = [yield* redis.subscribe(channel), yield* redis.subscribe(channel)]
            for (const message of ["first", "häh?"]) {
              yield* redis.send("PUBLISH", channel, message)
              for (const queue of [one, two]) {
                assert.deepStrictEqual(yield* Queue.take(queue), { channel, message })
              }
            }
          })
        )
        yield* eventually(Effect.map(redis.send<number>("PUBLISH", channel, "late"), (heard) => heard === 0))
      })
    )

    it.effect("reserve: a command that blocks keeps nobody waiting", () =>
      Effect.gen(function* () {
        const redis = yield* Redis.Redis
        const key = unique("list")
        const connection = yield* redis.reserve
        const popped = yield* Effect.forkChild(connection.send<ReadonlyArray<string>>("BLPOP", key, "0"))
        yield* redis.send("RPUSH", key, "value")
        assert.deepStrictEqual(yield* Fiber.join(popped), [key, "value"])
        const script = Redis.script((key: string, value: string) => [key, value], {
          numberOfKeys: 1,
          lua: "return redis.call('RPUSH', KEYS[1], ARGV[1])"
        }).withReturnType<number>()
        assert.strictEqual(yield* connection.eval(script)(key, "other"), 1)
      }).pipe(Effect.scoped)
    )
  })
}

/** The service, open for the life of the scope. */
export const serviceOf = <E, R>(layer: Layer.Layer<Redis.Redis, E, R>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, Redis.Redis))
