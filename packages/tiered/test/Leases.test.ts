import { assert, describe, it } from "@effect/vitest"
import { type CacheBackend, Codec, type Invalidation, type Lease, Snapshot } from "@tiercache/core"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { find, get, makeFleet, peek, set, unavailable } from "./support.ts"

type Backend = CacheBackend.CacheBackend["Service"]

const HOUR = 3_600_000

const take = ({ leases }: Backend, keys: ReadonlyArray<string>, options?: Partial<Lease.TakeOptions>) =>
  leases.take(keys, Codec.msgpack, { token: leases.token(), millis: HOUR, when: "stale", ...options })

/** Takes the leases of keys that nobody else has; the token. */
const grant = Effect.fnUntraced(function* (
  backend: Backend,
  keys: ReadonlyArray<string>,
  when: "stale" | "always" = "stale"
) {
  const token = backend.leases.token()
  for (const { _tag } of yield* take(backend, keys, { token, when })) assert.strictEqual(_tag, "Granted")
  return token
})

const loaded = (key: string, value: unknown, ttlMillis = HOUR): Lease.Loaded<unknown> => ({
  key,
  snapshot: value === undefined ? Snapshot.absent : Snapshot.make(Codec.msgpack, value, key),
  payload: value === undefined ? new Uint8Array() : Codec.msgpack.encode(value, key),
  ttlMillis,
  graceMillis: 0
})

const fill = ({ leases }: Backend, token: string, values: Record<string, unknown>, push?: boolean) =>
  leases.fill(
    Object.entries(values).map(([key, value]) => loaded(key, value)),
    { token, push }
  )

/** What L1 holds, whether or not it is fresh. */
const held = (backend: Backend, key: string) => backend.peekEntry(key, Codec.msgpack)

const statsOf = (backend: Backend) => backend.stats().coherence ?? assert.fail("a tiered backend has them")

const withLeases = (l2: Backend, leases: Partial<Lease.Leases>): Backend => ({
  ...l2,
  leases: { ...l2.leases, ...leases }
})

