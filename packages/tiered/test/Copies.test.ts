import { assert, describe, it } from "@effect/vitest"
import { type CacheBackend, type CacheError, Codec, Snapshot } from "@tiercache/core"
import { Duration, Effect, Random } from "effect"
import { TestClock } from "effect/testing"
import { find, get, makeFleet, peek, set, unavailable } from "./support.ts"

type Backend = CacheBackend.CacheBackend["Service"]

/** What L1 holds, whether or not it is fresh. */
const held = (backend: Backend, key: string) => backend.peekEntry(key, Codec.msgpack)

/** Stores that there is no value, for an hour. */
const storeAbsence = Effect.fnUntraced(function* ({ leases }: Backend, key: string) {
  const token = leases.token()
  yield* leases.take([key], Codec.msgpack, { token, millis: 1000, when: "always" })
  const absence = { key, snapshot: Snapshot.absent, payload: new Uint8Array(), ttlMillis: 3_600_000, graceMillis: 0 }
  assert.deepStrictEqual(yield* leases.fill([absence], { token }), [true])
})

const GRACED = { ttl: "10 seconds", grace: "10 seconds" } as const

describe("a stale copy", () => {
  it.effect("is there for those who ask for it, until it is gone, and all others ask L2", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      yield* set(a.backend, "k", "v", GRACED)
      yield* get(b.backend, "k")
      for (const { backend } of [a, b]) assert.deepStrictEqual(yield* find(backend, "k"), ["v", "l1"])
      yield* TestClock.adjust("10 seconds")
      for (const { backend } of [a, b]) {
        assert.isUndefined(peek(backend, "k"))
        const copy = { value: "v", tier: "l1", freshUntil: 10_000, goneAfter: 20_000 } as const
        assert.deepInclude(held(backend, "k"), copy)
        assert.deepStrictEqual(yield* find(backend, "k"), ["v", "l2"])
        assert.deepStrictEqual((yield* backend.getMany(["k"], Codec.msgpack))[0]?.tier, "l2")
        assert.isFalse(yield* backend.has("k"))
        assert.deepInclude(held(backend, "k"), copy, "it is kept")
      }
      yield* TestClock.adjust("10 seconds")
      for (const { backend } of [a, b]) {
        assert.isUndefined(held(backend, "k"))
        assert.isUndefined(yield* get(backend, "k"))
      }
    })
  )

  it.effect("is removed by a write elsewhere as a fresh one is", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      yield* set(a.backend, "k", "v", GRACED)
      yield* get(b.backend, "k")
      yield* TestClock.adjust("10 seconds")
      yield* a.backend.delete("k")
      for (const { backend } of [a, b]) assert.isUndefined(held(backend, "k"))
    })
  )

  it.effect("is not served while L1 is not trusted, unless that is allowed", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const strict = yield* fleet.join("strict")
      const lax = yield* fleet.join("lax", { whileDistrusted: { serveStale: "1 minute" } })
      yield* set(lax.backend, "k", "v", GRACED)
      yield* set(lax.backend, "fresh", "v")
      yield* storeAbsence(lax.backend, "absent")
      yield* TestClock.adjust("10 seconds")
      for (const key of ["k", "fresh", "absent"]) yield* get(strict.backend, key)
      for (const origin of ["strict", "lax"]) fleet.bus.disconnect(origin)
      for (const key of ["k", "fresh", "absent"]) assert.isUndefined(held(strict.backend, key))
      assert.deepInclude(held(lax.backend, "k"), { value: "v", freshUntil: 10_000, isDistrusted: true })
      assert.isUndefined((yield* lax.backend.get("k", Codec.msgpack))?.isDistrusted, "what is stale is asked for")
      assert.deepInclude(yield* lax.backend.get("fresh", Codec.msgpack), { value: "v", tier: "l1", isDistrusted: true })
      const absent = yield* lax.backend.get("absent", Codec.msgpack)
      assert.deepInclude(absent, { value: undefined, tier: "l1", isDistrusted: true })
      assert.isUndefined(peek(lax.backend, "fresh"))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(held(lax.backend, "fresh"))
    })
  )
})

describe("a known absence in L1", () => {
  it.effect("is served without asking L2, to readers of every codec, until something is written", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const other: Codec.Codec<unknown> = Codec.make(
        (value) => Buffer.from(String(value)),
        (bytes) => Buffer.from(bytes).toString()
      )
      let isDown = false
      const a = yield* fleet.join("a", {}, (l2) => ({
        ...l2,
        get: (key, codec) => (isDown ? unavailable : l2.get(key, codec)),
        getMany: (keys, codec) => (isDown ? unavailable : l2.getMany(keys, codec))
      }))
      const b = yield* fleet.join("b")
      yield* storeAbsence(b.backend, "k")
      yield* get(a.backend, "k")
      isDown = true
      for (const codec of [Codec.msgpack, other]) {
        assert.deepInclude(yield* a.backend.get("k", codec), { value: undefined, tier: "l1" })
        assert.deepInclude((yield* a.backend.getMany(["k"], codec))[0], { value: undefined, tier: "l1" })
        assert.isUndefined(a.backend.peek("k", codec))
        assert.deepInclude(a.backend.peekEntry("k", codec), { value: undefined, tier: "l1" })
      }
      assert.isFalse(yield* a.backend.has("k"))
      isDown = false
      yield* set(b.backend, "k", "v", { push: true })
      assert.isUndefined(held(a.backend, "k"), "what is pushed cannot be decoded by it")
      assert.strictEqual(yield* get(a.backend, "k"), "v")
    })
  )
})

