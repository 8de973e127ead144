import { assert, describe, it } from "@effect/vitest"
import { type CacheBackend, CacheError, Codec, KeyPattern, Script } from "@tiercache/core"
import { Clock, Deferred, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { find, get, makeFleet, peek, set, unavailable } from "./support.ts"

/** Does nothing, to nothing. */
const script = Script.make<number, undefined, number>({
  name: "nothing",
  type: "nothing",
  lua: "return 0",
  args: () => [],
  reply: () => 0,
  reducer: () => 0
})

const statsOf = (backend: CacheBackend.CacheBackend["Service"]) => {
  const { coherence } = backend.stats()
  if (coherence === undefined) throw new Error("a tiered backend has statistics of its coherence")
  return coherence
}

describe("a write in another process", () => {
  for (const [name, write] of Object.entries({
    set: (backend) => set(backend, "k", "new"),
    setMany: (backend) => backend.setMany([["k", "new"]], Codec.msgpack, { ttl: "1 hour" }),
    delete: (backend) => backend.delete("k"),
    deleteMany: (backend) => backend.deleteMany(["k", "other"]),
    expire: (backend) => backend.expire("k", "1 minute"),
    deletePattern: (backend) => backend.deletePattern(KeyPattern.ofGlob("k*"))
  } satisfies Record<string, (backend: CacheBackend.CacheBackend["Service"]) => Effect.Effect<unknown, unknown>>)) {
    it.effect(`removes the key from L1: ${name}`, () =>
      Effect.gen(function* () {
        const fleet = yield* makeFleet
        const a = yield* fleet.join("a")
        const b = yield* fleet.join("b")
        yield* set(a.backend, "k", "old")
        yield* get(b.backend, "k")
        assert.strictEqual(peek(b.backend, "k"), "old")
        yield* write(a.backend)
        assert.strictEqual(peek(b.backend, "k"), undefined)
      })
    )
  }

  it.effect("reaches what the store itself has evicted", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      for (const key of ["k:1", "k:2", "other"]) yield* set(b.backend, key, "old")
      yield* fleet.evict(["k:1", "k:2", "other"])
      assert.isFalse(yield* a.backend.delete("k:1"))
      assert.strictEqual(yield* a.backend.deletePattern(KeyPattern.ofGlob("k:*")), 0)
      assert.deepStrictEqual(
        ["k:1", "k:2", "other"].map((key) => peek(b.backend, key)),
        [undefined, undefined, "old"]
      )
    })
  )

  it.effect("leaves L1 with the new value if it is pushed", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const [a, b, c] = [yield* fleet.join("a"), yield* fleet.join("b"), yield* fleet.join("c")]
      yield* set(a.backend, "k", 1, { push: true })
      yield* get(b.backend, "k")
      yield* set(a.backend, "k", 2, { push: true })
      assert.strictEqual(peek(b.backend, "k"), 2)
      assert.strictEqual(peek(c.backend, "k"), undefined, "who does not hold the key takes nothing")
      assert.strictEqual(statsOf(b.backend).updated, 1)
    })
  )

  it.effect("keeps a read that it overtakes out of L1, and gives it to its caller", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const answer = yield* Deferred.make<void>()
      const b = yield* fleet.join("b", {}, (l2) => ({
        ...l2,
        get: (key, codec) => Effect.tap(l2.get(key, codec), () => Deferred.await(answer)),
        getMany: (keys, codec) => Effect.tap(l2.getMany(keys, codec), () => Deferred.await(answer))
      }))
      yield* set(a.backend, "one", "old")
      yield* set(a.backend, "many", "old")
      const one = yield* Effect.forkChild(get(b.backend, "one"), { startImmediately: true })
      const many = yield* Effect.forkChild(b.backend.getMany(["many"], Codec.msgpack), { startImmediately: true })
      yield* set(a.backend, "one", "new")
      yield* a.backend.delete("many")
      yield* Deferred.succeed(answer, undefined)
      assert.strictEqual(yield* Fiber.join(one), "old")
      assert.strictEqual((yield* Fiber.join(many))[0]?.value, "old")
      assert.strictEqual(yield* get(b.backend, "one"), "new")
      assert.strictEqual(yield* get(b.backend, "many"), undefined)
      assert.strictEqual(statsOf(b.backend).refusedFills, 2)
    })
  )
})

