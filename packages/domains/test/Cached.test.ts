import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheBackend, CacheError, Entity, Tag } from "@tiercache/core"
import { Cached } from "@tiercache/domains"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Deferred, Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"

const Names = Entity.make("user", "name", {
  key: { user: Schema.NonEmptyString },
  value: Schema.String,
  ttl: "1 minute",
  tags: (user) => [Tag.user(user)]
})
const Ages = Entity.make("user", "age", { key: { user: Schema.NonEmptyString }, value: Schema.Int })

const inMemory = Cache.layer().pipe(Layer.provideMerge(Layer.suspend(() => MemoryBackend.layer())))

class Missing extends Schema.TaggedError<Missing>()("Missing", {}) {}

/** Over the backend of the test, with a deletion that fails. */
const withoutDeletes = Layer.effect(
  CacheBackend.CacheBackend,
  CacheBackend.CacheBackend.use((backend) => {
    const fail = () => Effect.fail(CacheError.make("delete", "Unavailable", "no Redis"))
    return Effect.succeed(CacheBackend.CacheBackend.of({ ...backend, deleteTags: fail }))
  })
)

describe("Cached.cached", () => {
  it.effect("loads once, and again when the TTL is over", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const getName = Cached.cached(Names, (user, { previous }) =>
        Effect.sync(() => {
          asked.push(`${user} ${previous}`)
          return user.toUpperCase()
        })
      )
      const both = yield* Effect.all([getName("ada"), getName("ada")], { concurrency: 2 })
      assert.deepStrictEqual([...both, yield* getName("bob")], ["ADA", "ADA", "BOB"])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* getName("ada", { ttl: "1 hour" }), "ADA")
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual(yield* getName("ada"), "ADA")
      assert.deepStrictEqual(asked, ["ada undefined", "bob undefined", "ada undefined"])
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("fails as the loader does, and keeps nothing of it", () =>
    Effect.gen(function* () {
      let isMissing = true
      const getName = Cached.cached(Names, () => (isMissing ? Effect.fail(new Missing()) : Effect.succeed("Ada")))
      assert.deepStrictEqual(yield* Effect.flip(getName("ada")), new Missing())
      isMissing = false
      assert.strictEqual(yield* getName("ada"), "Ada")
      const error = yield* Effect.flip(getName(""))
      assert.strictEqual(CacheError.isCacheError(error) && error.reason, "InvalidKey")
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("is of the cache that it runs in", () =>
    Effect.gen(function* () {
      let loads = 0
      const count = Cached.cached(Names, () => Effect.sync(() => `${++loads}`))
      const answers = yield* Effect.all([
        Effect.provide(Effect.all([count("ada"), count("ada")]), Layer.fresh(inMemory)),
        Effect.provide(Effect.all([count("ada"), count("ada")]), Layer.fresh(inMemory))
      ])
      assert.deepStrictEqual(answers, [
        ["1", "1"],
        ["2", "2"]
      ])
    })
  )
})

describe("Cached.invalidates", () => {
  it.effect("deletes keys of several entities, and tags, after the change", () =>
    Effect.gen(function* () {
      const cache = yield* Cache.Cache
      yield* cache.entity(Names).set("ada", "Ada")
      yield* cache.entity(Ages).setMany([
        ["ada", 36],
        ["bob", 40]
      ])
      const seen: Array<unknown> = []
      const rename = Cached.invalidates(
        (user: string, name: string) =>
          Effect.gen(function* () {
            seen.push(yield* cache.entity(Names).get(user), yield* cache.entity(Ages).get(user))
            return `${user} is ${name}`
          }),
        (user) => [Tag.user(user), Ages.key(user)]
      )
      assert.strictEqual(yield* rename("ada", "Countess"), "ada is Countess")
      assert.deepStrictEqual(seen, ["Ada", 36])
      assert.isUndefined(yield* cache.entity(Names).get("ada"))
      assert.isUndefined(yield* cache.entity(Ages).get("ada"))
      assert.strictEqual(yield* cache.entity(Ages).get("bob"), 40)
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("deletes nothing if the change fails, and changes nothing if an id cannot be", () =>
    Effect.gen(function* () {
      const names = yield* Cache.entity(Names)
      yield* names.set("ada", "Ada")
      let changes = 0
      const failing = Cached.invalidates(
        (_user: string) =>
          Effect.andThen(
            Effect.sync(() => changes++),
            Effect.fail(new Missing())
          ),
        (user) => [Names.key(user)]
      )
      assert.deepStrictEqual(yield* Effect.flip(failing("ada")), new Missing())
      assert.strictEqual(yield* names.get("ada"), "Ada")
      const error = yield* Effect.flip(failing(""))
      assert.strictEqual(CacheError.isCacheError(error) && error.reason, "InvalidKey")
      assert.strictEqual(changes, 1)
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("deletes if it is interrupted, since nobody knows whether the change was made", () =>
    Effect.gen(function* () {
      const names = yield* Cache.entity(Names)
      const half = yield* Deferred.make<void>()
      for (const change of [Effect.never, Effect.uninterruptible(Deferred.await(half))]) {
        yield* names.set("ada", "Ada")
        const setName = Cached.invalidates(
          () => change,
          () => [Names.key("ada")]
        )
        const fiber = yield* Effect.forkChild(setName(), { startImmediately: true })
        const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        yield* Deferred.succeed(half, undefined)
        yield* Fiber.join(interruption)
        assert.isUndefined(yield* names.get("ada"))
      }
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("keeps what is being loaded meanwhile from being stored", () =>
    Effect.gen(function* () {
      const names = yield* Cache.entity(Names)
      const [begun, row] = [yield* Deferred.make<void>(), yield* Deferred.make<string>()]
      const getName = Cached.cached(Names, () =>
        Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(row))
      )
      const setName = Cached.invalidates(
        () => Effect.void,
        () => [Names.key("ada")]
      )
      const reading = yield* Effect.forkChild(getName("ada"))
      yield* Deferred.await(begun)
      yield* setName()
      yield* Deferred.succeed(row, "as it was")
      assert.strictEqual(yield* Fiber.join(reading), "as it was")
      assert.isUndefined(yield* names.get("ada"))
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("tells that the store was not reached, and deletes the rest", () =>
    Effect.gen(function* () {
      const cache = yield* Cache.Cache
      const partial = yield* Effect.provide(Cache.make(), withoutDeletes)
      yield* cache.entity(Ages).set("ada", 36)
      const change = Cached.invalidates(
        () => Effect.succeed("changed"),
        () => [Tag.user("ada"), Ages.key("ada")]
      )
      const error = yield* Effect.flip(Effect.provideService(change(), Cache.Cache, partial))
      assert.strictEqual(error.reason, "Unavailable")
      assert.isUndefined(yield* cache.entity(Ages).get("ada"))
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )
})