describe("what was loaded", () => {
  it.effect("is in L1 when it is acknowledged, and its announcement leaves it there", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      fleet.bus.setFaults({ delay: "100 millis" })
      yield* set(a.backend, "k", "old")
      const token = yield* grant(a.backend, ["k", "absent"], "always")
      assert.deepStrictEqual(yield* fill(a.backend, token, { k: "new", absent: undefined }), [true, true])
      for (const pause of ["0 millis", "200 millis"] as const) {
        yield* TestClock.adjust(pause)
        assert.deepStrictEqual(yield* find(a.backend, "k"), ["new", "l1"])
        assert.deepStrictEqual(yield* find(a.backend, "absent"), [undefined, "l1"])
      }
    })
  )

  it.effect("does not live longer in L1 than in L2", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a", {}, (l2) =>
        withLeases(l2, {
          fill: (values, options) => Effect.delay(l2.leases.fill(values, options), "2 seconds")
        })
      )
      const token = yield* grant(a.backend, ["k"])
      const values = [{ ...loaded("k", "v", 10_000), graceMillis: 5000 }]
      const filling = yield* Effect.forkChild(a.backend.leases.fill(values, { token }), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(filling), [true])
      assert.deepInclude(held(a.backend, "k"), { freshUntil: 10_000, goneAfter: 15_000, tier: "l1" })
      assert.deepInclude(yield* a.backend.get("k", Codec.msgpack, { fresh: true }), {
        freshUntil: 12_000,
        goneAfter: 17_000,
        tier: "l2"
      })
    })
  )

  it.effect("reaches neither L1 nor L2 if the key was deleted elsewhere since the lease was taken", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      const token = yield* grant(a.backend, ["k", "other"])
      yield* b.backend.delete("k")
      assert.deepStrictEqual(yield* fill(a.backend, token, { k: "late", other: "v" }), [false, true])
      assert.isUndefined(held(a.backend, "k"))
      assert.strictEqual(peek(a.backend, "other"), "v")
      for (const { backend } of [a, b]) assert.isUndefined(yield* get(backend, "k"))
    })
  )

  it.effect("does not reach L1 if the key is deleted elsewhere before L2's answer arrives", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const answer = yield* Deferred.make<void>()
      const a = yield* fleet.join("a", {}, (l2) =>
        withLeases(l2, {
          fill: (values, options) => Effect.tap(l2.leases.fill(values, options), () => Deferred.await(answer))
        })
      )
      const b = yield* fleet.join("b")
      const token = yield* grant(a.backend, ["k", "other"])
      const filling = yield* Effect.forkChild(fill(a.backend, token, { k: "late", other: "v" }), {
        startImmediately: true
      })
      assert.isTrue(yield* b.backend.delete("k"))
      yield* Deferred.succeed(answer, undefined)
      assert.deepStrictEqual(yield* Fiber.join(filling), [true, true], "it was stored, and then deleted")
      assert.isUndefined(held(a.backend, "k"))
      assert.strictEqual(peek(a.backend, "other"), "v")
      assert.isUndefined(yield* get(a.backend, "k"))
    })
  )

  it.effect("is not deleted if nobody knows whether it was stored, and leaves L1", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a", {}, (l2) =>
        withLeases(l2, { fill: (values, options) => Effect.andThen(l2.leases.fill(values, options), unavailable) })
      )
      yield* set(a.backend, "k", "old")
      const token = yield* grant(a.backend, ["k"], "always")
      assert.strictEqual((yield* Effect.flip(fill(a.backend, token, { k: "loaded" }))).reason, "Unavailable")
      assert.isUndefined(held(a.backend, "k"))
      assert.strictEqual(statsOf(a.backend).unacknowledged, 0)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* find(a.backend, "k"), ["loaded", "l2"])
    })
  )

  it.effect("replaces what the L1 of others holds, or removes it", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      for (const [push, left] of [
        [true, "new"],
        [false, undefined]
      ] as const) {
        yield* set(a.backend, "k", "old")
        yield* get(b.backend, "k")
        const token = yield* grant(a.backend, ["k"], "always")
        assert.strictEqual(peek(b.backend, "k"), "old", "a lease changes nothing")
        yield* fill(a.backend, token, { k: "new" }, push)
        assert.strictEqual(peek(b.backend, "k"), left)
        yield* a.backend.delete("k")
      }
    })
  )

  it.effect("as an absence removes a value from the L1 of others, although it is pushed", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      yield* set(a.backend, "k", "old")
      yield* get(b.backend, "k")
      const token = yield* grant(a.backend, ["k"], "always")
      yield* fill(a.backend, token, { k: undefined }, true)
      assert.isUndefined(held(b.backend, "k"))
      assert.deepStrictEqual(yield* find(b.backend, "k"), [undefined, "l2"])
    })
  )
})