describe("an own write", () => {
  it.effect("is in L1 when it is acknowledged, and its announcement leaves it there", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      fleet.bus.setFaults({ delay: "100 millis" })
      yield* set(a.backend, "k", "mine")
      assert.deepStrictEqual(yield* find(a.backend, "k"), ["mine", "l1"])
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(yield* find(a.backend, "k"), ["mine", "l1"])
    })
  )

  it.effect("leaves what L1 has to readers until it is announced", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const sending = yield* Deferred.make<void>()
      const answering = yield* Deferred.make<void>()
      const a = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        set: (key, codec, value, options) =>
          value === "old"
            ? l2.set(key, codec, value, options)
            : Deferred.await(sending).pipe(
                Effect.andThen(l2.set(key, codec, value, options)),
                Effect.tap(() => Deferred.await(answering))
              )
      }))
      yield* set(a.backend, "k", "old")
      const writing = yield* Effect.forkChild(set(a.backend, "k", "new"), { startImmediately: true })
      assert.strictEqual(peek(a.backend, "k"), "old", "it has not been sent")
      yield* Deferred.succeed(sending, undefined)
      assert.isUndefined(peek(a.backend, "k"), "it has been announced, and not been acknowledged")
      yield* Deferred.succeed(answering, undefined)
      yield* Fiber.join(writing)
      assert.strictEqual(peek(a.backend, "k"), "new")
    })
  )

  it.effect("leaves nothing in L1 once a reader may have seen what comes after it", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const answer = yield* Deferred.make<void>()
      const a = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        set: (key, codec, value, options) =>
          Effect.tap(l2.set(key, codec, value, options), () => (value === "old" ? Effect.void : Deferred.await(answer)))
      }))
      yield* set(a.backend, "k", "old")
      fleet.bus.setFaults({ delay: "100 millis" })
      const writing = yield* Effect.forkChild(set(a.backend, "k", "new"), { startImmediately: true })
      assert.strictEqual(peek(a.backend, "k"), "old")
      assert.strictEqual(yield* get(a.backend, "k", { fresh: true }), "new")
      assert.isUndefined(peek(a.backend, "k"))
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(writing)
      assert.strictEqual(yield* get(a.backend, "k"), "new")
    })
  )

  it.effect("is not kept in L1 if a foreign one was announced meanwhile", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const answer = yield* Deferred.make<void>()
      const a = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        set: (key, codec, value, options) =>
          Effect.tap(l2.set(key, codec, value, options), () => Deferred.await(answer))
      }))
      const b = yield* fleet.join("b")
      const write = yield* Effect.forkChild(set(a.backend, "k", "mine"), { startImmediately: true })
      yield* set(b.backend, "k", "theirs")
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(write)
      assert.strictEqual(peek(a.backend, "k"), undefined)
      assert.strictEqual(yield* get(a.backend, "k"), "theirs")
    })
  )

  it.effect("that nobody acknowledged is deleted before L1 is trusted again", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      let isDown = false
      const a = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        delete: (key) => (isDown ? unavailable : l2.delete(key)),
        deleteMany: (keys) => (isDown ? unavailable : l2.deleteMany(keys))
      }))
      const b = yield* fleet.join("b")
      yield* set(b.backend, "k", "old")
      isDown = true
      const error = yield* Effect.flip(a.backend.delete("k"))
      assert.strictEqual(error.reason, "Unavailable")
      assert.strictEqual(statsOf(a.backend).unacknowledged, 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(statsOf(a.backend).state, "distrusted")
      assert.strictEqual(yield* get(b.backend, "k"), "old")
      isDown = false
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* get(b.backend, "k"), undefined)
      const { repeatedDeletes, state, unacknowledged } = statsOf(a.backend)
      assert.deepStrictEqual([repeatedDeletes, state, unacknowledged], [1, "trusted", 0])
    })
  )

  it.effect("whose key may not be deleted does not keep L1 from being used", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        delete: () => unavailable,
        deleteMany: () => Effect.fail(CacheError.make("deleteMany", "Refused", "no permission"))
      }))
      yield* Effect.flip(a.backend.delete("k"))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([statsOf(a.backend).state, statsOf(a.backend).unacknowledged], ["trusted", 0])
    })
  )

  it.effect("that is not to be undone is left alone when its caller gives up", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const never = { set: () => Effect.never, increment: () => Effect.never, expire: () => Effect.never }
      const a = yield* fleet.join("a", {}, (l2) => ({ ...l2, ...never, run: () => Effect.never }))
      const b = yield* fleet.join("b")
      yield* set(b.backend, "claim", "theirs")
      yield* b.backend.increment("counter", { by: 41, ttl: "1 hour" })
      const attempts = [
        set(a.backend, "claim", "mine", { only: "absent" }),
        a.backend.increment("counter", { ttl: "1 hour" }),
        a.backend.expire("claim", "1 minute"),
        a.backend.run(script, ["claim"], undefined)
      ]
      for (const attempt of attempts) {
        const fiber = yield* Effect.forkChild(attempt, { startImmediately: true })
        yield* Fiber.interrupt(fiber)
      }
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* get(b.backend, "claim"), "theirs")
      assert.strictEqual(yield* get(b.backend, "counter"), 41)
    })
  )

  it.effect("that was refused for its input leaves nothing to repeat", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      yield* Effect.flip(set(a.backend, "k", () => 1))
      yield* Effect.flip(set(a.backend, "k", 1, { ttl: "0 seconds" }))
      assert.strictEqual(statsOf(a.backend).unacknowledged, 0)
    })
  )
})

