import { assert, it } from "@effect/vitest"
import { CacheBackend, Codec, type Invalidation, KeyPattern } from "@tiercache/core"
import { CacheBackendTest, CacheModel } from "@tiercache/core/testing"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Effect, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 10_000 : 1000
/** About 2 on an idle machine. */
const MILLIS_PER_RUN = 60
const TTL = { ttl: "1 minute" } as const

CacheBackendTest.suite("MemoryBackend", MemoryBackend.layer(), { clock: "test" })

it.effect(
  "lives through random histories as the model does",
  () => CacheModel.check({ clock: "test", runs: RUNS }).pipe(Effect.provide(MemoryBackend.layer())),
  RUNS * MILLIS_PER_RUN
)

const test = <E>(
  name: string,
  body: (backend: CacheBackend.CacheBackend["Service"]) => Effect.Effect<void, E, CacheBackend.CacheBackend>,
  options?: Parameters<typeof MemoryBackend.layer>[0]
) => it.effect(name, () => Effect.provide(CacheBackend.CacheBackend.use(body), MemoryBackend.layer(options)))

describe("values in memory", () => {
  test(
    "are one frozen object for all readers",
    Effect.fnUntraced(function* (backend) {
      yield* backend.set("a", Codec.msgpack, { list: [{ deep: 1 }] }, TTL)
      const first = (yield* backend.get("a", Codec.msgpack))?.value
      assert.strictEqual(first, backend.peek("a", Codec.msgpack))
      assert.strictEqual(first, (yield* backend.getMany(["a"], Codec.msgpack))[0]?.value)
      for (const value of [first, Reflect.get(Object(first), "list")]) assert.isFrozen(value)
      assert.throws(() => Object.assign(Object(first), { list: [] }), TypeError)
    })
  )

  test(
    "are copies for each reader if they cannot be frozen",
    Effect.fnUntraced(function* (backend) {
      yield* backend.set("a", Codec.msgpack, { at: new Date(0) }, TTL)
      const [first, second] = [backend.peek("a", Codec.msgpack), backend.peek("a", Codec.msgpack)]
      assert.notStrictEqual(first, second)
      assert.deepStrictEqual(first, second)
    })
  )

  test(
    "are read from L1's tier",
    Effect.fnUntraced(function* (backend) {
      yield* backend.set("a", Codec.msgpack, 1, TTL)
      assert.deepStrictEqual(yield* backend.get("a", Codec.msgpack), {
        value: 1,
        freshUntil: 60_000,
        goneAfter: 60_000,
        version: 1,
        tier: "l1"
      })
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(backend.peek("a", Codec.msgpack))
      assert.strictEqual(backend.stats().local?.entries, 0)
    })
  )

  test(
    "that exceed all memory are written, and evicted at once",
    Effect.fnUntraced(function* (backend) {
      yield* backend.set("a", Codec.msgpack, "small", TTL)
      assert.isTrue(yield* backend.set("a", Codec.msgpack, "x".repeat(2000), TTL))
      assert.isUndefined(yield* backend.get("a", Codec.msgpack))
      assert.deepStrictEqual(backend.stats().local, { entries: 0, bytes: 0, evictions: 1 })
    }),
    { maxBytes: 2000 }
  )

  test(
    "stay if they are read: the longest unused is evicted first",
    Effect.fnUntraced(function* (backend) {
      for (const key of ["x:a", "x:b", "x:c"]) yield* backend.set(key, Codec.msgpack, key, TTL)
      yield* backend.get("x:a", Codec.msgpack)
      backend.peek("x:b", Codec.msgpack)
      // these are no reads
      yield* backend.has("x:c")
      yield* backend.ttl("x:c")
      yield* Stream.runDrain(backend.scan(KeyPattern.make("x", "c")))
      yield* backend.set("x:d", Codec.msgpack, "x:d", TTL)
      assert.isUndefined(backend.peek("x:c", Codec.msgpack))
      assert.deepStrictEqual(
        ["x:a", "x:b", "x:d"].map((key) => backend.peek(key, Codec.msgpack)),
        ["x:a", "x:b", "x:d"]
      )
    }),
    { maxEntries: 3 }
  )

  test(
    "that another codec cannot read are counted as unreadable",
    Effect.fnUntraced(function* (backend) {
      yield* backend.set("a", Codec.json, "text", TTL)
      assert.isUndefined(backend.peek("a", Codec.schema(Schema.Int)))
      assert.strictEqual(backend.stats().unreadable, 1)
    })
  )
})

