import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheBackend, CacheError, Entity, Tag } from "@tiercache/core"
import { Deferred, Duration, Effect, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type Fleet, get, makeFleet, peek, set, unavailable } from "./support.ts"

type Backend = CacheBackend.CacheBackend["Service"]

const RED = { tags: ["red"] }
const red = Tag.of("color", "red")
const blue = Tag.of("color", "blue")

const coherenceOf = (backend: Backend) => {
  const { coherence } = backend.stats()
  if (coherence === undefined) throw new Error("a tiered backend has statistics of its coherence")
  return coherence
}

const Accounts = Entity.make("vb", "account", {
  key: { id: Schema.NonEmptyString },
  value: Schema.Finite,
  ttl: "1 hour",
  tags: (id) => [Tag.of("account", id)]
})

/** A cache over a backend of the fleet. */
const cacheOf = (backend: Backend) =>
  Cache.make({ prefix: "test" }).pipe(Effect.provideService(CacheBackend.CacheBackend, backend))

const join = (fleet: Fleet, origin: string) =>
  Effect.flatMap(fleet.join(origin), ({ backend }) => Effect.map(cacheOf(backend), (cache) => ({ backend, cache })))

describe("a deleted tag", () => {
  it.effect("leaves nothing in any L1, and what does not carry it where it is", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const [a, b] = [yield* fleet.join("a"), yield* fleet.join("b")]
      yield* set(a.backend, "red", 1, RED)
      yield* set(a.backend, "was red", 2, RED)
      yield* set(a.backend, "was red", 2)
      for (const { backend } of [a, b]) for (const key of ["red", "was red"]) yield* get(backend, key)
      assert.strictEqual(yield* b.backend.deleteTags(["red"]), 1)
      for (const { backend } of [a, b]) {
        assert.deepStrictEqual([peek(backend, "red"), peek(backend, "was red")], [undefined, 2])
      }
    })
  )

  it.effect("leaves nothing in the L1 of its own process before the announcement arrives", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const { backend } = yield* fleet.join("a")
      yield* set(backend, "k", 1, RED)
      fleet.bus.setFaults({ delay: "100 millis" })
      const deleted: Array<string> = []
      yield* backend.deleteTags(["red"], (keys) => deleted.push(...keys))
      assert.strictEqual(peek(backend, "k"), undefined)
      assert.deepStrictEqual(deleted, ["k"])
      yield* set(backend, "k", 2, RED)
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* get(backend, "k"), 2)
    })
  )

  it.effect("keeps a read that it overtakes out of L1, though its announcement is late", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const answer = yield* Deferred.make<void>()
      const { backend } = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        get: (key, codec) => Effect.tap(l2.get(key, codec), () => Deferred.await(answer))
      }))
      const other = yield* fleet.join("b")
      yield* set(other.backend, "k", "old", RED)
      const read = yield* Effect.forkChild(get(backend, "k"), { startImmediately: true })
      fleet.bus.setFaults({ delay: "100 millis" })
      yield* backend.deleteTags(["red"])
      yield* Deferred.succeed(answer, undefined)
      assert.strictEqual(yield* Fiber.join(read), "old")
      assert.strictEqual(peek(backend, "k"), undefined)
      assert.strictEqual(yield* get(backend, "k"), undefined)
    })
  )

  it.effect("whose deletion nobody acknowledged is deleted before L1 is trusted again", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      let isDown = false
      const a = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        deleteTags: (tags, onDeleted) => (isDown ? unavailable : l2.deleteTags(tags, onDeleted))
      }))
      const b = yield* fleet.join("b")
      yield* set(a.backend, "k", "old", RED)
      yield* get(b.backend, "k")
      isDown = true
      assert.strictEqual((yield* Effect.flip(a.backend.deleteTags(["red"]))).reason, "Unavailable")
      assert.strictEqual(coherenceOf(a.backend).unacknowledged, 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(coherenceOf(a.backend).state, "distrusted")
      assert.strictEqual(yield* get(b.backend, "k"), "old")
      isDown = false
      yield* TestClock.adjust("1 second")
      for (const { backend } of [a, b]) assert.strictEqual(yield* get(backend, "k"), undefined)
      const { repeatedDeletes, state, unacknowledged } = coherenceOf(a.backend)
      assert.deepStrictEqual([repeatedDeletes, state, unacknowledged], [1, "trusted", 0])
    })
  )

  it.effect("whose deletion a caller gave up is deleted too", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      let isSlow = true
      const { backend } = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        deleteTags: (tags, onDeleted) => (isSlow ? Effect.never : l2.deleteTags(tags, onDeleted))
      }))
      yield* set(backend, "k", "old", RED)
      const fiber = yield* Effect.forkChild(backend.deleteTags(["red"]), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      isSlow = false
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* get(backend, "k"), undefined)
    })
  )

  it.effect("that cannot be deleted does not keep L1 from being used", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      let reason: CacheError.Reason = "Timeout"
      const { backend } = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        deleteTags: () => Effect.fail(CacheError.make("deleteTags", reason, "not now, or never"))
      }))
      yield* Effect.flip(backend.deleteTags(["red"]))
      reason = "WrongType"
      yield* Effect.flip(backend.deleteTags(["blue"]))
      assert.strictEqual(coherenceOf(backend).unacknowledged, 1)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([coherenceOf(backend).state, coherenceOf(backend).unacknowledged], ["trusted", 0])
    })
  )
})

