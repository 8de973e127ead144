/**
 * What leases and the other operations on their keys mean for each other, and leases of many keys.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as Codec from "../../Codec.ts"
import { describe, fill, grant, load, loaded, LONG_MILLIS, look, storeStale } from "./Loading.ts"
import { LONG, SHORT, store, type Subject, type Test, valueOf } from "./Subject.ts"

/** Whatever writes or removes a key, and what is there afterwards. */
const VOIDING: ReadonlyArray<
  readonly [name: string, body: (subject: Subject, key: string) => Effect.Effect<unknown, unknown>, left: unknown]
> = [
  ["a set", (subject, key) => store(subject, key, "other"), "other"],
  [
    "a set where nothing is",
    ({ backend }, key) => backend.set(key, Codec.msgpack, "other", { ttl: LONG, only: "absent" }),
    "other"
  ],
  ["a setMany", ({ backend }, key) => backend.setMany([[key, "other"]], Codec.msgpack, { ttl: LONG }), "other"],
  ["a delete", ({ backend }, key) => backend.delete(key), undefined],
  ["a deleteMany", ({ backend }, key) => backend.deleteMany([key]), undefined],
  ["a deleted pattern", (subject) => subject.backend.deletePattern(subject.pattern("*")), undefined],
  ["another load", (subject, key) => Effect.andThen(subject.backend.delete(key), load(subject, key, "other")), "other"]
]

