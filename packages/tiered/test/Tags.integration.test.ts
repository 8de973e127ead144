import { assert, layer } from "@effect/vitest"
import { Cache, CacheBackend, Tag } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { LruStore } from "@tiercache/memory-backend"
import { RedisBackend } from "@tiercache/redis-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Context, Deferred, Effect, Fiber, Layer } from "effect"

/** One process: a cache with an L1 of its own over the server that the test's layer started. */
const start = Effect.gen(function* () {
  const { url } = yield* RedisServer.RedisServer
  const l2 = RedisBackend.layer({ url, commandTimeout: "5 seconds", maxKeysPerCommand: 100 })
  const tiered = TieredBackend.layer().pipe(Layer.provide(Layer.merge(l2, Layer.fresh(LruStore.layer()))))
  const context = yield* Layer.build(tiered)
  const cache = yield* Effect.provideContext(Cache.make({ prefix: "test" }), context)
  const { stats } = Context.get(context, CacheBackend.CacheBackend)
  yield* eventually(Effect.sync(() => stats().coherence?.state === "trusted"))
  return cache
})

const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(Effect.delay(condition, "5 millis"), { until: (holds) => holds })

/** A tag that no other test has. */
const uniqueTag = () => Tag.of("test", crypto.randomUUID())

layer(RedisServer.layer(), { excludeTestServices: true })("a deleted tag", (it) => {
  it.effect("leaves nothing in the L1 of any process, and what does not carry it where it is", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* start, yield* start]
      const tag = uniqueTag()
      const ids = Array.from({ length: 1000 }, (_, index) => `${tag}:${index}`)
      yield* a.setMany(
        ids.map((id) => [id, 1]),
        { tags: [tag] }
      )
      const other = `${tag}:other`
      yield* a.set(other, 1, { tags: [tag] })
      yield* a.set(other, 2)
      // an announcement may be later than what it tells of: then what is read is not kept
      for (const { getMany, peek } of [a, b]) {
        yield* eventually(
          Effect.map(getMany([...ids, other]), () => ids.every((id) => peek(id) === 1) && peek(other) === 2)
        )
      }
      assert.strictEqual(yield* a.deleteTags([tag]), 1000)
      assert.isTrue(ids.every((id) => a.peek(id) === undefined))
      yield* eventually(Effect.sync(() => ids.every((id) => b.peek(id) === undefined)))
      assert.deepStrictEqual([a.peek(other), b.peek(other)], [2, 2])
    })
  )

  it.effect("leaves nothing of what Redis has evicted either", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.RedisServer
      const [a, b] = [yield* start, yield* start]
      const tag = uniqueTag()
      const id = `${tag}:evicted`
      yield* a.set(id, 1, { tags: [tag] })
      yield* eventually(Effect.map(b.get(id), () => b.peek(id) === 1))
      yield* server.ask("UNLINK", `test:${id}`)
      assert.strictEqual(yield* a.deleteTags([tag]), 0)
      assert.isUndefined(a.peek(id))
      yield* eventually(Effect.sync(() => b.peek(id) === undefined))
    })
  )

  it.effect("keeps what is being loaded under it from being stored", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* start, yield* start]
      const tag = uniqueTag()
      const id = `${tag}:loaded`
      const [begun, answer] = [yield* Deferred.make<void>(), yield* Deferred.make<string>()]
      const slow = Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(answer))
      const load = yield* Effect.forkChild(a.lookup(id, slow, { tags: [tag] }))
      yield* Deferred.await(begun)
      const waiting = yield* Effect.forkChild(b.getOrLoad(id, Effect.succeed("new"), { tags: [tag] }))
      assert.strictEqual(yield* b.deleteTags([tag]), 0)
      assert.strictEqual(yield* Fiber.join(waiting), "new")
      yield* Deferred.succeed(answer, "old")
      const { superseded, value } = yield* Fiber.join(load)
      assert.deepStrictEqual([value, superseded], ["old", true])
      for (const { get } of [a, b]) assert.strictEqual(yield* get(id, { fresh: true }), "new")
    })
  )
})