describe("jitter", () => {
  const ways = {
    get: (backend, jitter) => Effect.asVoid(backend.get("k", Codec.msgpack, { jitter })),
    getMany: (backend, jitter) => Effect.asVoid(backend.getMany(["k"], Codec.msgpack, { jitter })),
    take: ({ leases }, jitter) =>
      Effect.asVoid(leases.take(["k"], Codec.msgpack, { token: leases.token(), millis: 1000, when: "stale", jitter }))
  } satisfies Record<string, (backend: Backend, jitter: number) => Effect.Effect<void, CacheError.CacheError>>

  for (const [name, read] of Object.entries(ways)) {
    it.effect(`lets a copy be fresh for a shorter time, and never for a longer one: ${name}`, () =>
      Effect.gen(function* () {
        const fleet = yield* makeFleet
        const b = yield* fleet.join("b")
        yield* set(b.backend, "k", "v", { ttl: "50 seconds", grace: "1 hour" })
        yield* TestClock.adjust("10 seconds")
        for (const [jitter, random, freshUntil] of [
          [0, 0.75, 50_000],
          [0.5, 0, 50_000],
          [0.5, 0.75, 35_000],
          [1, 0.75, 20_000]
        ] as const) {
          const a = yield* Effect.provideService(fleet.join(`${jitter} ${random}`), Random.Random, {
            nextDoubleUnsafe: () => random,
            nextIntUnsafe: () => assert.fail("no integer is needed")
          })
          yield* read(a.backend, jitter)
          assert.deepInclude(held(a.backend, "k"), { freshUntil, goneAfter: 50_000 + 3_600_000 })
        }
      })
    )

    it.effect(`is a number from 0 to 1: ${name}`, () =>
      Effect.gen(function* () {
        const fleet = yield* makeFleet
        const a = yield* fleet.join("a")
        for (const jitter of [-0.1, 1.1, NaN, Infinity]) {
          assert.strictEqual((yield* Effect.flip(read(a.backend, jitter))).reason, "InvalidOption")
        }
        assert.strictEqual(a.backend.stats().coherence?.inFlight, 0)
      })
    )
  }

  it.effect("leaves alone what is stale already", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      yield* set(b.backend, "k", "v", GRACED)
      yield* TestClock.adjust("15 seconds")
      yield* a.backend.get("k", Codec.msgpack, { jitter: 1 })
      assert.deepInclude(held(a.backend, "k"), { freshUntil: 10_000, goneAfter: 20_000 })
    })
  )

  it.effect("hides nothing that is fresh in L2", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* Effect.provideService(fleet.join("a"), Random.Random, {
        nextDoubleUnsafe: () => 0.5,
        nextIntUnsafe: () => assert.fail("no integer is needed")
      })
      const b = yield* fleet.join("b")
      yield* set(b.backend, "k", "v", { ttl: "1 minute" })
      yield* a.backend.get("k", Codec.msgpack, { jitter: 1 })
      assert.deepStrictEqual(yield* find(a.backend, "k"), ["v", "l1"])
      yield* TestClock.adjust("30 seconds")
      assert.isUndefined(peek(a.backend, "k"))
      assert.isTrue(yield* a.backend.has("k"))
      assert.deepStrictEqual(yield* a.backend.ttl("k"), Duration.seconds(30))
      assert.deepInclude(yield* a.backend.get("k", Codec.msgpack), { value: "v", freshUntil: 60_000, tier: "l2" })
    })
  )
})

describe("a value", () => {
  for (const [name, write] of Object.entries({
    set: (backend, codec, value) => backend.set("k", codec, value, { ttl: "1 hour" }),
    setMany: (backend, codec, value) => backend.setMany([["k", value]], codec, { ttl: "1 hour" })
  } satisfies Record<
    string,
    (backend: Backend, codec: Codec.Codec<unknown>, value: unknown) => Effect.Effect<unknown, unknown>
  >)) {
    it.effect(`is encoded once, so that both tiers have the same although its caller changes it: ${name}`, () =>
      Effect.gen(function* () {
        const value = { bid: 1 }
        const sent: Array<unknown> = []
        const fleet = yield* makeFleet
        const a = yield* fleet.join("a", {}, (l2) => ({
          ...l2,
          set: (_, codec, theirs, { payload = assert.fail("there is one") }) =>
            Effect.sync(() => {
              value.bid = 2
              sent.push(theirs, codec.decode(payload, "k"))
              return true
            }),
          setMany: ([[, theirs, { payload = assert.fail("there is one") } = {}] = assert.fail("one entry")], codec) =>
            Effect.sync(() => {
              value.bid = 2
              sent.push(theirs, codec.decode(payload, "k"))
              return 1
            })
        }))
        yield* write(a.backend, Codec.msgpack, value)
        assert.deepStrictEqual(sent, [{ bid: 2 }, { bid: 1 }])
        assert.deepStrictEqual(peek(a.backend, "k"), { bid: 1 })
      })
    )
  }
})