export const register = (test: Test): void => {
  const leased = (name: string, body: Parameters<Test>[1]) => test(name, body, "leases")

  leased(
    "a lease without an entry is there for nobody, and nobody who looks voids it",
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      const key = subject.key("a")
      const token = yield* grant(subject, [key])
      assert.isUndefined(yield* backend.get(key, Codec.msgpack))
      assert.deepStrictEqual(yield* backend.getMany([key], Codec.msgpack), [undefined])
      assert.isUndefined(backend.peek(key, Codec.msgpack))
      assert.isUndefined(backend.peekEntry(key, Codec.msgpack))
      assert.isFalse(yield* backend.has(key))
      assert.isUndefined(yield* backend.ttl(key))
      if (!backend.unsupported.has("expire")) assert.isFalse(yield* backend.expire(key, LONG))
      assert.isFalse(yield* backend.set(key, Codec.msgpack, "refused", { ttl: LONG, only: "present" }))
      assert.isTrue(yield* fill(subject, key, token, "loaded"))
    })
  )

  leased(
    "a lease without an entry is not counted by deletes",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* grant(subject, [key("a"), key("b"), key("c")])
      yield* store(subject, key("there"), 1)
      assert.isFalse(yield* backend.delete(key("a")))
      assert.strictEqual(yield* backend.deleteMany([key("b"), key("there")]), 1)
      assert.strictEqual(yield* backend.deletePattern(subject.pattern("*")), 0)
    })
  )

  leased(
    "an entry that is gone is not counted by deletes, though a lease keeps its key",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const keys = [key("a"), key("b"), key("c")]
      for (const key of keys) yield* backend.set(key, Codec.msgpack, 1, { ttl: SHORT })
      yield* grant(subject, keys, { when: "always" })
      yield* subject.elapse
      assert.isFalse(yield* backend.delete(key("a")))
      assert.strictEqual(yield* backend.deleteMany([key("b")]), 0)
      assert.strictEqual(yield* backend.deletePattern(subject.pattern("*")), 0)
    })
  )

  leased(
    "counting begins from 0 where there is only a lease, and voids it",
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      if (backend.unsupported.has("increment")) return
      const key = subject.key("a")
      const token = yield* grant(subject, [key])
      assert.strictEqual(yield* backend.increment(key, { ttl: LONG }), 1)
      assert.isFalse(yield* fill(subject, key, token, "late"))
      const refresh = yield* grant(subject, [key], { when: "always" })
      assert.strictEqual(yield* backend.increment(key, { ttl: LONG }), 2)
      assert.isFalse(yield* fill(subject, key, refresh, "late"))
      assert.strictEqual(yield* valueOf(subject, key), 2)
    })
  )

  for (const [name, write, left] of VOIDING) {
    for (const previous of ["nothing", "a stale value", "a fresh value"] as const) {
      leased(
        `${name} voids a lease over ${previous}`,
        Effect.fnUntraced(function* (subject) {
          const { leases } = subject.backend
          const key = subject.key("a")
          if (previous === "a stale value") yield* storeStale(subject, [key], "stale")
          if (previous === "a fresh value") yield* store(subject, key, "fresh")
          const token = yield* grant(subject, [key], { when: "always" })
          const isRefused = previous === "a fresh value" && name === "a set where nothing is"
          yield* Effect.orDie(write(subject, key))
          if (!isRefused) assert.deepStrictEqual(yield* leases.renew([key], token, LONG_MILLIS), [false])
          yield* leases.release([key], isRefused ? "no token" : token, { failedForMillis: LONG_MILLIS })
          assert.strictEqual(yield* fill(subject, key, token, "late"), isRefused)
          assert.strictEqual(yield* valueOf(subject, key), isRefused ? "late" : left)
          assert.deepStrictEqual(yield* look(subject, key), [
            left === undefined ? "Granted" : "Hit",
            isRefused ? "late" : left
          ])
        })
      )
    }
  }

  leased(
    "a new TTL leaves a lease alone",
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      if (backend.unsupported.has("expire")) return
      const key = subject.key("a")
      yield* store(subject, key, "fresh")
      const token = yield* grant(subject, [key], { when: "always" })
      assert.isTrue(yield* backend.expire(key, "2 hours"))
      assert.deepStrictEqual(yield* look(subject, key, { when: "always" }), ["Held", "fresh"])
      assert.isTrue(yield* fill(subject, key, token, "refreshed"))
    })
  )

  leased(
    "many keys are answered for in their order",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const { leases } = backend
      yield* storeStale(subject, [key("stale")], "stale")
      yield* store(subject, key("fresh"), "fresh")
      yield* load(subject, key("absent"), undefined)
      const other = yield* grant(subject, [key("held"), key("failed")])
      yield* leases.release([key("failed")], other, { failedForMillis: LONG_MILLIS })
      const keys = ["missing", "fresh", "held", "stale", "failed", "absent", "missing too"].map((name) => key(name))
      const token = leases.token()
      const found = yield* leases.take(keys, Codec.msgpack, { token, millis: LONG_MILLIS, when: "stale" })
      assert.deepStrictEqual(found.map(describe), [
        ["Granted", undefined],
        ["Hit", "fresh"],
        ["Held", undefined],
        ["Granted", "stale"],
        ["Failed", undefined],
        ["Hit", undefined],
        ["Granted", undefined]
      ])
      const filled = yield* leases.fill(
        keys.map((key) => loaded(key, `loaded ${key}`)),
        { token }
      )
      assert.deepStrictEqual(filled, [true, false, false, true, false, false, true])
      assert.deepStrictEqual(
        (yield* backend.getMany(keys, Codec.msgpack)).map((entry) => entry?.value),
        [`loaded ${keys[0]}`, "fresh", undefined, `loaded ${keys[3]}`, undefined, undefined, `loaded ${keys[6]}`]
      )
    })
  )

  leased(
    "hundreds of keys are one load",
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      const keys = Array.from({ length: 700 }, (_, index) => subject.key("many", `${index}`))
      const token = yield* grant(subject, keys)
      assert.isTrue((yield* backend.leases.renew(keys, token, LONG_MILLIS)).every(Boolean))
      yield* backend.leases.release(keys.slice(0, 350), token)
      const filled = yield* backend.leases.fill(
        keys.map((key, index) => loaded(key, index)),
        { token }
      )
      assert.deepStrictEqual(
        filled,
        keys.map((_, index) => index >= 350)
      )
      assert.deepStrictEqual(
        (yield* backend.getMany(keys, Codec.msgpack)).map((entry) => entry?.value),
        keys.map((_, index) => (index >= 350 ? index : undefined))
      )
    })
  )

  leased(
    "no keys are no work",
    Effect.fnUntraced(function* ({ backend }) {
      const { leases } = backend
      const token = leases.token()
      assert.deepStrictEqual(yield* leases.take([], Codec.msgpack, { token, millis: LONG_MILLIS, when: "stale" }), [])
      assert.deepStrictEqual(yield* leases.fill([], { token }), [])
      assert.deepStrictEqual(yield* leases.renew([], token, LONG_MILLIS), [])
      yield* leases.release([], token)
    })
  )
}
