import { assert, layer } from "@effect/vitest"
import { CacheBackend, Codec, Envelope, KeyPattern } from "@tiercache/core"
import { CacheBackendTest, CacheModel, RedisServer } from "@tiercache/core/testing"
import { Effect, Layer, Stream } from "effect"
import { backendLayer, get, LONG, makeBackend, makeClient, reasonOf, set, uniqueKey } from "./support.ts"

const withServer = backendLayer().pipe(Layer.provideMerge(RedisServer.layer()))

CacheBackendTest.suite("RedisBackend", backendLayer().pipe(Layer.provide(RedisServer.layer())), { clock: "live" })

const envelope = (payload: Uint8Array, millisLeft = 3_600_000) =>
  Effect.sync(() => {
    // the server shares this machine's wall clock
    const deadline = performance.timeOrigin + performance.now() + millisLeft
    return Envelope.encode({
      freshUntil: deadline,
      goneAfter: deadline,
      version: 1,
      holds: "value",
      lease: undefined,
      payload
    })
  })

const setup = Effect.gen(function* () {
  const { url } = yield* RedisServer.RedisServer
  return { url, backend: yield* CacheBackend.CacheBackend, client: yield* makeClient(url) }
})

layer(withServer, { excludeTestServices: true })("RedisBackend over what others wrote", (it) => {
  it.effect("takes for a miss, and counts, what it cannot read", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const whole = yield* envelope(Codec.msgpack.encode("value", ""))
      const futureVersion = Buffer.from(whole)
      futureVersion[1] = 2
      const futureFlags = Buffer.from(whole)
      futureFlags[2] = 16
      const unreadable: Readonly<Record<string, Buffer>> = {
        text: Buffer.from("plain text"),
        empty: Buffer.alloc(0),
        garbage: Buffer.from([0xff, 0x00, 0xfe, 0xc1]),
        mark: Buffer.from([0xc1]),
        header: whole.subarray(0, Envelope.HEADER_BYTES - 1),
        payload: whole.subarray(0, whole.length - 1),
        none: whole.subarray(0, Envelope.HEADER_BYTES),
        payloadGarbage: yield* envelope(Buffer.from([0xd4, 0xff])),
        futureVersion,
        futureFlags
      }
      const key = uniqueKey("unreadable")
      for (const [name, bytes] of Object.entries(unreadable)) {
        yield* Effect.promise(() => client.set(key, bytes))
        const before = backend.stats().unreadable
        assert.isUndefined(yield* backend.get(key, Codec.msgpack), name)
        assert.deepStrictEqual(yield* backend.getMany([key], Codec.msgpack), [undefined], name)
        assert.strictEqual(backend.stats().unreadable, before + 2, name)
      }
    })
  )

  it.effect("survives a codec that throws anything", () =>
    Effect.gen(function* () {
      const { backend } = yield* setup
      const key = uniqueKey("thrown")
      yield* set(backend, key, 1)
      const hostile: Codec.Codec<unknown> = {
        encode: Codec.msgpack.encode,
        decode: () => {
          throw new TypeError("a bug")
        }
      }
      assert.isUndefined(yield* backend.get(key, hostile))
    })
  )

  it.effect("does not return what is gone by the server's clock, though Redis still has it", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const key = uniqueKey("late")
      const gone = yield* envelope(Codec.msgpack.encode("value", key), -1)
      yield* Effect.promise(() => client.set(key, gone))
      assert.isUndefined(yield* backend.get(key, Codec.msgpack))
    })
  )

  it.effect("fails with WrongType over another type, and misses it in a batch", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [list, entry] = [uniqueKey("list"), uniqueKey("entry")]
      yield* Effect.promise(() => client.rpush(list, "a"))
      yield* set(backend, entry, 1)
      assert.strictEqual(yield* reasonOf(backend.get(list, Codec.msgpack)), "WrongType")
      assert.strictEqual(yield* reasonOf(backend.expire(list, LONG.ttl)), "WrongType")
      assert.strictEqual(yield* reasonOf(backend.increment(list, LONG)), "WrongType")
      const found = yield* backend.getMany([list, entry], Codec.msgpack)
      assert.deepStrictEqual(
        found.map((entry) => entry?.value),
        [undefined, 1]
      )
      assert.isTrue(yield* backend.has(list))
      assert.isTrue(yield* backend.delete(list))
    })
  )

  it.effect("changes no TTL of what is not ours", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [text, future] = [uniqueKey("text"), uniqueKey("future")]
      const bytes = yield* envelope(Codec.msgpack.encode("value", ""))
      bytes[1] = 2
      yield* Effect.promise(() => Promise.all([client.set(text, "text"), client.set(future, bytes)]))
      assert.strictEqual(yield* reasonOf(backend.expire(text, LONG.ttl)), "WrongType")
      assert.isFalse(yield* backend.expire(future, LONG.ttl))
      assert.deepStrictEqual(
        yield* Effect.promise(() => Promise.all([client.pttl(text), client.pttl(future)])),
        [-1, -1]
      )
      assert.strictEqual(yield* Effect.promise(() => client.get(text)), "text")
      assert.strictEqual(yield* backend.ttl(text).pipe(Effect.map(String)), "Infinity")
    })
  )

  it.effect("counts on in JSON, which others write", () =>
    Effect.gen(function* () {
      const { backend } = yield* setup
      const key = uniqueKey("json")
      yield* backend.set(key, Codec.json, 41, LONG)
      assert.strictEqual(yield* backend.increment(key, LONG), 42)
      assert.strictEqual((yield* backend.get(key, Codec.json))?.value, 42)
    })
  )

  it.effect("refuses to count over digits that are no integer of ours", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const key = uniqueKey("digits")
      for (const digits of [
        "007",
        "+1",
        "1e3",
        " 1",
        "1 ",
        "0x10",
        "-0",
        "-",
        "",
        "9007199254740993",
        "1".repeat(400)
      ]) {
        const bytes = yield* envelope(Buffer.from(digits))
        yield* Effect.promise(() => client.set(key, bytes))
        assert.strictEqual(yield* reasonOf(backend.increment(key, { ...LONG, by: -1 })), "WrongType", digits)
        assert.deepStrictEqual(yield* Effect.promise(() => client.getBuffer(key)), bytes)
      }
    })
  )
})

