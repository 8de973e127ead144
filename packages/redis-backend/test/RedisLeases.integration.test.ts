import { assert, describe, it, layer } from "@effect/vitest"
import { Codec, Envelope } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Duration, Effect } from "effect"
import {
  fill,
  HOUR,
  loaded,
  setup,
  shown,
  staleNow,
  stored,
  take,
  takeMany,
  wallMillis,
  withServer
} from "./leasing.ts"
import { eventually, get, LONG, makeBackend, makeClient, reasonOf, set, uniqueKey } from "./support.ts"

layer(withServer, { excludeTestServices: true })("leases in Redis", (it) => {
  it.effect("lie in the key alone, as long as they last", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const key = uniqueKey("a")
      const { token } = yield* take(backend, key, { millis: 60_000 })
      const bytes = yield* Effect.promise(() => client.getBuffer(key))
      const envelope = Envelope.decode(bytes ?? Buffer.of())
      assert.deepInclude(envelope, { holds: "nothing", freshUntil: 0, goneAfter: 0, version: 0 })
      assert.deepInclude(envelope?.lease, { token, isAwaited: false })
      assert.approximately(yield* Effect.promise(() => client.pttl(key)), 60_000, 30_000)
      assert.deepStrictEqual(yield* backend.leases.renew([key], token, HOUR), [true])
      assert.approximately(yield* Effect.promise(() => client.pttl(key)), HOUR, 30_000)
      yield* backend.leases.release([key], token)
      assert.strictEqual(yield* Effect.promise(() => client.exists(key)), 0)
    })
  )

  it.effect("leave the entry beside them as it was, byte by byte, with its time in Redis", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const key = uniqueKey("a")
      const every = Uint8Array.from({ length: 256 }, (_, byte) => byte)
      for (const parts of [{ payload: every }, { holds: "absence", payload: Buffer.of() }] as const) {
        const before = stored({ ...staleNow(), ...parts })
        yield* Effect.promise(() => client.set(key, before, "PX", HOUR))
        const { token } = yield* take(backend, key, { millis: 2 * HOUR })
        const leased = Envelope.decode((yield* Effect.promise(() => client.getBuffer(key))) ?? Buffer.of())
        assert.deepStrictEqual({ ...leased, lease: undefined }, { ...Envelope.decode(before) })
        assert.strictEqual(leased?.lease?.token, token)
        assert.approximately(yield* Effect.promise(() => client.pttl(key)), 2 * HOUR, 30_000)
        yield* backend.leases.renew([key], token, 1)
        assert.approximately(yield* Effect.promise(() => client.pttl(key)), HOUR, 30_000)
        yield* backend.leases.renew([key], token, 3 * HOUR)
        assert.approximately(yield* Effect.promise(() => client.pttl(key)), 3 * HOUR, 30_000)
        yield* backend.leases.release([key], token)
        assert.deepStrictEqual(yield* Effect.promise(() => client.getBuffer(key)), before)
        assert.approximately(yield* Effect.promise(() => client.pttl(key)), HOUR, 30_000)
      }
    })
  )

  it.effect("leave a back-off beside the entry, which outlives neither", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [entry, alone] = [uniqueKey("entry"), uniqueKey("alone")]
      yield* Effect.promise(() => client.set(entry, stored(staleNow()), "PX", HOUR))
      const { token } = yield* takeMany(backend, [entry, alone], { millis: 2 * HOUR })
      yield* backend.leases.release([entry, alone], token, { failedForMillis: 60_000 })
      const ttls = yield* Effect.promise(() => Promise.all([client.pttl(entry), client.pttl(alone)]))
      assert.approximately(ttls[0], HOUR, 30_000)
      assert.approximately(ttls[1], 60_000, 30_000)
      const { leases } = yield* takeMany(backend, [entry, alone])
      assert.deepStrictEqual(leases.map(shown), [["Failed", "value"], "Failed"])
    })
  )

  it.effect("carry large values past them, without changing a byte", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const key = uniqueKey("large")
      const payload = Codec.msgpack.encode(
        Uint8Array.from({ length: 3_000_000 }, (_, index) => index % 256),
        key
      )
      const before = stored({ ...staleNow(), payload })
      yield* Effect.promise(() => client.set(key, before, "PX", HOUR))
      const { leases, token } = yield* takeMany(backend, [key])
      const previous = leases[0]?._tag === "Granted" ? leases[0].previous?.value : undefined
      assert.isTrue(previous instanceof Uint8Array && previous.length === 3_000_000 && previous[511] === 255)
      yield* backend.leases.release([key], token)
      const after = yield* Effect.promise(() => client.getBuffer(key))
      assert.isTrue(after !== null && Buffer.compare(after, before) === 0)
      const again = yield* take(backend, key)
      assert.isTrue(yield* fill(backend, key, again.token, previous))
      assert.deepStrictEqual(yield* get(backend, key), previous)
    })
  )

  it.effect("give what is loaded a higher version than what was there, though the clock was set back", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const key = uniqueKey("a")
      const version = Math.floor(wallMillis() + HOUR) * 1000
      yield* Effect.promise(() => client.set(key, stored({ ...staleNow(), version })))
      const { token } = yield* take(backend, key)
      assert.isTrue(yield* fill(backend, key, token, "loaded"))
      assert.strictEqual((yield* backend.get(key, Codec.msgpack))?.version, version + 1)
    })
  )

  it.effect("survive SCRIPT FLUSH at any moment", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const flush = Effect.promise(() => client.script("FLUSH"))
      const [filled, released] = [uniqueKey("filled"), uniqueKey("released")]
      yield* flush
      const { token } = yield* takeMany(backend, [filled, released])
      yield* flush
      assert.deepStrictEqual(yield* backend.leases.renew([filled, released], token, HOUR), [true, true])
      yield* flush
      assert.isTrue(yield* fill(backend, filled, token, "loaded"))
      yield* flush
      yield* backend.leases.release([released], token)
      assert.strictEqual(yield* get(backend, filled), "loaded")
      assert.strictEqual(yield* Effect.promise(() => client.exists(released)), 0)
    })
  )

  it.effect("are void as soon as anything happens to the key, whoever did it", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const others: Readonly<Record<string, (key: string) => Effect.Effect<unknown>>> = {
        set: (key) => Effect.orDie(set(backend, key, "written")),
        delete: (key) => Effect.orDie(backend.delete(key)),
        increment: (key) => Effect.orDie(backend.increment(key, LONG)),
        foreignSet: (key) => Effect.promise(() => client.set(key, "text")),
        foreignDelete: (key) => Effect.promise(() => client.del(key)),
        foreignType: (key) => Effect.promise(() => client.multi().del(key).rpush(key, "a").exec()),
        expiry: (key) => Effect.promise(() => client.pexpire(key, 0)),
        flush: () => Effect.promise(() => client.flushdb())
      }
      for (const [name, happen] of Object.entries(others)) {
        const key = uniqueKey(name)
        const { token } = yield* take(backend, key)
        yield* happen(key)
        const before = yield* Effect.promise(() => client.dump(key))
        assert.deepStrictEqual(yield* backend.leases.renew([key], token, HOUR), [false], name)
        assert.isFalse(yield* fill(backend, key, token, "late"), name)
        yield* backend.leases.release([key], token, { failedForMillis: HOUR })
        assert.strictEqual(yield* Effect.promise(() => client.dump(key)), before, name)
      }
    })
  )

  it.effect("go to the next when their time is over, and are not given back", () =>
    Effect.gen(function* () {
      const { backend } = yield* setup
      const key = uniqueKey("a")
      const first = yield* take(backend, key, { millis: 1 })
      yield* eventually(Effect.map(take(backend, key, { millis: HOUR }), ({ lease }) => lease === "Granted"))
      assert.isFalse(yield* fill(backend, key, first.token, "late"))
      assert.strictEqual((yield* take(backend, key)).lease, "Held")
    })
  )

  it.effect("are over when their time is, though Redis still has the key", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [plain, tagged, stale] = [uniqueKey("plain"), uniqueKey("tagged"), uniqueKey("stale")]
      const token = backend.leases.token()
      const endsAt = wallMillis() - 1000
      const tags = Envelope.encodeTags(["red"])
      const nothing = { freshUntil: 0, goneAfter: 0, version: 0, holds: "nothing" as const, payload: Buffer.of() }
      const kept = { freshUntil: endsAt - 1, goneAfter: endsAt }
      const lease = { token, endsAt, isAwaited: false, tags: new Uint8Array() }
      const entries = [
        [plain, stored({ ...nothing, lease })],
        [tagged, stored({ ...nothing, lease: { ...lease, tags } })],
        [stale, stored({ ...kept, lease })]
      ] as const
      for (const [key, bytes] of entries) {
        yield* Effect.promise(() => client.set(key, Buffer.from(bytes), "PX", HOUR))
        assert.isFalse(yield* fill(backend, key, token, "late"), key)
        assert.deepStrictEqual(yield* backend.leases.renew([key], token, HOUR), [false], key)
      }
    })
  )

  it.effect("name who has them, and for how long", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* setup
      const other = yield* makeBackend({ url })
      const key = uniqueKey("a")
      const { token } = yield* take(backend, key)
      const { leases } = yield* takeMany(other, [key])
      assert.deepInclude(leases[0], { _tag: "Held", token, previous: undefined })
      assert.approximately(leases[0]?._tag === "Held" ? leases[0].millis : 0, HOUR, 30_000)
      assert.isFalse(yield* fill(other, key, other.leases.token(), "not mine"))
      assert.isTrue(yield* fill(backend, key, token, "mine"))
      assert.deepStrictEqual((yield* take(other, key)).lease, ["Hit", "mine"])
    })
  )

  it.effect("are asked for in several commands if there are many keys, and answered in order", () =>
    Effect.gen(function* () {
      const { url } = yield* setup
      const backend = yield* makeBackend({ url, maxKeysPerCommand: 7 })
      const keys = Array.from({ length: 50 }, (_, index) => uniqueKey(`${index}`))
      const even = keys.filter((_, index) => index % 2 === 0)
      yield* backend.setMany(
        even.map((key) => [key, key] as const),
        Codec.msgpack,
        LONG
      )
      const { leases, token } = yield* takeMany(backend, keys)
      assert.deepStrictEqual(
        leases.map(shown),
        keys.map((key, index) => (index % 2 === 0 ? ["Hit", key] : "Granted"))
      )
      const odd = keys.map((_, index) => index % 2 === 1)
      assert.deepStrictEqual(yield* backend.leases.renew(keys, token, HOUR), odd)
      const all = keys.map((key) => loaded(key, "loaded"))
      assert.deepStrictEqual(yield* backend.leases.fill(all, { token }), odd)
      assert.strictEqual((yield* takeMany(backend, keys)).leases.filter(({ _tag }) => _tag === "Hit").length, 50)
    })
  )

  it.effect("are refused for what is no token of a backend, and for no time", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const key = uniqueKey("a")
      for (const token of ["", "é", "mine:1", `${"x".repeat(22)}:`, `${"x".repeat(300)}:1`, "x:1\r\n"]) {
        assert.strictEqual(yield* reasonOf(takeMany(backend, [key], { token })), "InvalidOption", token)
        assert.deepStrictEqual(yield* backend.leases.renew([key], token, HOUR), [false])
        assert.isFalse(yield* fill(backend, key, token, 1))
        yield* backend.leases.release([key], token)
      }
      for (const millis of [0, -1, NaN, Infinity]) {
        assert.strictEqual(yield* reasonOf(takeMany(backend, [key], { millis })), "InvalidOption", `${millis}`)
        const token = backend.leases.token()
        assert.strictEqual(yield* reasonOf(backend.leases.renew([key], token, millis)), "InvalidOption")
        const { fill } = backend.leases
        const wrong = { ...loaded(key, 1), ttlMillis: millis }
        assert.strictEqual(yield* reasonOf(fill([wrong], { token })), "InvalidOption")
      }
      assert.strictEqual(yield* Effect.promise(() => client.exists(key)), 0)
    })
  )
})

