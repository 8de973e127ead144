import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheError, Tag } from "@tiercache/core"
import { Api, ApiResponses } from "@tiercache/domains"
import { MemoryBackend } from "@tiercache/memory-backend"
import { DateTime, Effect, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"

const inMemory = Cache.layer().pipe(Layer.provideMerge(Layer.suspend(() => MemoryBackend.layer())))

const responses = Effect.map(Cache.entity(Api.Responses), ApiResponses.make)

const orders = { method: "GET", endpoint: "/api/orders", params: { page: 1, open: true }, user: "ada" } as const

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const ORDERS = [{ id: "o-1" }]

/** A call that counts. */
const counted = (calls: Array<number>, body: unknown) =>
  Effect.sync(() => {
    calls.push(1)
    return body
  })

describe("API responses", () => {
  it.effect("are kept for as long as told, with endpoint, parameters and time, and callers get the body", () =>
    Effect.gen(function* () {
      const { get, getOrLoad } = yield* responses
      const calls: Array<number> = []
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* getOrLoad(orders, counted(calls, ORDERS)), [{ id: "o-1" }])
      const sameInOtherWords = { ...orders, method: "get", params: { open: true, page: 1 } }
      assert.deepStrictEqual(yield* getOrLoad(sameInOtherWords, counted(calls, ORDERS)), [{ id: "o-1" }])
      assert.strictEqual(calls.length, 1)
      assert.deepStrictEqual(yield* get(orders), {
        endpoint: "/api/orders",
        params: '{"open":true,"page":1}',
        cachedAt: DateTime.makeUnsafe(1000),
        body: [{ id: "o-1" }]
      })
      yield* TestClock.adjust("300 seconds")
      yield* getOrLoad(orders, counted(calls, ORDERS), { ttl: "1 hour" })
      yield* TestClock.adjust("59 minutes")
      yield* getOrLoad(orders, counted(calls, ORDERS))
      assert.strictEqual(calls.length, 2)
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("are found by what they are, an empty body too", () =>
    Effect.gen(function* () {
      const { getOrLoad } = yield* responses
      const calls: Array<number> = []
      for (const [index, body] of [null, 0, "", false, undefined].entries()) {
        const request = { ...orders, params: { index } }
        assert.strictEqual(yield* getOrLoad(request, counted(calls, body)), body)
        assert.strictEqual(yield* getOrLoad(request, counted(calls, "another")), body)
      }
      assert.strictEqual(calls.length, 5)
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("to what changes something are never kept", () =>
    Effect.gen(function* () {
      const cache = yield* Cache.Cache
      const { delete: remove, get, getOrLoad } = yield* responses
      const calls: Array<number> = []
      const methods = ["POST", "put", "PATCH", "DELETE", "OPTIONS", "TRACE", ""]
      for (const method of methods) {
        const request = { ...orders, method }
        yield* getOrLoad(request, counted(calls, ORDERS))
        yield* getOrLoad(request, counted(calls, ORDERS))
        assert.isUndefined(yield* get(request))
        assert.isFalse(yield* remove(request))
      }
      assert.strictEqual(calls.length, 2 * methods.length)
      assert.deepStrictEqual(yield* Stream.runCollect(cache.keys("*")), [])
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("of one user are not those of another, and are deleted with what else that user has", () =>
    Effect.gen(function* () {
      const cache = yield* Cache.Cache
      const { delete: remove, getOrLoad } = yield* responses
      const calls: Array<number> = []
      for (const user of ["ada", "bob", undefined]) yield* getOrLoad({ ...orders, user }, counted(calls, user))
      assert.strictEqual(calls.length, 3)
      assert.strictEqual(yield* getOrLoad({ ...orders, user: "bob" }, counted(calls, ORDERS)), "bob")
      assert.strictEqual(yield* cache.deleteTags([Tag.user("ada")]), 1)
      assert.strictEqual(yield* cache.deleteTags([Api.tagOf("bob")]), 1)
      assert.isFalse(yield* remove({ ...orders, user: "bob" }))
      assert.isTrue(yield* remove({ ...orders, user: undefined }))
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("that did not come are not kept, and requests that cannot be are refused", () =>
    Effect.gen(function* () {
      const { getOrLoad } = yield* responses
      const calls: Array<number> = []
      assert.deepStrictEqual(yield* Effect.flip(getOrLoad(orders, Effect.fail(new Refused()))), new Refused())
      assert.deepStrictEqual(yield* getOrLoad(orders, counted(calls, ORDERS)), [{ id: "o-1" }])
      const error = yield* Effect.flip(getOrLoad({ ...orders, params: { page: NaN } }, counted(calls, ORDERS)))
      assert.deepStrictEqual([CacheError.isCacheError(error), error.reason], [true, "InvalidKey"])
      assert.strictEqual(calls.length, 1)
    }).pipe(Effect.provide(inMemory))
  )
})