describe("asking for a lease", () => {
  it.effect("finds what is fresh in L1 without asking L2, and asks for the rest once", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const asked: Array<ReadonlyArray<string>> = []
      const a = yield* fleet.join("a", {}, (l2) =>
        withLeases(l2, {
          take: (keys, codec, options) => {
            asked.push(keys)
            return l2.leases.take(keys, codec, options)
          }
        })
      )
      yield* set(a.backend, "k", "v")
      const [only] = yield* take(a.backend, ["k"])
      assert.deepInclude(only?._tag === "Hit" ? only.entry : undefined, { value: "v", tier: "l1" })
      assert.deepStrictEqual(asked, [])
      const leases = yield* take(a.backend, ["missing", "k", "missing"])
      assert.deepStrictEqual(
        leases.map(({ _tag }) => _tag),
        ["Granted", "Hit", "Granted"]
      )
      yield* take(a.backend, ["k"], { when: "always" })
      assert.deepStrictEqual(asked, [["missing"], ["k"]])
    })
  )

  it.effect("keeps in L1 what L2 has: hits, and stale entries for those who may be served them", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      yield* set(a.backend, "stale", "old", { ttl: "1 second", grace: "1 hour" })
      yield* TestClock.adjust("1 second")
      yield* set(a.backend, "fresh", "v")
      const [hit, granted] = yield* take(b.backend, ["fresh", "stale"])
      assert.deepInclude(hit?._tag === "Hit" ? hit.entry : undefined, { value: "v", tier: "l2" })
      assert.deepInclude(granted?._tag === "Granted" ? granted.previous : undefined, { value: "old", tier: "l2" })
      assert.deepStrictEqual(yield* find(b.backend, "fresh"), ["v", "l1"])
      assert.isUndefined(peek(b.backend, "stale"))
      assert.deepInclude(held(b.backend, "stale"), { value: "old", tier: "l1" })
      yield* a.backend.delete("stale")
      assert.isUndefined(held(b.backend, "stale"))
    })
  )

  it.effect("keeps nothing in L1 that a message has overtaken", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const answer = yield* Deferred.make<void>()
      const a = yield* fleet.join("a", {}, (l2) =>
        withLeases(l2, {
          take: (keys, codec, options) => Effect.tap(l2.leases.take(keys, codec, options), () => Deferred.await(answer))
        })
      )
      const b = yield* fleet.join("b")
      yield* set(b.backend, "k", "old")
      const taking = yield* Effect.forkChild(take(a.backend, ["k"]), { startImmediately: true })
      yield* set(b.backend, "k", "new")
      yield* Deferred.succeed(answer, undefined)
      const [lease] = yield* Fiber.join(taking)
      assert.deepInclude(lease?._tag === "Hit" ? lease.entry : undefined, { value: "old" })
      assert.isUndefined(held(a.backend, "k"))
      assert.strictEqual(yield* get(a.backend, "k"), "new")
      assert.deepInclude(statsOf(a.backend), { refusedFills: 1, inFlight: 0 })
    })
  )

  it.effect("leaves nothing behind when it fails or is given up", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const down = yield* fleet.join("down", {}, (l2) => withLeases(l2, { take: () => unavailable }))
      const slow = yield* fleet.join("slow", {}, (l2) => withLeases(l2, { take: () => Effect.never }))
      assert.strictEqual((yield* Effect.flip(take(down.backend, ["k"]))).reason, "Unavailable")
      yield* Fiber.interrupt(yield* Effect.forkChild(take(slow.backend, ["k"]), { startImmediately: true }))
      for (const { backend } of [down, slow]) assert.strictEqual(statsOf(backend).inFlight, 0)
    })
  )
})

describe("who listens", () => {
  it.effect("hears of a write when L1 has been corrected", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      yield* set(a.backend, "k", "old")
      yield* get(b.backend, "k")
      const found: Array<unknown> = []
      yield* b.backend.listen({
        onMessage: ({ kind }) => found.push([kind, peek(b.backend, "k")]),
        onConnected: () => {},
        onDisconnected: () => {}
      })
      yield* set(a.backend, "k", "new")
      assert.deepStrictEqual(found, [["set", undefined]])
    })
  )

  it.effect("hears of the end of a lease, which leaves L1 as it was", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const a = yield* fleet.join("a")
      const b = yield* fleet.join("b")
      yield* set(a.backend, "k", "v")
      yield* get(b.backend, "k")
      const kinds: Array<Invalidation.Kind> = []
      yield* b.backend.listen({
        onMessage: ({ kind }) => kinds.push(kind),
        onConnected: () => {},
        onDisconnected: () => {}
      })
      for (const options of [{}, { failedForMillis: 0 }]) {
        const token = yield* grant(a.backend, ["k"], "always")
        yield* take(b.backend, ["k"], { when: "always" })
        yield* a.backend.leases.release(["k"], token, options)
      }
      assert.deepStrictEqual(kinds, ["released", "failed"])
      for (const { backend } of [a, b]) assert.deepStrictEqual(yield* find(backend, "k"), ["v", "l1"])
    })
  )

  it.effect("is told the same by the tokens of no two caches", () =>
    Effect.gen(function* () {
      const fleet = yield* makeFleet
      const [a, b] = [yield* fleet.join("a"), yield* fleet.join("b")]
      const tokens = [a, b].flatMap(({ backend }) => [backend.leases.token(), backend.leases.token()])
      assert.strictEqual(new Set(tokens).size, 4)
    })
  )
})
