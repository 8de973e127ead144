/**
 * Leases: who loads what is missing, and what becomes of it.
 */
import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Codec from "../../Codec.ts"
import * as Snapshot from "../../Snapshot.ts"
import { describe, fill, grant, isStale, load, LONG_MILLIS, look, SHORT_MILLIS, storeStale, take } from "./Loading.ts"
import { counter } from "./Scripts.ts"
import { LONG, reasonOf, store, type Test, valueOf } from "./Subject.ts"

const FALSY = [0, -0, false, "", null, NaN] as const

export const register = (test: Test): void => {
  const leased = (name: string, body: Parameters<Test>[1]) => test(name, body, "leases")

  leased(
    "a lease is granted to one, and held for the others",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const token = backend.leases.token()
      assert.deepStrictEqual(yield* take(subject, key("a"), { token }), { _tag: "Granted", previous: undefined })
      for (const when of ["stale", "always"] as const) {
        const held = yield* take(subject, key("a"), { when })
        assert.deepInclude(held, { _tag: "Held", token, previous: undefined })
        assert.isTrue(held._tag === "Held" && held.millis > 0 && held.millis <= LONG_MILLIS)
      }
      assert.isTrue(yield* fill(subject, key("a"), token, "loaded"))
      assert.strictEqual(yield* valueOf(subject, key("a")), "loaded")
    })
  )

  leased(
    "a lease is granted again to who has it, as one does whose answer was lost, and who waits for it is told of its end",
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      const key = subject.key("again")
      const token = backend.leases.token()
      for (const when of ["stale", "always", "stale"] as const) {
        assert.deepStrictEqual(yield* take(subject, key, { token, when }), { _tag: "Granted", previous: undefined })
        assert.deepInclude(yield* take(subject, key), { _tag: "Held", token })
      }
      assert.isTrue(yield* fill(subject, key, token, "loaded"))
      assert.strictEqual(yield* valueOf(subject, key), "loaded")
    })
  )

  leased(
    "of many who ask at once, one is granted the lease",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("contended")
      const attempts = Array.from({ length: 20 }, () => take(subject, key))
      const leases = yield* Effect.all(attempts, { concurrency: "unbounded" })
      assert.strictEqual(leases.filter(({ _tag }) => _tag === "Granted").length, 1)
      assert.strictEqual(leases.filter(({ _tag }) => _tag === "Held").length, 19)
    })
  )

  leased(
    "no two leases have the same token",
    Effect.fnUntraced(function* ({ backend }) {
      const tokens = Array.from({ length: 1000 }, backend.leases.token)
      assert.strictEqual(new Set(tokens).size, tokens.length)
      for (const token of tokens) assert.match(token, /^[\x20-\x7e]{1,255}$/)
    })
  )

  leased(
    "what is loaded is a hit for everybody, and ends the lease",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const token = yield* grant(subject, [key("a")])
      assert.isTrue(yield* fill(subject, key("a"), token, { loaded: [1] }))
      assert.deepStrictEqual(yield* look(subject, key("a")), ["Hit", { loaded: [1] }])
      assert.deepStrictEqual((yield* backend.get(key("a"), Codec.msgpack, { fresh: true }))?.value, { loaded: [1] })
      assert.isTrue(yield* backend.has(key("a")))
      assert.isDefined(yield* backend.ttl(key("a")))
      assert.isFalse(yield* fill(subject, key("a"), token, "again"))
      assert.deepStrictEqual(yield* backend.leases.renew([key("a")], token, LONG_MILLIS), [false])
      assert.deepStrictEqual(yield* look(subject, key("a")), ["Hit", { loaded: [1] }])
    })
  )

  leased(
    "what is loaded lives for its TTL",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* load(subject, key("brief"), "brief", { ttlMillis: SHORT_MILLIS })
      yield* load(subject, key("graced"), "graced", { ttlMillis: SHORT_MILLIS, graceMillis: LONG_MILLIS })
      yield* load(subject, key("long"), "long")
      yield* subject.elapse
      yield* subject.eventually(Effect.map(backend.get(key("brief"), Codec.msgpack), (entry) => entry === undefined))
      yield* subject.eventually(Effect.flatMap(backend.get(key("graced"), Codec.msgpack), isStale))
      assert.strictEqual(yield* valueOf(subject, key("long")), "long")
      yield* subject.eventually(Effect.map(look(subject, key("brief")), ([tag]) => tag === "Granted"))
    })
  )

  leased(
    "falsy values are loaded as any other",
    Effect.fnUntraced(function* (subject) {
      for (const [index, value] of FALSY.entries()) {
        const key = subject.key(`${index}`)
        yield* load(subject, key, value)
        assert.deepStrictEqual(yield* look(subject, key), ["Hit", value])
        assert.deepStrictEqual(yield* look(subject, key, { when: "always" }), ["Granted", value])
        assert.deepStrictEqual(yield* look(subject, key, { when: "always" }), ["Held", value])
        assert.deepStrictEqual(yield* valueOf(subject, key), value)
      }
    })
  )

  leased(
    "large values are loaded as any other",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("large")
      const [first, second] = ["1".repeat(300_000), new Uint8Array(300_000).fill(255)]
      yield* load(subject, key, first)
      const token = yield* grant(subject, [key], { when: "always" })
      assert.deepStrictEqual(yield* valueOf(subject, key), first)
      assert.isTrue(yield* fill(subject, key, token, second))
      assert.deepStrictEqual(yield* look(subject, key), ["Hit", second])
    })
  )

  leased(
    "what is fresh is a hit, unless it is to be loaded in any case",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      yield* store(subject, key, "fresh")
      assert.deepStrictEqual(yield* look(subject, key), ["Hit", "fresh"])
      const token = yield* grant(subject, [key], { when: "always" })
      assert.deepStrictEqual(yield* look(subject, key, { when: "always" }), ["Held", "fresh"])
      assert.deepStrictEqual(yield* look(subject, key), ["Hit", "fresh"], "it is readable meanwhile")
      assert.strictEqual(yield* valueOf(subject, key), "fresh")
      assert.isTrue(yield* subject.backend.has(key))
      assert.isTrue(yield* fill(subject, key, token, "refreshed"))
      assert.strictEqual(yield* valueOf(subject, key), "refreshed")
    })
  )

  leased(
    "what is stale is to be loaded, and readable meanwhile",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      yield* storeStale(subject, [key], "stale")
      const token = yield* grant(subject, [key])
      assert.deepStrictEqual(yield* look(subject, key), ["Held", "stale"])
      assert.strictEqual(yield* valueOf(subject, key), "stale")
      assert.isTrue(yield* fill(subject, key, token, "loaded"))
      assert.deepStrictEqual(yield* look(subject, key), ["Hit", "loaded"])
    })
  )

  leased(
    "a load gives the entry a higher version, a lease does not",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const version = Effect.map(
        backend.get(key("a"), Codec.msgpack, { fresh: true }),
        (entry) => entry?.version ?? NaN
      )
      yield* store(subject, key("a"), 1)
      const before = yield* version
      const token = yield* grant(subject, [key("a")], { when: "always" })
      assert.strictEqual(yield* version, before)
      yield* backend.leases.renew([key("a")], token, LONG_MILLIS)
      assert.strictEqual(yield* version, before)
      yield* fill(subject, key("a"), token, 1)
      // a store without versions says 0
      if (before > 0) assert.isAbove(yield* version, before)
    })
  )

  leased(
    "a value that the codec does not understand is none",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const Price = Schema.Struct({ bid: Schema.Number })
      const codec = Codec.schema(Price)
      const unreadable = backend.stats().unreadable
      yield* store(subject, key("a"), "not a price")
      yield* backend.set(key("b"), codec, { bid: 1 }, { ttl: LONG })
      const token = backend.leases.token()
      const keys = [key("a"), key("b")]
      const found = yield* backend.leases.take(keys, codec, { token, millis: LONG_MILLIS, when: "stale" })
      assert.deepStrictEqual(found.map(describe), [
        ["Granted", undefined],
        ["Hit", { bid: 1 }]
      ])
      assert.isAbove(backend.stats().unreadable, unreadable)
      const snapshot = Snapshot.make(codec, { bid: 2 }, key("a"))
      const payload = codec.encode({ bid: 2 }, key("a"))
      const filled = yield* backend.leases.fill(
        [{ key: key("a"), snapshot, payload, ttlMillis: LONG_MILLIS, graceMillis: 0 }],
        { token }
      )
      assert.deepStrictEqual(filled, [true])
      assert.deepStrictEqual((yield* backend.get(key("a"), codec))?.value, { bid: 2 })
    })
  )

  leased(
    "a script's state and a lease do not share a key",
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      if (backend.unsupported.has("run")) return
      const [state, leased] = [subject.key("state"), subject.key("leased")]
      const count = (key: string) => backend.run(counter, [key], { limit: 5, ttlMillis: LONG_MILLIS })
      yield* count(state)
      for (const when of ["stale", "always"] as const) {
        assert.strictEqual(yield* reasonOf(take(subject, state, { when })), "WrongType")
      }
      const token = yield* grant(subject, [leased])
      assert.strictEqual(yield* reasonOf(count(leased)), "WrongType")
      assert.isTrue(yield* fill(subject, leased, token, "loaded"))
      assert.strictEqual(yield* count(state), 2)
    })
  )

  leased(
    "hostile keys are leased as any other",
    Effect.fnUntraced(function* (subject) {
      for (const id of ["*", "a:b", "{tag}", "\n\u0000", "🚀", "x".repeat(10_000)]) {
        const key = subject.key(id)
        const token = yield* grant(subject, [key])
        assert.strictEqual((yield* look(subject, key))[0], "Held")
        assert.isTrue(yield* fill(subject, key, token, id))
        assert.deepStrictEqual(yield* look(subject, key), ["Hit", id])
      }
    })
  )
}
