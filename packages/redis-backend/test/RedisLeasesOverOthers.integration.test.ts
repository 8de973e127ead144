import { assert, layer } from "@effect/vitest"
import { Codec, Envelope } from "@tiercache/core"
import { Effect } from "effect"
import * as fc from "fast-check"
import { fill, HOUR, setup, shown, staleNow, stored, take, takeMany, wallMillis, withServer } from "./leasing.ts"
import { get, LONG, reasonOf, set, uniqueKey } from "./support.ts"

layer(withServer, { excludeTestServices: true })("leases over what others wrote", (it) => {
  it.effect("fail with WrongType over another type, and take nothing then", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [before, list, after] = [uniqueKey("before"), uniqueKey("list"), uniqueKey("after")]
      yield* Effect.promise(() => client.rpush(list, "a"))
      assert.strictEqual(yield* reasonOf(takeMany(backend, [before, list, after])), "WrongType")
      assert.strictEqual(yield* Effect.promise(() => client.exists(before, after)), 0)
      const token = backend.leases.token()
      assert.deepStrictEqual(yield* backend.leases.renew([list], token, HOUR), [false])
      assert.isFalse(yield* fill(backend, list, token, 1))
      yield* backend.leases.release([list], token)
      assert.deepStrictEqual(yield* Effect.promise(() => client.lrange(list, 0, -1)), ["a"])
    })
  )

  it.effect("are granted over bytes that nobody understands, which are counted", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const lease = { endsAt: wallMillis() + HOUR, token: "token", isAwaited: false }
      const whole = stored({ lease })
      const cut = whole.subarray(0, Envelope.HEADER_BYTES + Envelope.LEASE_BYTES + 2)
      const unknown = Buffer.from(whole)
      unknown[2] = 16
      for (const bytes of [Buffer.from("text"), Buffer.alloc(0), whole.subarray(0, 10), cut, unknown]) {
        const key = uniqueKey("unreadable")
        yield* Effect.promise(() => client.set(key, bytes))
        const before = backend.stats().unreadable
        const { lease, token } = yield* take(backend, key)
        assert.strictEqual(lease, "Granted")
        assert.strictEqual(backend.stats().unreadable, before + 1)
        assert.isTrue(yield* fill(backend, key, token, "loaded"))
        assert.strictEqual(yield* get(backend, key), "loaded")
      }
    })
  )

  it.effect("are granted over a value that the codec does not understand, which stays for those who do", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const keys = [uniqueKey("a"), uniqueKey("b"), uniqueKey("c")] as const
      yield* backend.set(keys[0], Codec.msgpack, "good", LONG)
      yield* Effect.promise(() => client.set(keys[1], stored({ payload: Buffer.from([0xd4, 0xff]) })))
      const before = backend.stats().unreadable
      const { leases, token } = yield* takeMany(backend, keys)
      assert.deepStrictEqual(leases.map(shown), [["Hit", "good"], "Granted", "Granted"])
      assert.strictEqual(backend.stats().unreadable, before + 1)
      const other = yield* takeMany(backend, keys)
      assert.deepStrictEqual(other.leases.map(shown), [["Hit", "good"], "Held", "Held"])
      const raw = yield* Effect.promise(() => client.getBuffer(keys[1]))
      assert.deepInclude(Envelope.decode(raw ?? Buffer.of()), { payload: Buffer.from([0xd4, 0xff]) })
      assert.isTrue(yield* fill(backend, keys[1], token, "loaded"))
      assert.strictEqual(yield* get(backend, keys[1]), "loaded")
    })
  )

  it.effect("answer, and never break, whatever bytes there are", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const mine = backend.leases.token()
      const whole = stored({ ...staleNow(), lease: { endsAt: wallMillis() + HOUR, token: mine, isAwaited: true } })
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
        // one of ours that was cut off, or has another byte somewhere
        fc.nat(whole.length).map((length) => whole.subarray(0, length)),
        fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([offset, byte]) => {
          const changed = Buffer.from(whole)
          changed[offset] = byte
          return changed
        })
      )
      const survives = async (bytes: Buffer) => {
        const key = uniqueKey("hostile")
        const during = Effect.gen(function* () {
          const restore = Effect.promise(() => client.set(key, bytes))
          yield* restore
          yield* get(backend, key)
          yield* backend.has(key)
          yield* backend.ttl(key)
          const { lease } = yield* take(backend, key, { token: mine })
          assert.oneOf(typeof lease === "string" ? lease : (lease?.[0] ?? ""), ["Hit", "Granted", "Held", "Failed"])
          yield* restore
          yield* take(backend, key, { when: "always" })
          yield* restore
          yield* backend.leases.renew([key], mine, HOUR)
          yield* backend.leases.release([key], mine, { failedForMillis: 1000 })
          yield* restore
          yield* fill(backend, key, mine, "loaded")
          yield* restore
          yield* Effect.ignore(backend.expire(key, LONG.ttl))
          yield* Effect.ignore(backend.increment(key, LONG))
          yield* backend.set(key, Codec.msgpack, "written", { ...LONG, only: "present" })
          yield* set(backend, key, "written")
          assert.strictEqual(yield* get(backend, key), "written")
          assert.isTrue(yield* backend.delete(key))
        })
        await Effect.runPromise(during)
      }
      yield* Effect.promise(() => fc.assert(fc.asyncProperty(bytes, survives), { numRuns: 150 }))
    })
  )
})