describe("a value that its codec reads but would not write", () => {
  it.effect("is returned, and not kept", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const refuse = () => {
        throw CacheError.make("set", "Encode", "not written any more")
      }
      const codec: Codec.Codec<Date> = Codec.make(refuse, () => new Date(0))
      const b = yield* fleet.join("b")
      yield* set(b.backend, "k", "v")
      const found = yield* a.backend.get("k", codec)
      assert.deepStrictEqual([found?.value, found?.tier], [new Date(0), "l2"])
      assert.strictEqual(a.backend.peek("k", codec), undefined)
      assert.strictEqual(statsOf(a.backend).inFlight, 0)
    })
  )
})

describe("the bus", () => {
  it.effect("silent: L1 is not read later than the bound, and read again when it is heard", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b", { staleness: "2 seconds" })
      yield* set(a.backend, "k", "old")
      yield* get(b.backend, "k")
      fleet.bus.setFaults({ mute: (receiver) => receiver === "b" })
      yield* set(a.backend, "k", "new")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* find(b.backend, "k"), ["old", "l1"], "within the bound")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(peek(b.backend, "k"), undefined)
      assert.deepStrictEqual(yield* find(b.backend, "k"), ["new", "l2"])
      assert.strictEqual(statsOf(b.backend).state, "distrusted")
      fleet.bus.setFaults({})
      yield* TestClock.adjust("1 second")
      assert.strictEqual(statsOf(b.backend).state, "trusted")
      assert.strictEqual(statsOf(b.backend).trustLapses, 1)
    })
  )

  it.effect("disconnected: L1 is not read, and is empty when it is connected again", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      yield* set(a.backend, "k", "old")
      yield* get(b.backend, "k")
      fleet.bus.disconnect("b")
      assert.strictEqual(peek(b.backend, "k"), undefined)
      yield* set(a.backend, "k", "new")
      fleet.bus.reconnect("b")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(statsOf(b.backend).state, "trusted")
      assert.deepStrictEqual(yield* find(b.backend, "k"), ["new", "l2"])
      assert.strictEqual(statsOf(b.backend).epochs.connected, 2)
    })
  )

  it.effect("distrusted: serves what it held for as long as was allowed, marked distrusted", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a", { whileDistrusted: { serveStale: "10 seconds" } })
      yield* set(a.backend, "k", "v")
      yield* TestClock.adjust("1 second")
      fleet.bus.disconnect("a")
      yield* TestClock.adjust("9 seconds")
      const served = yield* a.backend.get("k", Codec.msgpack)
      assert.deepInclude(served, { value: "v", tier: "l1", isDistrusted: true })
      assert.strictEqual(peek(a.backend, "k"), undefined)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* find(a.backend, "k"), ["v", "l2"])
    })
  )

  it.effect("that brings nothing although it counts as connected is connected anew", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      fleet.bus.setFaults({ mute: () => true })
      yield* TestClock.adjust("6 seconds")
      assert.isAbove(statsOf(a.backend).epochs.connected, 1)
    })
  )

  it.effect("saying what is not understood empties L1", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      yield* set(a.backend, "k", "v")
      const stranger = yield* fleet.bus.connect("stranger")
      stranger.publish("flush", [])
      assert.strictEqual(peek(a.backend, "k"), undefined)
      assert.strictEqual(statsOf(a.backend).epochs.flush, 1)
    })
  )
})

