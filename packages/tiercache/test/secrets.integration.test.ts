import { connect } from "node:net"
import { inspect } from "node:util"
import { assert, layer } from "@effect/vitest"
import { type CacheBackend, Envelope } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Cache, CacheError, createCache, Entity, FencedWrite, Redis, Schema, Secrets, Tag, Tiered } from "tiercache"
import { Context, Effect, Layer, Redacted } from "effect"
import * as fc from "fast-check"
import { Redis as Client } from "ioredis"

const keyOf = (id: string, seed: number): Secrets.Key => ({ id, key: Redacted.make(new Uint8Array(32).fill(seed)) })
const ring = Secrets.keyRing([keyOf("k1", 1)])

const options = {
  key: { id: Schema.NonEmptyString },
  value: Schema.Struct({ apiKey: Schema.String }),
  ttl: "1 hour",
  onWrite: "update",
  tags: (id: string) => [Tag.connection(id)]
} as const

const Credentials = Entity.make("broker", "credentials", { ...options, secret: true })
const InL1 = Entity.make("broker", "credentials_in_l1", { ...options, secret: true, l1: true })
const Plain = Entity.make("broker", "plain", options)

const RUNS = process.env["TIERCACHE_TEST_FULL"] === undefined ? 20 : 300

const PATIENT = { commandTimeout: "5 seconds" } as const

/** A cache of a process, on a prefix of its own unless it is to share one. */
const open = Effect.fnUntraced(function* (
  backend: "redis" | "tiered",
  secrets: Secrets.KeyRing | undefined,
  prefix = `test-${crypto.randomUUID()}`
) {
  const { url } = yield* RedisServer.RedisServer
  const options = { prefix, secrets, redis: { url, ...PATIENT } }
  const services: Layer.Layer<
    Cache.Cache | FencedWrite.FencedWrite | CacheBackend.CacheBackend,
    CacheError.CacheError
  > = backend === "redis" ? Redis.layer(options) : Tiered.layer(options)
  const context = yield* Layer.build(services)
  return {
    prefix,
    cache: Context.get(context, Cache.Cache),
    fenced: Context.get(context, FencedWrite.FencedWrite)
  }
})

const client = Effect.gen(function* () {
  const { url } = yield* RedisServer.RedisServer
  return yield* Effect.acquireRelease(
    Effect.sync(() => new Client(url, { protocol: 2 }).on("error", () => {})),
    (client) => Effect.sync(() => client.disconnect())
  )
})

const ask = <A>(question: () => Promise<A>) => Effect.promise(question)

/** All that the server sends after a command. The client of other tests breaks if it is sent commands of others too soon. */
const receive = (command: string) =>
  Effect.gen(function* () {
    const { port } = yield* RedisServer.RedisServer
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connect(port, "127.0.0.1")),
      (socket) => Effect.sync(() => socket.destroy())
    )
    const received: Array<Buffer> = []
    socket.on("data", (bytes) => received.push(bytes)).write(`${command}\r\n`)
    yield* eventually(Effect.sync(() => received.length > 0))
    return received
  })

/** All that commands and the bus carry from now on, joined, so that nothing is cut in two. */
const overhear = Effect.gen(function* () {
  const [commands, bus] = [yield* receive("MONITOR"), yield* receive("PSUBSCRIBE *")]
  return { commands: () => Buffer.concat(commands), bus: () => Buffer.concat(bus) }
})

/** What lies under the keys of a cache, as GET and DUMP give it. */
const stored = Effect.fnUntraced(function* (redis: Client, prefix: string) {
  const keys = yield* ask(() => redis.keys(`*${prefix}*`))
  return yield* ask(() =>
    Promise.all(
      keys.flatMap((key) => [
        redis
          .getBuffer(key)
          .then((bytes) => bytes ?? Buffer.alloc(0))
          .catch(() => Buffer.alloc(0)),
        redis.dumpBuffer(key).then((bytes) => bytes ?? Buffer.alloc(0))
      ])
    )
  )
})

const eventually = <E>(condition: Effect.Effect<boolean, E>) =>
  Effect.repeat(Effect.delay(condition, "5 millis"), { until: (holds) => holds })

const apiKeyOf = (value: { readonly apiKey: string } | undefined) => value?.apiKey

/** Has a value written in every way, and returns when two processes have it. */
const writeAll = Effect.fnUntraced(function* (
  a: Cache.Cache["Service"],
  b: Cache.Cache["Service"],
  entities: ReadonlyArray<typeof Plain>,
  apiKey: string
) {
  for (const entity of entities) {
    const [ofA, ofB] = [a.entity(entity), b.entity(entity)]
    yield* ofA.set("set", { apiKey })
    yield* ofA.setMany([["many", { apiKey }]])
    yield* ofA.getOrLoad("loaded", Effect.succeed({ apiKey }))
    for (const id of ["set", "many", "loaded"]) assert.strictEqual(apiKeyOf(yield* ofB.get(id)), apiKey)
    // over an entry that the other may hold: this is pushed
    yield* ofA.set("set", { apiKey: `${apiKey}, new` })
    yield* ofA.refresh("loaded", Effect.succeed({ apiKey: `${apiKey}, new` }))
    for (const id of ["set", "loaded"]) {
      yield* eventually(Effect.map(ofB.get(id), (value) => value?.apiKey === `${apiKey}, new`))
    }
  }
})

