/**
 * TTLs: what has expired is gone from everywhere.
 */
import { inspect } from "node:util"
import { assert } from "@effect/vitest"
import { Duration, Effect, Stream } from "effect"
import * as Codec from "../../Codec.ts"
import type * as Ttl from "../../Ttl.ts"
import { LONG, reasonOf, SHORT, store, type Subject, type Test, valueOf } from "./Subject.ts"

const brief = (subject: Subject, key: string, value: unknown = "brief") =>
  subject.backend.set(key, Codec.msgpack, value, { ttl: SHORT })

export const register = (test: Test): void => {
  test(
    "what has expired is found by no operation",
    Effect.fnUntraced(function* (subject) {
      const { backend, eventually } = subject
      const [gone, kept] = [subject.key("gone"), subject.key("kept")]
      yield* store(subject, kept, "kept")
      yield* brief(subject, gone)
      yield* subject.elapse
      yield* eventually(Effect.map(backend.get(gone, Codec.msgpack), (entry) => entry === undefined))
      yield* eventually(Effect.map(backend.has(gone), (has) => !has))
      yield* eventually(Effect.map(backend.ttl(gone), (ttl) => ttl === undefined))
      assert.isUndefined(backend.peek(gone, Codec.msgpack))
      assert.deepStrictEqual(
        (yield* backend.getMany([gone, kept], Codec.msgpack)).map((entry) => entry?.value),
        [undefined, "kept"]
      )
      assert.deepStrictEqual(yield* Stream.runCollect(backend.scan(subject.pattern("*"))), [kept])
      assert.isFalse(yield* backend.delete(gone))
      assert.strictEqual(yield* backend.deleteMany([gone]), 0)
      assert.strictEqual(yield* backend.deletePattern(subject.pattern("*")), 1)
    })
  )

  test(
    "what has expired does not count as an entry for `only`",
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      const key = subject.key("a")
      yield* brief(subject, key)
      yield* subject.elapse
      yield* subject.eventually(backend.set(key, Codec.msgpack, "new", { ttl: SHORT, only: "absent" }))
      yield* subject.elapse
      yield* subject.eventually(Effect.map(backend.has(key), (has) => !has))
      assert.isFalse(yield* backend.set(key, Codec.msgpack, "new", { ttl: LONG, only: "present" }))
      assert.strictEqual(yield* backend.setMany([[key, "new"]], Codec.msgpack, { ttl: LONG, only: "present" }), 0)
      assert.strictEqual(yield* backend.setMany([[key, "new"]], Codec.msgpack, { ttl: LONG, only: "absent" }), 1)
    })
  )

  test(
    "a set gives the entry a new TTL",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      yield* brief(subject, key)
      yield* store(subject, key, "long")
      yield* subject.elapse
      assert.strictEqual(yield* valueOf(subject, key), "long")
      yield* brief(subject, key)
      yield* subject.elapse
      yield* subject.eventually(Effect.map(valueOf(subject, key), (value) => value === undefined))
    })
  )

  test(
    "setMany gives all its entries the TTL",
    Effect.fnUntraced(function* (subject) {
      const keys = [subject.key("a"), subject.key("b")]
      yield* subject.backend.setMany(
        keys.map((key) => [key, 1] as const),
        Codec.msgpack,
        { ttl: SHORT }
      )
      yield* subject.elapse
      for (const key of keys) yield* subject.eventually(Effect.map(subject.backend.has(key), (has) => !has))
    })
  )

  test(
    "ttl is the time left",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      assert.isUndefined(yield* subject.backend.ttl(key))
      yield* store(subject, key, 1)
      const left = yield* subject.backend.ttl(key)
      assert.isDefined(left)
      assert.isTrue(Duration.isLessThanOrEqualTo(left, Duration.fromInputUnsafe(LONG)))
      assert.isTrue(Duration.isGreaterThan(left, Duration.minutes(59)))
    })
  )

  test(
    "expire of nothing is false",
    Effect.fnUntraced(function* (subject) {
      assert.isFalse(yield* subject.backend.expire(subject.key("nothing"), LONG))
      assert.isFalse(yield* subject.backend.has(subject.key("nothing")))
    }),
    "expire"
  )

  test(
    "expire shortens a life",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      yield* store(subject, key, 1)
      yield* valueOf(subject, key)
      assert.isTrue(yield* subject.backend.expire(key, SHORT))
      yield* subject.elapse
      yield* subject.eventually(Effect.map(subject.backend.get(key, Codec.msgpack), (entry) => entry === undefined))
      yield* subject.eventually(Effect.map(subject.backend.has(key), (has) => !has))
      assert.isFalse(yield* subject.backend.expire(key, LONG))
    }),
    "expire"
  )

  test(
    "expire prolongs a life",
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      // on a slow machine a brief entry may be gone before it can be prolonged
      yield* subject.eventually(Effect.andThen(brief(subject, key), subject.backend.expire(key, LONG)))
      yield* subject.elapse
      const entry = yield* subject.backend.get(key, Codec.msgpack)
      assert.strictEqual(entry?.value, "brief")
      const left = yield* subject.backend.ttl(key)
      assert.isDefined(left)
      assert.isTrue(Duration.isGreaterThan(left, Duration.minutes(59)))
    }),
    "expire"
  )

  for (const ttl of [...NOT_TTLS, ...NOT_TYPED_AS_TTLS.filter(isTtl)]) {
    test(
      `refuses the TTL ${describe(ttl)} and writes nothing`,
      Effect.fnUntraced(function* (subject) {
        const { backend } = subject
        const [a, b] = [subject.key("a"), subject.key("b")]
        yield* store(subject, a, "old")
        assert.strictEqual(yield* reasonOf(backend.set(a, Codec.msgpack, "new", { ttl })), "InvalidOption")
        assert.strictEqual(yield* reasonOf(backend.setMany([[b, "new"]], Codec.msgpack, { ttl })), "InvalidOption")
        if (!backend.unsupported.has("expire")) {
          assert.strictEqual(yield* reasonOf(backend.expire(a, ttl)), "InvalidOption")
        }
        if (!backend.unsupported.has("increment")) {
          assert.strictEqual(yield* reasonOf(backend.increment(b, { ttl })), "InvalidOption")
        }
        assert.strictEqual(yield* valueOf(subject, a), "old")
        assert.isFalse(yield* backend.has(b))
      })
    )
  }
}

const NOT_TTLS: ReadonlyArray<Ttl.Input> = [
  "0 seconds",
  "-1 seconds",
  Duration.zero,
  Duration.infinity,
  { seconds: -1 },
  "40000 weeks"
]

/** What only JavaScript can pass. */
const NOT_TYPED_AS_TTLS: ReadonlyArray<unknown> = ["NaN seconds", "soon", 5, 5n, null, "Infinity"]

const isTtl = (value: unknown): value is Ttl.Input => value !== undefined

const describe = (ttl: Ttl.Input): string => (Duration.isDuration(ttl) ? Duration.format(ttl) : inspect(ttl))