describe("a cache", () => {
  it.effect("deletes by tag in every process, counts what it deleted, and lists keys that can be used", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const [a, b] = [yield* join(fleet, "a"), yield* join(fleet, "b")]
      yield* a.cache.set("one", 1, { tags: [red] })
      yield* a.cache.setMany(
        [
          ["two", 2],
          ["three", 3]
        ],
        { tags: [red, blue] }
      )
      yield* a.cache.set("four", 4)
      for (const name of ["one", "two", "three", "four"]) yield* b.cache.get(name)
      const keys = yield* Stream.runCollect(b.cache.keysByTag(blue))
      assert.deepStrictEqual(keys.map(String).toSorted(), ["three", "two"])
      assert.sameMembers([...(yield* b.cache.getMany(keys)).values()], [2, 3])
      assert.strictEqual(yield* b.cache.deleteTags([red, blue]), 3)
      assert.strictEqual(b.cache.metrics().deletes, 3)
      assert.deepStrictEqual(
        ["one", "two", "three", "four"].map((name) => a.cache.peek(name)),
        [undefined, undefined, undefined, 4]
      )
    })
  )

  it.effect("meets no other with another prefix", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const { backend } = yield* fleet.join("a")
      const cacheWith = (prefix: string) =>
        Cache.make({ prefix }).pipe(Effect.provideService(CacheBackend.CacheBackend, backend))
      const [one, other] = [yield* cacheWith("shop"), yield* cacheWith("shop:eu")]
      yield* one.set("k", 1, { tags: [red] })
      yield* other.set("k", 2, { tags: [red] })
      assert.strictEqual(yield* other.deleteTags([red]), 1)
      assert.deepStrictEqual([yield* one.get("k"), yield* other.get("k")], [1, undefined])
    })
  )

  it.effect("gives an entry the tags of its entity and of the call, however it is written", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const { cache } = yield* join(fleet, "a")
      const accounts = cache.entity(Accounts)
      const call = { tags: [blue] }
      const writes: ReadonlyArray<readonly [name: string, write: Effect.Effect<unknown, unknown>]> = [
        ["set", accounts.set("a:1", 1, call)],
        ["setMany", accounts.setMany([["a:1", 1]], call)],
        ["getOrLoad", accounts.getOrLoad("a:1", Effect.succeed(1), call)],
        [
          "getManyOrLoad",
          accounts.getManyOrLoad(["a:1"], (ids) => Effect.succeed(ids.map((id) => [id, 1] as const)), call)
        ],
        ["refresh", accounts.refresh("a:1", Effect.succeed(1), call)],
        ["lookup", accounts.lookup("a:1", Effect.succeed(1), call)]
      ]
      for (const tag of [Tag.of("account", "a:1"), blue]) {
        for (const [name, write] of writes) {
          yield* Effect.orDie(write)
          assert.strictEqual(yield* cache.deleteTags([tag]), 1, name)
          assert.isUndefined(yield* accounts.get("a:1"))
        }
      }
      yield* accounts.set("a:1", 1)
      assert.strictEqual(yield* cache.deleteTags([blue]), 0)
    })
  )

  it.effect("fails, and does not die, over an id that cannot be a tag", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const { cache } = yield* join(fleet, "a")
      const accounts = cache.entity({ ...Accounts, tags: () => [Tag.of("account", "")] })
      const reasons = yield* Effect.all([
        Effect.flip(accounts.set("a", 1)),
        Effect.flip(accounts.setMany([["a", 1]])),
        Effect.flip(accounts.getOrLoad("a", Effect.succeed(1))),
        Effect.flip(accounts.refresh("a", Effect.succeed(1)))
      ])
      for (const { reason } of reasons) assert.strictEqual(reason, "InvalidKey")
    })
  )

  it.effect("lives by the TTL of each of many values", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const { cache } = yield* join(fleet, "a")
      const accounts = cache.entity({ ...Accounts, policy: { ttl: (millis: number) => Duration.millis(millis) } })
      const all = yield* accounts.setMany([
        ["brief", 100],
        ["long", 10_000]
      ])
      assert.strictEqual(all, 2)
      yield* TestClock.adjust(200)
      assert.deepStrictEqual([...(yield* accounts.getMany(["brief", "long"])).values()], [undefined, 10_000])
    })
  )
})

describe("a load whose tag is deleted meanwhile", () => {
  for (const [name, deleter] of [
    ["by its own process", "a"],
    ["by another", "b"]
  ] as const) {
    it.effect(`is not stored, and who comes after begins a new one: ${name}`, () =>
      Effect.gen(function* () {
        const fleet = yield* makeFleet
        const processes = { a: yield* join(fleet, "a"), b: yield* join(fleet, "b") }
        const { cache } = processes.a
        const answer = yield* Deferred.make<string>()
        const load = (value: Effect.Effect<string>) => cache.getOrLoad("k", value, { tags: [red] })
        const old = yield* Effect.forkChild(load(Deferred.await(answer)), { startImmediately: true })
        // only the announcement tells a process of what others do
        if (deleter === "a") fleet.bus.setFaults({ delay: "100 millis" })
        assert.strictEqual(yield* processes[deleter].cache.deleteTags([red]), 0)
        assert.strictEqual(yield* load(Effect.succeed("new")), "new")
        yield* Deferred.succeed(answer, "old")
        assert.strictEqual(yield* Fiber.join(old), "old")
        assert.strictEqual(yield* cache.get("k"), "new")
        assert.strictEqual(yield* cache.get("k", { fresh: true }), "new")
      })
    )
  }
})