const forms = (text: string) => [
  Buffer.from(text),
  Buffer.from(text, "utf16le"),
  Buffer.from(Buffer.from(text).toString("base64").slice(0, 8)),
  Buffer.from(Buffer.from(text).toString("hex"))
]

layer(RedisServer.layer(), { excludeTestServices: true })("secrets in Redis", (it) => {
  for (const backend of ["redis", "tiered"] as const) {
    it.effect(`are plain text nowhere: ${backend}`, () =>
      Effect.gen(function* () {
        const a = yield* open(backend, ring)
        const b = yield* open(backend, ring, a.prefix)
        const redis = yield* client
        const heard = yield* overhear
        const apiKeys = fc.sample(fc.stringMatching(/^[A-Za-z0-9]{8,60}$/), RUNS)
        for (const apiKey of apiKeys) {
          yield* writeAll(a.cache, b.cache, [Credentials, InL1], apiKey)
          for (const bytes of yield* stored(redis, a.prefix)) {
            for (const form of forms(apiKey)) assert.isFalse(bytes.includes(form), `${apiKey} is in the store`)
          }
          yield* a.cache.deleteTags(["set", "many", "loaded"].map(Tag.connection))
        }

        // what is not secret is seen everywhere, behind all that was secret
        yield* writeAll(a.cache, b.cache, [Plain], "hunter2-hunter2")
        assert.isTrue((yield* stored(redis, a.prefix)).some((bytes) => bytes.includes("hunter2-hunter2")))
        for (const bytes of [heard.commands, heard.bus]) {
          yield* eventually(Effect.sync(() => bytes().includes("hunter2-hunter2")))
          const all = bytes()
          for (const form of apiKeys.flatMap(forms)) assert.isFalse(all.includes(form), "it was heard")
        }
      })
    )
  }

  it.effect("are pushed into the L1 that holds them, encrypted", () =>
    Effect.gen(function* () {
      const a = yield* open("tiered", ring)
      const b = yield* open("tiered", ring, a.prefix)
      const [ofA, ofB] = [a.cache.entity(InL1), b.cache.entity(InL1)]
      yield* ofA.set("1", { apiKey: "first" })
      yield* eventually(Effect.map(ofB.get("1"), () => ofB.peek("1") !== undefined))
      const heard = yield* overhear
      yield* ofA.set("1", { apiKey: "hunter2-hunter2" })
      yield* eventually(Effect.sync(() => apiKeyOf(ofB.peek("1")) === "hunter2-hunter2"))
      yield* eventually(Effect.sync(() => heard.bus().includes("credentials_in_l1")))
      assert.isFalse(heard.bus().includes("hunter2"))
    })
  )

  it.effect("are loaded once by two processes, and read by both", () =>
    Effect.gen(function* () {
      const a = yield* open("tiered", ring)
      const b = yield* open("redis", ring, a.prefix)
      let loads = 0
      const load = Effect.sync(() => ({ apiKey: `load ${++loads}` })).pipe(Effect.delay("50 millis"))
      const found = yield* Effect.forEach([a, b, a, b], ({ cache }) => cache.entity(Credentials).getOrLoad("1", load), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(found.map(apiKeyOf), Array(4).fill("load 1"))
    })
  )

  it.effect("are misses if any byte of them was changed, and loaded anew", () =>
    Effect.gen(function* () {
      const { cache, prefix } = yield* open("redis", ring)
      const redis = yield* client
      const Untagged = Entity.make("broker", "untagged", { ...options, tags: undefined, secret: true })
      const credentials = cache.entity(Untagged)
      yield* credentials.set("1", { apiKey: "hunter2" })
      const key = `${prefix}:${Untagged.key("1").encoded}`
      const bytes = yield* ask(() => redis.getBuffer(key))
      assert.isNotNull(bytes)
      for (let at = Envelope.HEADER_BYTES; at < bytes.length; at++) {
        const changed = Buffer.from(bytes)
        changed.writeUInt8(changed.readUInt8(at) ^ (1 + (at % 255)), at)
        yield* ask(() => redis.set(key, changed, "KEEPTTL"))
        assert.isUndefined(yield* credentials.get("1"))
      }
      yield* ask(() => redis.set(key, bytes.subarray(0, -1), "KEEPTTL"))
      assert.isUndefined((yield* credentials.getMany(["1"])).get("1"))
      assert.strictEqual(apiKeyOf(yield* credentials.getOrLoad("1", Effect.succeed({ apiKey: "loaded" }))), "loaded")
      yield* ask(() => redis.set(key, bytes, "KEEPTTL"))
      assert.strictEqual(apiKeyOf(yield* credentials.get("1")), "hunter2")
    })
  )

  it.effect("do not open under another key, of the same cache or of another", () =>
    Effect.gen(function* () {
      const a = yield* open("redis", ring)
      const b = yield* open("redis", ring)
      const redis = yield* client
      yield* a.cache.entity(Credentials).set("1", { apiKey: "hunter2" })
      const from = `${a.prefix}:${Credentials.key("1").encoded}`
      for (const to of [`${a.prefix}:${Credentials.key("2").encoded}`, `${b.prefix}:${Credentials.key("1").encoded}`]) {
        yield* ask(() => redis.copy(from, to))
      }
      assert.isUndefined(yield* a.cache.entity(Credentials).get("2"))
      assert.isUndefined(yield* b.cache.entity(Credentials).get("1"))
      assert.strictEqual(apiKeyOf(yield* a.cache.entity(Credentials).get("1")), "hunter2")
    })
  )

  it.effect("outlive a change of keys, while the old one is in the ring", () =>
    Effect.gen(function* () {
      const [k1, k2] = [keyOf("k1", 1), keyOf("k2", 2)]
      const { cache: before, prefix } = yield* open("redis", Secrets.keyRing([k1]))
      const { cache: during } = yield* open("redis", Secrets.keyRing([k2, k1]), prefix)
      const { cache: after } = yield* open("redis", Secrets.keyRing([k2]), prefix)
      const [old, both, next] = [before.entity(Credentials), during.entity(Credentials), after.entity(Credentials)]
      yield* old.set("1", { apiKey: "old" })
      yield* both.set("2", { apiKey: "new" })
      assert.deepStrictEqual([...(yield* both.getMany(["1", "2"])).values()].map(apiKeyOf), ["old", "new"])
      assert.deepStrictEqual([...(yield* next.getMany(["1", "2"])).values()].map(apiKeyOf), [undefined, "new"])
      assert.deepStrictEqual([...(yield* old.getMany(["1", "2"])).values()].map(apiKeyOf), ["old", undefined])
    })
  )

  it.effect("are never written without keys, by whatever means", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const { cache, fenced, prefix } = yield* open("tiered", undefined)
      const redis = yield* client
      const apiKey = "hunter2"
      const refused: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        cache.entity(Credentials).set("1", { apiKey }),
        cache.entity(Credentials).getOrLoad("1", Effect.succeed({ apiKey })),
        fenced.set(Credentials.key("1"), Credentials.codec, { apiKey }, { fence: 1, ttl: "1 minute" })
      ]
      for (const operation of refused) {
        assert.deepInclude(yield* Effect.flip(operation), { _tag: "CacheError", reason: "InvalidOption" })
      }
      yield* ask(async () => {
        await using promises = await createCache({ backend: "redis", prefix, redis: { url, ...PATIENT } })
        const credentials = promises.entity(Credentials)
        assert.throws(() => credentials.peek("1"), /secrets/)
        for (const operation of [credentials.set("1", { apiKey }), credentials.get("1")]) {
          const error: unknown = await operation.then(
            () => undefined,
            (error: unknown) => error
          )
          assert.isTrue(CacheError.isCacheError(error) && error.reason === "InvalidOption")
        }
      })
      assert.deepStrictEqual(yield* ask(() => redis.keys(`*${prefix}*`)), [])
    })
  )

  it.effect("are not quoted by errors", () =>
    Effect.gen(function* () {
      const { cache, prefix } = yield* open("tiered", ring)
      const redis = yield* client
      const [id, apiKey] = ["conn-sesame", "hunter2"]
      const credentials = cache.entity(Credentials)
      const Strict = Entity.make("broker", "strict", {
        key: { id: Schema.String.check(Schema.isMaxLength(3)) },
        value: Schema.String.check(Schema.isMaxLength(3)),
        secret: true
      })
      yield* ask(() => redis.hset(`${prefix}:${Credentials.key(id).encoded}`, "field", apiKey))
      const failing: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        credentials.get(id),
        credentials.expire(id, "1 minute"),
        credentials.getOrLoad(id, Effect.succeed({ apiKey })),
        credentials.getManyOrLoad([id], () => Effect.succeed([])),
        credentials.set(id, { apiKey }, { ttl: "0 seconds" }),
        cache.entity(Strict).get(id),
        cache.entity(Strict).set("abc", apiKey),
        cache.entity(Strict).getOrLoad("abc", Effect.succeed(apiKey))
      ]
      for (const operation of failing) {
        const error = yield* Effect.flip(operation)
        // the caller's own ids are not in the text, but in the maps, of a partial failure
        const shown =
          error instanceof Error && !CacheError.isCacheError(error) ? error.message : inspect(error, { depth: 9 })
        assert.notInclude(shown, id)
        assert.notInclude(shown, apiKey)
      }
    })
  )
})