layer(withServer, { excludeTestServices: true })("RedisBackend", (it) => {
  const isFull = process.env["TIERCACHE_TEST_FULL"] === "1"
  const [runs, timeout] = isFull ? [2000, 600_000] : [300, 120_000]
  it.effect(
    `answers as a map with deadlines would, in ${runs} random histories`,
    () => CacheModel.check({ clock: "live", runs }),
    timeout
  )
})

layer(withServer, { excludeTestServices: true })("RedisBackend at its limits", (it) => {
  it.effect("stores every byte, and 10 MB of them", () =>
    Effect.gen(function* () {
      const { backend } = yield* setup
      const every = Uint8Array.from({ length: 256 }, (_, byte) => byte)
      const large = new Uint8Array(10_000_000).fill(0xc1)
      const keys = [uniqueKey("every"), uniqueKey("large")] as const
      yield* set(backend, keys[0], every)
      yield* set(backend, keys[1], large)
      assert.deepStrictEqual(yield* get(backend, keys[0]), every)
      const stored = yield* get(backend, keys[1])
      assert.isTrue(stored instanceof Uint8Array && Buffer.compare(stored, large) === 0)
    })
  )

  it.effect("takes any text for a key, as it is", () =>
    Effect.gen(function* () {
      const { backend } = yield* setup
      const prefix = uniqueKey("key")
      const ids = ["{a}", "{a}{b}", "{", "*", "a b", "\r\n", "\u0000", "é", "🚀", "%", "x".repeat(100_000), "0:", "1:a"]
      const keys = ids.map((id) => `${prefix}${id}`)
      yield* Effect.forEach(keys, (key) => set(backend, key, key))
      assert.deepStrictEqual(
        (yield* backend.getMany(keys, Codec.msgpack)).map((entry) => entry?.value),
        keys
      )
      for (const key of keys) {
        assert.isTrue(yield* backend.expire(key, LONG.ttl))
        assert.isTrue(yield* backend.delete(key))
        assert.isFalse(yield* backend.has(key))
      }
    })
  )

  it.effect("spreads many keys over several commands, and answers in order", () =>
    Effect.gen(function* () {
      const { url } = yield* setup
      const backend = yield* makeBackend({ url, maxKeysPerCommand: 7, deleteBatchSize: 9, scanCount: 3 })
      const prefix = uniqueKey("many")
      const keys = Array.from({ length: 100 }, (_, index) => `${prefix}:${index}`)
      const entries = keys.map((key, index) => [key, index] as const)
      assert.strictEqual(yield* backend.setMany(entries, Codec.msgpack, LONG), 100)
      assert.deepStrictEqual(
        (yield* backend.getMany([...keys, `${prefix}:none`], Codec.msgpack)).map((entry) => entry?.value),
        [...keys.keys(), undefined]
      )
      assert.strictEqual(yield* backend.deleteMany([...keys.slice(0, 30), ...keys.slice(0, 30)]), 30)
      assert.strictEqual(yield* backend.deletePattern(KeyPattern.make(prefix, "*")), 70)
    })
  )

  it.effect("a scan neither lists nor deletes what has expired but lies there yet", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const prefix = uniqueKey("expired")
      const brief = Array.from({ length: 200 }, (_, index) => [`${prefix}:${index}`, 1] as const)
      yield* backend.setMany(brief, Codec.msgpack, { ttl: "1 milli" })
      yield* set(backend, `${prefix}:kept`, 1)
      yield* Effect.sleep("2 millis")
      const lying = yield* Effect.promise(() => client.dbsize())
      const pattern = KeyPattern.make(prefix, "*")
      assert.deepStrictEqual(yield* Stream.runCollect(backend.scan(pattern)), [`${prefix}:kept`])
      assert.strictEqual(yield* backend.deletePattern(pattern), 1)
      assert.isAtLeast(lying, 200)
    }).pipe(Effect.provide(backendLayer().pipe(Layer.provideMerge(RedisServer.layer({ args: ["--hz", "1"] })))))
  )

  it.effect("writes nothing when one value of many cannot be encoded, and sends nothing for no keys", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const key = uniqueKey("a")
      const write = backend.setMany(
        [
          [key, 1],
          [uniqueKey("b"), () => 1]
        ],
        Codec.msgpack,
        LONG
      )
      const calls = async () => /cmdstat_evalsha:calls=(\d+)/.exec(await client.info("commandstats"))?.[1]
      yield* set(backend, uniqueKey("first"), 1)
      const before = yield* Effect.promise(calls)
      assert.strictEqual(yield* reasonOf(write), "Encode")
      yield* backend.setMany([], Codec.msgpack, LONG)
      yield* backend.deleteMany([])
      assert.deepStrictEqual(yield* backend.getMany([], Codec.msgpack), [])
      assert.strictEqual(yield* Effect.promise(calls), before)
      assert.isFalse(yield* backend.has(key))
    })
  )

  it.effect("health shows the server, its clock and the bus", () =>
    Effect.gen(function* () {
      const { backend } = yield* setup
      const { details, healthy } = yield* backend.health
      assert.isTrue(healthy)
      assert.strictEqual(details["connected"], true)
      assert.match(String(details["version"]), /^\d+\.\d+/)
      assert.match(String(details["used_memory_human"]), /^[\d.]+[KMG]$/)
      assert.isAtLeast(Number(details["connected_clients"]), 1)
      assert.strictEqual(details["eviction_policy"], "noeviction")
      assert.strictEqual(details["bus"], "idle")
      // one machine, one wall clock
      assert.isBelow(Math.abs(Number(details["clock_offset_ms"])), 1000)
    })
  )
})
