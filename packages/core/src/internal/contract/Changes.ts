/**
 * The feed of writes, and what a backend tells about itself.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect, Stream } from "effect"
import type * as CacheBackend from "../../CacheBackend.ts"
import * as Codec from "../../Codec.ts"
import { LONG, store, type Subject, type Test } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "the feed has each write",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const feed = yield* listen(subject)
      yield* store(subject, key("a"), 1)
      yield* backend.setMany(
        [
          [key("b"), 1],
          [key("c"), 1]
        ],
        Codec.msgpack,
        { ttl: LONG }
      )
      yield* backend.delete(key("a"))
      yield* backend.deleteMany([key("b"), key("missing")])
      yield* store(subject, key("d", "1"), 1)
      yield* backend.deletePattern(subject.pattern("d:*"))
      assert.deepStrictEqual(yield* feed.written, [
        `set ${key("a")}`,
        `delete ${key("a")}`,
        `set ${key("b")}`,
        `delete ${key("b")}`,
        `set ${key("c")}`,
        `set ${key("d", "1")}`,
        `delete ${key("d", "1")}`
      ])
    }),
    "changes"
  )

  test(
    "the feed has nothing where nothing was written",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      yield* store(subject, key("there"), 1)
      const feed = yield* listen(subject)
      yield* backend.get(key("there"), Codec.msgpack)
      yield* backend.delete(key("missing"))
      yield* backend.deleteMany([key("missing")])
      yield* backend.deletePattern(subject.pattern("missing:*"))
      yield* backend.set(key("there"), Codec.msgpack, 2, { ttl: LONG, only: "absent" })
      yield* backend.set(key("missing"), Codec.msgpack, 2, { ttl: LONG, only: "present" })
      yield* backend.setMany(
        [
          [key("there"), 2],
          [key("new"), 2]
        ],
        Codec.msgpack,
        { ttl: LONG, only: "absent" }
      )
      yield* backend.setMany([], Codec.msgpack, { ttl: LONG })
      assert.deepStrictEqual(yield* feed.written, [`set ${key("new")}`])
    }),
    "changes"
  )

  test(
    "the feed has new TTLs",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      if (backend.unsupported.has("expire")) return
      yield* store(subject, key("a"), 1)
      const feed = yield* listen(subject)
      yield* backend.expire(key("a"), LONG)
      yield* backend.expire(key("missing"), LONG)
      assert.deepStrictEqual(yield* feed.written, [`expire ${key("a")}`])
    }),
    "changes"
  )

  test(
    "the feed has counted keys",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      if (backend.unsupported.has("increment")) return
      const feed = yield* listen(subject)
      yield* backend.increment(key("a"), { ttl: LONG })
      yield* backend.increment(key("a"), { ttl: LONG })
      assert.deepStrictEqual(yield* feed.written, [`set ${key("a")}`, `set ${key("a")}`])
    }),
    "changes"
  )

  test(
    "a pushed write is announced with what was written, others with their keys alone",
    Effect.fnUntraced(function* (subject) {
      const { backend, key } = subject
      const feed = yield* listen(subject)
      const values = { a: { bid: 1.5 }, b: null, c: "c" }
      yield* backend.set(key("a"), Codec.msgpack, values.a, { ttl: LONG, push: true })
      const rest = [[key("b"), values.b] as const, [key("c"), values.c] as const]
      yield* backend.setMany(rest, Codec.msgpack, { ttl: LONG, push: true })
      yield* store(subject, key("unpushed"), 1)
      yield* feed.written
      const pushed = new Map(
        feed.changes.flatMap((change) => change.keys.map((key, index) => [key, change.pushed?.[index]]))
      )
      for (const [name, value] of Object.entries(values)) {
        const entry = yield* backend.get(key(name), Codec.msgpack, { fresh: true })
        const push = pushed.get(key(name))
        assert.isDefined(entry)
        // a store without versions has nothing that could be told to be newer
        if (push === undefined && entry.version === 0) continue
        assert.isDefined(push)
        assert.deepStrictEqual(Codec.msgpack.decode(push.payload, key(name)), value)
        assert.strictEqual(push.version, entry.version)
        assert.approximately(push.goneAfter, entry.goneAfter, Duration.toMillis("1 minute"))
      }
      assert.isUndefined(pushed.get(key("unpushed")))
    }),
    "changes"
  )

  test(
    "health is good, and tells nothing secret",
    Effect.fnUntraced(function* ({ backend }) {
      const health = yield* backend.health
      assert.isTrue(health.healthy)
      assert.isUndefined(health.problem)
      for (const fact of Object.values(health.details)) assert.include(["string", "number", "boolean"], typeof fact)
      assert.isAtLeast(backend.stats().unreadable, 0)
      assert.isNotEmpty(backend.name)
    })
  )
}

/** Listens to the feed; returns once it certainly arrives. */
const listen = Effect.fnUntraced(function* (subject: Subject) {
  const changes: Array<CacheBackend.Change> = []
  yield* Effect.forkScoped(
    Stream.runForEach(subject.backend.changes, (change) => Effect.sync(() => changes.push(change))),
    { startImmediately: true }
  )
  const haveArrived = (keys: ReadonlyArray<string>) =>
    Effect.sync(() => keys.every((key) => changes.some((change) => change.keys.includes(key))))
  const mark = (name: string) => {
    const keys = Array.from({ length: MARKS }, (_, index) => subject.key("marker", name, String(index)))
    const entries = keys.map((key) => [key, 1] as const)
    const write = subject.backend.setMany(entries, Codec.msgpack, { ttl: LONG })
    return { write, arrived: haveArrived(keys) }
  }
  const start = mark("start")
  yield* subject.eventually(Effect.andThen(start.write, start.arrived))
  // a message may arrive after the write that it tells of was acknowledged
  changes.length = 0

  // what was announced of this test's keys since, by key, and for each in order
  const written = Effect.gen(function* () {
    const end = mark("end")
    yield* end.write
    yield* subject.eventually(end.arrived)
    return changes
      .flatMap(({ keys, kind }) => keys.map((key) => ({ kind, key })))
      .filter(({ key }) => key.startsWith(`${subject.prefix}:`) && !key.startsWith(subject.key("marker")))
      .toSorted((one, other) => Number(one.key > other.key) - Number(one.key < other.key))
      .map(({ kind, key }) => `${kind} ${key}`)
  })
  return { changes, written }
})

/** A store of several servers has no order between their messages: so many that each server has some. */
const MARKS = 32
