/**
 * A handle remembers where it found what it was asked for: it serves no longer what L1 may not.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheBackend } from "@tiercache/core"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { makeFleet } from "./support.ts"

const ways = {
  peek: (cache) => Effect.sync(() => cache.peek("k")),
  peekPromise: (cache) => Effect.promise(async () => cache.peekPromise("k"))
} satisfies Record<string, (cache: Cache.Cache["Service"]) => Effect.Effect<unknown>>

describe.each(Object.entries(ways))("what a handle found before, by %s", (_, read) => {
  const test = (
    name: string,
    body: (
      caches: Readonly<Record<"a" | "b", Cache.Cache["Service"]>>,
      bus: Effect.Success<typeof makeFleet>["bus"]
    ) => Effect.Effect<void, unknown>
  ) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const fleet = yield* makeFleet
        const join = Effect.fnUntraced(function* (origin: string) {
          const { backend } = yield* fleet.join(origin)
          return yield* Effect.provideService(Cache.make(), CacheBackend.CacheBackend, backend)
        })
        const caches = { a: yield* join("a"), b: yield* join("b") }
        yield* caches.a.set("k", "old", { ttl: "1 hour" })
        yield* caches.b.get("k")
        for (const cache of [caches.a, caches.b]) assert.strictEqual(yield* read(cache), "old")
        yield* body(caches, fleet.bus)
      })
    )

  test("is not served after a write elsewhere", ({ a, b }) =>
    Effect.gen(function* () {
      yield* a.set("k", "new")
      assert.isUndefined(yield* read(b))
      assert.strictEqual(yield* read(a), "new")
      yield* b.get("k")
      assert.strictEqual(yield* read(b), "new")
      yield* b.delete("k")
      for (const cache of [a, b]) assert.isUndefined(yield* read(cache))
    }))

  test("is not served after its TTL", ({ a, b }) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      for (const cache of [a, b]) assert.isUndefined(yield* read(cache))
    }))

  test("is not served while L1 is not trusted, and is again afterwards", ({ b }, bus) =>
    Effect.gen(function* () {
      bus.setFaults({ mute: (receiver) => receiver === "b" })
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(yield* read(b), "old")
      yield* TestClock.adjust("1 second")
      assert.isUndefined(yield* read(b))
      bus.setFaults({})
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* read(b), "old")
    }))

  test("is not served after an epoch's end", ({ b }, bus) =>
    Effect.gen(function* () {
      bus.disconnect("b")
      assert.isUndefined(yield* read(b))
      bus.reconnect("b")
      yield* TestClock.adjust("1 second")
      assert.isUndefined(yield* read(b))
    }))
})
