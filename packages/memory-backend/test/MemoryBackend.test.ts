import { assert, it } from "@effect/vitest"
import { CacheBackend, Codec, type Invalidation, KeyPattern, Lease, Snapshot } from "@tiercache/core"
import { CacheBackendTest, CacheModel } from "@tiercache/core/testing"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Effect, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 3000 : 300
/** About 2 on an idle machine. */
const MILLIS_PER_RUN = 60
const TTL = { ttl: "1 minute" } as const
const LEASE = { millis: 60_000, when: "stale" } as const

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
  const connect = Effect.fnUntraced(function* (options?: Parameters<typeof MemoryBackend.layer>[0]) {
    const shared = yield* MemoryBackend.makeShared(options)
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
      const { a, b } = yield* connect()
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
      const { a, messages } = yield* connect()
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
    "delete what matches many patterns in batches, between which others run and the deletion can be interrupted",
    Effect.fnUntraced(function* () {
      const { a, messages } = yield* connect()
      const entries = Array.from({ length: 3500 }, (_, index) => [`x:${index % 2}:${index}`, 1] as const)
      yield* a.setMany(entries, Codec.msgpack, TTL)
      messages.length = 0
      const told: Array<CacheBackend.Progress> = []
      const onProgress = (progress: CacheBackend.Progress) => void told.push(progress)
      const pattern = KeyPattern.anyOf(["0:*", "*:1"].map((written) => KeyPattern.make("x", written)))
      const deletion = yield* Effect.forkChild(a.deletePattern(pattern, { onProgress }))
      while (told.length === 0) yield* Effect.yieldNow
      yield* Fiber.interrupt(deletion)
      assert.deepStrictEqual(told, [{ scanned: 1000, deleted: 500 }])
      const rest = yield* a.deletePattern(pattern, { onProgress })
      assert.strictEqual(rest, 1751 - 500)
      assert.deepStrictEqual(told.at(-1), { scanned: 3500 - 500, deleted: rest })
      assert.deepStrictEqual(messages.pop()?.keys, ["x:0:*", "x:*:1"])
      const announced = messages.flatMap(({ keys }) => keys)
      assert.strictEqual(new Set(announced).size, 1751)
      assert.strictEqual(announced.length, 1751)
    })
  )

  it.effect(
    "tell caches of deletes that found nothing: they may hold what was evicted",
    Effect.fnUntraced(function* () {
      const { a, messages } = yield* connect()
      yield* a.set("there", Codec.msgpack, 1, TTL)
      yield* a.deleteMany(["evicted", "there"])
      assert.deepStrictEqual(messages.slice(1), [
        { origin: "a", kind: "delete", keys: ["there"] },
        { origin: "a", kind: "delete", keys: ["evicted"] }
      ])
    })
  )

  it.effect(
    "tell each other's leases apart",
    Effect.fnUntraced(function* () {
      const { a, b } = yield* connect()
      const tokens = [a.leases.token(), a.leases.token(), b.leases.token(), b.leases.token()]
      assert.strictEqual(new Set(tokens).size, 4)
      const [token = ""] = tokens
      yield* a.leases.take(["x"], Codec.msgpack, { ...LEASE, token })
      const [held] = yield* b.leases.take(["x"], Codec.msgpack, { ...LEASE, token: b.leases.token() })
      assert.deepStrictEqual(held, { _tag: "Held", token, millis: 60_000, previous: undefined })
    })
  )

  it.effect(
    "tell which lease has ended, by its token",
    Effect.fnUntraced(function* () {
      const { a, b, messages } = yield* connect()
      a.leases.token()
      const token = a.leases.token()
      yield* a.leases.take(["x"], Codec.msgpack, { ...LEASE, token })
      yield* b.leases.take(["x"], Codec.msgpack, { ...LEASE, token: b.leases.token() })
      yield* a.leases.release(["x"], token)
      assert.deepStrictEqual(messages, [{ origin: "a", kind: "released", keys: ["x"], writeId: 2 }])
      assert.deepStrictEqual(messages.map(Lease.tokenOfMessage), [token])
    })
  )

  it.effect(
    "announce a load over what was evicted meanwhile: a cache may hold it",
    Effect.fnUntraced(function* () {
      const { a, messages } = yield* connect({ maxEntries: 1 })
      const snapshot = Snapshot.make(Codec.msgpack, "new", "x")
      const loaded = { snapshot, payload: Codec.msgpack.encode("new", "x"), ttlMillis: 60_000, graceMillis: 0 }
      const token = a.leases.token()
      yield* a.set("x", Codec.msgpack, "old", TTL)
      yield* a.leases.take(["x", "y"], Codec.msgpack, { ...LEASE, token, when: "always" })
      yield* a.set("other", Codec.msgpack, "other", TTL)
      assert.isUndefined(a.peek("x", Codec.msgpack))
      const values = [
        { ...loaded, key: "x" },
        { ...loaded, key: "y" }
      ]
      assert.deepStrictEqual(yield* a.leases.fill(values, { token, writeId: 7 }), [true, true])
      assert.deepStrictEqual(messages.slice(2), [{ origin: "a", kind: "set", keys: ["x"], writeId: 7 }])
    })
  )

  it.effect(
    "are told of a write when it is visible",
    Effect.fnUntraced(function* () {
      const { a, b, shared } = yield* connect()
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
      const { a, shared } = yield* connect()
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