describe("a lease that comes too late", () => {
  it.live("is neither taken, filled, renewed nor released", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const client = yield* makeClient(server.url)
      const backend = yield* makeBackend({ url: server.url, commandTimeout: "700 millis", circuitBreaker: false })
      const [free, mine] = [uniqueKey("free"), uniqueKey("mine")]
      const { token } = yield* take(backend, mine)
      // scripts that Redis has to be given in full come twice, and time out before
      const known = uniqueKey("known")
      const { token: early } = yield* take(backend, known)
      yield* backend.leases.renew([known], early, HOUR)
      yield* fill(backend, known, early, 1)
      yield* backend.leases.release([known], early)
      const before = yield* Effect.promise(() => client.getBuffer(mine))
      yield* server.pause
      const reasons = yield* Effect.forEach(
        [
          reasonOf(takeMany(backend, [free])),
          reasonOf(fill(backend, mine, token, "late")),
          reasonOf(backend.leases.renew([mine], token, 2 * HOUR)),
          reasonOf(backend.leases.release([mine], token))
        ],
        (reason) => reason,
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(reasons, ["Timeout", "Timeout", "Timeout", "Timeout"])
      // timers fire up to a millisecond early, and what is in time is executed
      yield* Effect.sleep("20 millis")
      yield* server.resume
      yield* eventually(Effect.map(reasonOf(backend.has(mine)), (reason) => reason === undefined))
      assert.deepStrictEqual(yield* Effect.promise(() => client.getBuffer(mine)), before)
      assert.strictEqual(yield* Effect.promise(() => client.exists(free)), 0)
    })
  )
})

