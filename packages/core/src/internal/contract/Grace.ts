/**
 * Entries that are no longer fresh, and entries that say that there is no value: reads return them and deletes count them; for
 * all else they are not there.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type * as CacheError from "../../CacheError.ts"
import * as Codec from "../../Codec.ts"
import { describe, grant, isStale, load, loaded, LONG_MILLIS, look, SHORT_MILLIS, storeStale } from "./Loading.ts"
import { LONG, reasonOf, SHORT, store, type Subject, type Test, valueOf } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "a value with grace is fresh until its TTL is over, and then stale",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* backend.set(key("a"), Codec.msgpack, "graced", { ttl: LONG, grace: LONG })
      const fresh = yield* backend.get(key("a"), Codec.msgpack)
      assert.isDefined(fresh)
      assert.isFalse(yield* isStale(fresh))
      assert.approximately(fresh.goneAfter - fresh.freshUntil, LONG_MILLIS, 1)
      yield* storeStale(subject, [key("b"), key("c")], "stale")
      for (const entry of [
        yield* backend.get(key("b"), Codec.msgpack),
        ...(yield* backend.getMany([key("b"), key("c")], Codec.msgpack)),
        yield* backend.get(key("c"), Codec.msgpack, { fresh: true })
      ]) {
        assert.strictEqual(entry?.value, "stale")
        assert.isTrue(yield* isStale(entry))
      }
    })
  )

  test(
    "a set has the grace that it is given",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* backend.set(key("a"), Codec.msgpack, "stale", { ttl: SHORT, grace: LONG })
      yield* subject.elapse
      yield* subject.eventually(Effect.flatMap(backend.get(key("a"), Codec.msgpack), isStale))
      assert.strictEqual(yield* valueOf(subject, key("a")), "stale")
      yield* backend.set(key("a"), Codec.msgpack, "ungraced", { ttl: SHORT })
      yield* subject.elapse
      yield* subject.eventually(isGone(subject, key("a")))
    })
  )

  test(
    "what is stale is gone after its grace",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* backend.set(key("a"), Codec.msgpack, "graced", { ttl: SHORT, grace: SHORT })
      yield* backend.setMany([[key("b"), "graced"]], Codec.msgpack, { ttl: SHORT, grace: SHORT })
      yield* subject.elapse
      yield* subject.elapse
      for (const name of ["a", "b"]) yield* subject.eventually(isGone(subject, key(name)))
      assert.isUndefined(backend.peekEntry(key("a"), Codec.msgpack))
      assert.isFalse(yield* backend.delete(key("a")))
    })
  )

  for (const grace of ["0 seconds", "-1 seconds", "40000 weeks"] as const) {
    test(
      `refuses the grace ${grace} and writes nothing`,
      Effect.fnUntraced(function* ({ backend, key }) {
        const options = { ttl: LONG, grace } as const
        assert.strictEqual(yield* reasonOf(backend.set(key("a"), Codec.msgpack, 1, options)), "InvalidOption")
        assert.strictEqual(yield* reasonOf(backend.setMany([[key("a"), 1]], Codec.msgpack, options)), "InvalidOption")
        assert.isFalse(yield* backend.has(key("a")))
      })
    )
  }

  test(
    "a new TTL leaves the grace as it was",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* backend.set(key("graced"), Codec.msgpack, "graced", { ttl: LONG, grace: LONG })
      yield* store(subject, key("ungraced"), "ungraced")
      for (const name of ["graced", "ungraced"]) assert.isTrue(yield* backend.expire(key(name), SHORT))
      yield* subject.elapse
      yield* subject.eventually(isGone(subject, key("ungraced")))
      yield* subject.eventually(Effect.flatMap(backend.get(key("graced"), Codec.msgpack), isStale))
      assert.strictEqual(yield* valueOf(subject, key("graced")), "graced")
    }),
    "expire"
  )

  test(
    "counting leaves the grace as it was",
    Effect.fnUntraced(function* ({ backend, key }) {
      yield* backend.set(key("a"), Codec.msgpack, 1, { ttl: LONG, grace: LONG })
      assert.strictEqual(yield* backend.increment(key("a"), { ttl: SHORT }), 2)
      const entry = yield* backend.get(key("a"), Codec.msgpack, { fresh: true })
      assert.isDefined(entry)
      assert.strictEqual(entry.value, 2)
      assert.approximately(entry.goneAfter - entry.freshUntil, LONG_MILLIS, 1)
    }),
    "increment"
  )

  both(test, "is returned by reads, and peeked at by nobody who wants a fresh value", (kind) =>
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      const [key, other] = [subject.key("a"), subject.key("b")]
      yield* make(kind, subject, [key, other])
      assert.strictEqual((yield* found(subject, key)).value, VALUES[kind])
      const entries = yield* backend.getMany([other, subject.key("missing"), key], Codec.msgpack)
      assert.deepStrictEqual(
        entries.map((entry) => entry && { value: entry.value }),
        [{ value: VALUES[kind] }, undefined, { value: VALUES[kind] }]
      )
      assert.isUndefined(backend.peek(key, Codec.msgpack))
      // a process need not hold what is stored
      const peeked = backend.peekEntry(key, Codec.msgpack)
      if (peeked !== undefined) assert.deepInclude(peeked, { value: VALUES[kind], tier: "l1" })
    })
  )

  both(test, "is there neither for `has` nor for `ttl`", (kind) =>
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      yield* make(kind, subject, [key])
      assert.isFalse(yield* subject.backend.has(key))
      assert.isUndefined(yield* subject.backend.ttl(key))
    })
  )

  both(test, "gets no new TTL", (kind) =>
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      if (backend.unsupported.has("expire")) return
      const key = subject.key("a")
      yield* make(kind, subject, [key])
      assert.isFalse(yield* backend.expire(key, LONG))
      assert.isFalse(yield* backend.has(key))
      assert.strictEqual((yield* found(subject, key)).value, VALUES[kind])
    })
  )

  both(test, "counts as nothing for `only`", (kind) =>
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      // what no script can read it cannot tell to be stale
      if (backend.unsupported.has("leases")) return
      const keys = ["a", "b", "c", "d"].map((name) => subject.key(name))
      const [a = "", b = "", c = "", d = ""] = keys
      yield* make(kind, subject, keys)
      const options = { ttl: LONG, only: "present" } as const
      assert.isFalse(yield* backend.set(a, Codec.msgpack, "new", options))
      assert.strictEqual(yield* backend.setMany([[b, "new"]], Codec.msgpack, options), 0)
      assert.strictEqual((yield* found(subject, a)).value, VALUES[kind], "it was not touched")
      assert.isTrue(yield* backend.set(c, Codec.msgpack, "new", { ttl: LONG, only: "absent" }))
      const absent = backend.setMany(
        [
          [d, "new"],
          [c, "newer"]
        ],
        Codec.msgpack,
        { ttl: LONG, only: "absent" }
      )
      assert.strictEqual(yield* absent, 1)
      for (const key of [c, d]) assert.strictEqual(yield* valueOf(subject, key), "new")
    })
  )

  both(test, "is not counted on", (kind) =>
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      if (backend.unsupported.has("increment")) return
      const key = subject.key("a")
      yield* make(kind, subject, [key], 41)
      assert.strictEqual(yield* backend.increment(key, { ttl: LONG }), 1)
      assert.isTrue(yield* backend.has(key))
      assert.strictEqual(yield* valueOf(subject, key), 1)
    })
  )

  both(test, "is counted by deletes", (kind) =>
    Effect.fnUntraced(function* (subject) {
      const { backend } = subject
      const keys = ["a", "b", "c", "d"].map((name) => subject.key(name))
      const [a = "", b = "", c = "", d = ""] = keys
      yield* make(kind, subject, keys)
      assert.isTrue(yield* backend.delete(a))
      assert.isFalse(yield* backend.delete(a))
      assert.strictEqual(yield* backend.deleteMany([a, b, c]), 2)
      assert.strictEqual(yield* backend.deletePattern(subject.pattern("*")), 1)
      assert.deepStrictEqual(
        yield* backend.getMany([a, b, c, d], Codec.msgpack),
        keys.map(() => undefined)
      )
    })
  )

  both(test, "is overwritten by a set", (kind) =>
    Effect.fnUntraced(function* (subject) {
      const key = subject.key("a")
      yield* make(kind, subject, [key])
      yield* store(subject, key, "new")
      assert.isTrue(yield* subject.backend.has(key))
      assert.deepInclude(yield* found(subject, key), { value: "new" })
      assert.isFalse(yield* isStale(yield* found(subject, key)))
    })
  )

  test(
    "a known absence is a hit until it is stale",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* load(subject, key("fresh"), undefined)
      yield* load(subject, key("brief"), undefined, { ttlMillis: SHORT_MILLIS })
      yield* load(subject, key("graced"), undefined, { ttlMillis: SHORT_MILLIS, graceMillis: LONG_MILLIS })
      yield* subject.elapse
      assert.deepStrictEqual(yield* look(subject, key("fresh")), ["Hit", undefined])
      assert.deepStrictEqual(yield* look(subject, key("fresh"), { when: "always" }), ["Granted", undefined])
      yield* subject.eventually(isGone(subject, key("brief")))
      yield* subject.eventually(Effect.flatMap(backend.get(key("graced"), Codec.msgpack), isStale))
      yield* subject.eventually(Effect.map(look(subject, key("brief")), ([tag]) => tag === "Granted"))
      const token = backend.leases.token()
      const options = { token, millis: LONG_MILLIS, when: "stale" } as const
      const [lease] = yield* backend.leases.take([key("graced")], Codec.msgpack, options)
      assert.deepStrictEqual(describe(lease), ["Granted", undefined])
      assert.isTrue(lease?._tag === "Granted" && lease.previous !== undefined, "it is told from nothing")
    }),
    "leases"
  )

  test(
    "a known absence is one for every codec",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* load(subject, key("a"), undefined)
      const utf8: Codec.Codec<unknown> = Codec.make(
        (text) => Buffer.from(String(text)),
        (bytes) => Buffer.from(bytes).toString()
      )
      for (const codec of [utf8, Codec.msgpack]) {
        assert.deepInclude(yield* backend.get(key("a"), codec), { value: undefined })
        assert.isUndefined(backend.peek(key("a"), codec))
        assert.deepInclude(yield* backend.get(key("a"), codec, { fresh: true }), { value: undefined })
      }
    }),
    "leases"
  )

  test(
    "values and absences replace each other",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const keys = [key("a"), key("b")] as const
      yield* load(subject, key("a"), undefined)
      yield* load(subject, key("b"), "value")
      const token = yield* grant(subject, keys, { when: "always" })
      const filled = yield* backend.leases.fill([loaded(key("a"), "value"), loaded(key("b"), undefined)], { token })
      assert.deepStrictEqual(filled, [true, true])
      assert.deepStrictEqual(
        (yield* backend.getMany(keys, Codec.msgpack)).map((entry) => entry && { value: entry.value }),
        [{ value: "value" }, { value: undefined }]
      )
      assert.deepStrictEqual([yield* backend.has(key("a")), yield* backend.has(key("b"))], [true, false])
    }),
    "leases"
  )
}

/** What is stored, and does not count as there. */
type Kind = "stale" | "absent"

const VALUES = { stale: "stale", absent: undefined } as const

const make = (
  kind: Kind,
  subject: Subject,
  keys: ReadonlyArray<string>,
  value: unknown = VALUES[kind]
): Effect.Effect<void, CacheError.CacheError> =>
  kind === "stale"
    ? storeStale(subject, keys, value)
    : Effect.forEach(keys, (key) => load(subject, key, undefined), { discard: true })

const both = (test: Test, name: string, body: (kind: Kind) => Parameters<Test>[1]): void => {
  test(`what is stale ${name}`, body("stale"))
  test(`a known absence ${name}`, body("absent"), "leases")
}

const found = ({ backend }: Subject, key: string) =>
  Effect.map(backend.get(key, Codec.msgpack), (entry) => entry ?? assert.fail("there is no entry"))

const isGone = ({ backend }: Subject, key: string) =>
  Effect.map(backend.get(key, Codec.msgpack), (entry) => entry === undefined)