describe("wall clocks", () => {
  it.effect("that are set, hours forward and back, change nothing", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let shift = 0
      const shifted: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + shift,
        currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + shift)
      })
      yield* Effect.gen(function* () {
        const fleet = yield* makeFleet
        const a = yield* fleet.join("a")
        const b = yield* fleet.join("b")
        yield* set(a.backend, "k", "v", { ttl: "10 seconds" })
        yield* get(b.backend, "k")
        for (const hours of [1, -1]) {
          shift = hours * 3_600_000
          yield* TestClock.adjust("4 seconds")
          assert.deepStrictEqual(yield* find(b.backend, "k"), ["v", "l1"])
        }
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* get(b.backend, "k"), undefined)
        assert.strictEqual(statsOf(b.backend).trustLapses, 0)
      }).pipe(Effect.provideService(Clock.Clock, shifted))
    })
  )
})

describe("trust", () => {
  it.effect("tells its states as they change", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const seen = yield* a.states.pipe(Stream.take(3), Stream.runCollect, Effect.forkChild({ startImmediately: true }))
      yield* TestClock.adjust("1 second")
      fleet.bus.disconnect("a")
      fleet.bus.reconnect("a")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([...(yield* Fiber.join(seen))], ["trusted", "distrusted", "trusted"])
    })
  )

  it.effect("tells its last state to those who are slow", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const seen: Array<string> = []
      yield* a.states.pipe(
        Stream.runForEach((state) =>
          Effect.andThen(
            Effect.sync(() => seen.push(state)),
            Effect.sleep("10 seconds")
          )
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      fleet.bus.disconnect("a")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen, ["trusted", "distrusted"])
    })
  )

  it.effect("ends with the cache", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const { backend } = yield* Effect.scoped(Effect.tap(fleet.join("a"), ({ backend }) => set(backend, "k", "v")))
      assert.strictEqual(statsOf(backend).state, "closed")
      assert.strictEqual(peek(backend, "k"), undefined)
    })
  )

  it.effect("has a bound within reason", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      for (const staleness of ["0 seconds", "1 millis", "-1 second"] as const) {
        const error = yield* Effect.flip(fleet.join("a", { staleness }))
        assert.strictEqual(error.reason, "InvalidOption")
      }
    })
  )
})