layer(withServer, { excludeTestServices: true })("entries beside leases", (it) => {
  it.effect("are given new TTLs that leave grace and lease alone", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const key = uniqueKey("a")
      yield* backend.set(key, Codec.msgpack, "value", { ttl: "1 hour", grace: "2 hours" })
      assert.approximately(yield* Effect.promise(() => client.pttl(key)), 3 * HOUR, 30_000)
      const { token } = yield* take(backend, key, { when: "always", millis: 5 * HOUR })
      assert.isTrue(yield* backend.expire(key, "1 minute"))
      const entry = yield* backend.get(key, Codec.msgpack)
      assert.approximately((entry?.goneAfter ?? 0) - (entry?.freshUntil ?? 0), 2 * HOUR, 1)
      assert.approximately(yield* Effect.promise(() => client.pttl(key)), 5 * HOUR, 30_000)
      yield* backend.leases.release([key], token)
      assert.approximately(yield* Effect.promise(() => client.pttl(key)), 2 * HOUR + 60_000, 30_000)
      assert.isTrue(yield* backend.expire(key, "1 hour"))
      assert.approximately(yield* Effect.promise(() => client.pttl(key)), 3 * HOUR, 30_000)
    })
  )

  it.effect("are counted on, which voids the lease and keeps the TTL", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      for (const isText of [false, true]) {
        const key = uniqueKey("counter")
        yield* backend.increment(key, { by: 41, ttl: "1 hour" })
        if (isText) yield* backend.set(key, Codec.json, 41, { ttl: "1 hour" })
        const { token } = yield* take(backend, key, { when: "always", millis: 5 * HOUR })
        assert.strictEqual(yield* backend.increment(key, { ttl: "3 hours" }), 42)
        assert.strictEqual(
          yield* isText ? backend.get(key, Codec.json).pipe(Effect.map((entry) => entry?.value)) : get(backend, key),
          42
        )
        assert.isFalse(yield* fill(backend, key, token, 0))
        assert.approximately(yield* Effect.promise(() => client.pttl(key)), HOUR, 30_000)
        const left = yield* backend.ttl(key)
        assert.approximately(Duration.toMillis(left ?? 0), HOUR, 30_000)
      }
    })
  )

  it.effect("have the TTL of the value, not of the lease or of the grace", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const key = uniqueKey("a")
      yield* Effect.promise(() => client.set(key, stored(staleNow()), "PX", HOUR))
      assert.isFalse(yield* backend.has(key))
      assert.isUndefined(yield* backend.ttl(key))
      yield* take(backend, key)
      assert.isFalse(yield* backend.has(key))
      assert.isUndefined(yield* backend.ttl(key))
      assert.isTrue(yield* backend.delete(key))
      yield* backend.set(key, Codec.msgpack, 1, { ttl: "1 minute", grace: "1 hour" })
      yield* take(backend, key, { when: "always", millis: 5 * HOUR })
      assert.isTrue(yield* backend.has(key))
      const left = yield* backend.ttl(key)
      assert.approximately(Duration.toMillis(left ?? 0), 30_000, 30_000)
    })
  )
})