it.effect(
  "options that are none fail the layer",
  Effect.fnUntraced(function* () {
    const error = yield* Effect.flip(Effect.scoped(MemoryBackend.makeShared({ maxEntries: 0 })))
    assert.strictEqual(error.reason, "InvalidOption")
  })
)

describe("backends over one store", () => {
  const connect = Effect.gen(function* () {
    const shared = yield* MemoryBackend.makeShared()
    const [a, b] = [yield* MemoryBackend.make(shared, "a"), yield* MemoryBackend.make(shared, "b")]
    const messages: Array<Pick<Invalidation.Message, "origin" | "kind" | "keys" | "writeId">> = []
    yield* b.invalidation.subscribe({
      onMessage: ({ keys, kind, origin, writeId }) =>
        messages.push(writeId === undefined ? { origin, kind, keys } : { origin, kind, keys, writeId }),
      onConnected: () => {},
      onDisconnected: () => {}
    })
    return { a: a.backend, b: b.backend, messages, shared }
  })

  it.effect(
    "have the same entries",
    Effect.fnUntraced(function* () {
      const { a, b } = yield* connect
      yield* a.set("x", Codec.msgpack, 1, TTL)
      assert.strictEqual((yield* b.get("x", Codec.msgpack))?.value, 1)
      assert.strictEqual(yield* b.increment("x", TTL), 2)
      assert.strictEqual(a.peek("x", Codec.msgpack), 2)
      assert.isTrue(yield* b.delete("x"))
      assert.isFalse(yield* a.has("x"))
    })
  )

  it.effect(
    "announce all keys of an operation in one message",
    Effect.fnUntraced(function* () {
      const { a, messages } = yield* connect
      const entries = ["x:1", "x:2", "x:2"].map((key) => [key, 1] as const)
      yield* a.setMany(entries, Codec.msgpack, { ...TTL, writeId: 7 })
      yield* a.expire("x:1", "1 minute")
      yield* a.deletePattern(KeyPattern.make("x", "*"))
      assert.deepStrictEqual(messages, [
        { origin: "a", kind: "set", keys: ["x:1", "x:2"], writeId: 7 },
        { origin: "a", kind: "expire", keys: ["x:1"] },
        { origin: "a", kind: "delete", keys: ["x:1", "x:2"] },
        // for what only an L1 still has
        { origin: "a", kind: "pattern", keys: ["x:*"] }
      ])
    })
  )

  it.effect(
    "tell caches of deletes that found nothing: they may hold what was evicted",
    Effect.fnUntraced(function* () {
      const { a, messages } = yield* connect
      yield* a.set("there", Codec.msgpack, 1, TTL)
      yield* a.deleteMany(["evicted", "there"])
      assert.deepStrictEqual(messages.slice(1), [
        { origin: "a", kind: "delete", keys: ["there"] },
        { origin: "a", kind: "delete", keys: ["evicted"] }
      ])
    })
  )

  it.effect(
    "are told of a write when it is visible",
    Effect.fnUntraced(function* () {
      const { a, b, shared } = yield* connect
      const seen: Array<unknown> = []
      const listener = yield* MemoryBackend.make(shared, "c")
      yield* listener.invalidation.subscribe({
        onMessage: () => seen.push(b.peek("x", Codec.msgpack)),
        onConnected: () => {},
        onDisconnected: () => {}
      })
      yield* a.set("x", Codec.msgpack, "new", TTL)
      yield* a.delete("x")
      assert.deepStrictEqual(seen, ["new", undefined])
    })
  )

  it.effect(
    "tell a reader of the feed who fell far behind that anything may have changed",
    Effect.fnUntraced(function* () {
      const { a, shared } = yield* connect
      const writer = yield* shared.bus.connect("writer")
      const flood = Effect.sync(() => {
        for (let n = 0; n < 20_000; n++) writer.publish("set", ["more"])
      })
      const reader = yield* a.changes.pipe(
        Stream.tap(({ keys }) => (keys.includes("first") ? flood : Effect.void)),
        Stream.takeUntil(({ kind }) => kind === "flush"),
        Stream.runCount,
        Effect.forkChild({ startImmediately: true })
      )
      writer.publish("set", ["first"])
      assert.strictEqual(yield* Fiber.join(reader), 10_001)
    })
  )
})
