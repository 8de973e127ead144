import { assert, describe, it, layer } from "@effect/vitest"
import { CacheError, Codec, KeyPattern, Script } from "@tiercache/core"
import { CacheBackendTest, RedisCluster } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Layer, Result, Stream } from "effect"
import { Cluster } from "ioredis"
import * as FakeNode from "./fakeNode.ts"
import { isConnected, makeListening, mentions } from "./listening.ts"
import { eventually, get, LONG, makeBackend, PATIENT, reasonOf, set, uniqueKey } from "./support.ts"

const onCluster = layer(RedisCluster.layer(), { excludeTestServices: true })

const makeClusterBackend = (options: Partial<RedisBackend.Options> = {}) =>
  RedisCluster.RedisCluster.use(({ addresses }) => makeBackend({ cluster: addresses, ...options }))

const keysOf = (count: number, name = uniqueKey("k")) => Array.from({ length: count }, (_, index) => `${name}:${index}`)

/** Moves one key as a node of a slot that is being moved does. */
const moveKey = (from: RedisCluster.Node, to: RedisCluster.Node, key: string) =>
  from.ask("MIGRATE", "127.0.0.1", to.port, key, 0, 1000)

/** The owner of a key, another primary, and the key's slot. */
const placesOf = Effect.fnUntraced(function* (key: string) {
  const { primaries, primaryOf } = yield* RedisCluster.RedisCluster
  const from = yield* primaryOf(key)
  const to = (yield* primaries).find((node) => node !== from)
  assert(to !== undefined)
  const slot = Number(yield* from.ask("CLUSTER", "KEYSLOT", key))
  return { from, to, first: slot, last: slot }
})

const sum = Script.make<number, null, number>({
  name: "sum",
  type: "sum",
  lua: `
    local sum = 0
    for _, key in ipairs(KEYS) do sum = sum + redis.call("INCR", key) end
    return sum
  `,
  args: () => [],
  reply: Number,
  reducer: () => 0
})

CacheBackendTest.suite(
  "RedisBackend over a cluster",
  Layer.unwrap(
    RedisCluster.RedisCluster.use(({ addresses }) =>
      // two of them find the others
      Effect.succeed(RedisBackend.layer({ cluster: addresses.slice(0, 2), ...PATIENT }))
    )
  ).pipe(Layer.provide(RedisCluster.layer())),
  { clock: "live" }
)

onCluster("a cluster", (it) => {
  it.effect("keys of many slots are read, written, counted, listed and deleted, in order", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend({ maxKeysPerCommand: 100 })
      const prefix = uniqueKey("many").split(":")[0] ?? ""
      const keys = keysOf(1500, prefix)
      const entries = keys.map((key, index) => [key, index] as const)
      assert.strictEqual(yield* backend.setMany(entries, Codec.msgpack, LONG), keys.length)
      const asked = ["missing", ...keys.toReversed(), ...keys.slice(0, 3)]
      const found = yield* backend.getMany(asked, Codec.msgpack)
      assert.deepStrictEqual(
        found.map((entry) => entry?.value),
        [undefined, ...entries.map(([, index]) => index).toReversed(), 0, 1, 2]
      )
      const listed = yield* Stream.runCollect(backend.scan(KeyPattern.make(prefix, "*")))
      assert.deepStrictEqual(listed.toSorted(), keys.toSorted())
      assert.strictEqual(yield* backend.deleteMany([...keys.slice(0, 500), ...keys.slice(0, 500), "missing"]), 500)
      assert.strictEqual(yield* backend.deletePattern(KeyPattern.make(prefix, "*")), 1000)
      assert.deepStrictEqual(yield* Stream.runCollect(backend.scan(KeyPattern.make(prefix, "*"))), [])
    })
  )

  it.effect("keys of many slots cannot be those of one script, unless braces keep them together", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const error = yield* Effect.flip(backend.run(sum, ["a", "b"], null))
      assert.strictEqual(error.reason, "Refused")
      assert.include(error.message, "different slots")
      const name = uniqueKey("sum")
      assert.strictEqual(yield* backend.run(sum, [`{${name}}:a`, `{${name}}:b`], null), 2)
    })
  )

  it.effect("keys of many slots are served by nodes that have forgotten all scripts", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const { primaries } = yield* RedisCluster.RedisCluster
      const keys = keysOf(50)
      const entries = keys.map((key) => [key, 1] as const)
      yield* backend.setMany(entries, Codec.msgpack, LONG)
      for (const node of yield* primaries) yield* node.ask("SCRIPT", "FLUSH")
      assert.strictEqual(yield* backend.setMany(entries, Codec.msgpack, LONG), 50)
      assert.strictEqual(yield* backend.deleteMany(keys), 50)
    })
  )

  it.effect("health is that of all primaries", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const { details, healthy } = yield* backend.health
      assert.isTrue(healthy)
      assert.strictEqual(details["primaries"], 3)
      assert.strictEqual(details["circuit_breaker"], "closed")
      assert.isAtLeast(Number(details["connected_clients"]), 3)
    })
  )

  it.effect("slots that move are found where they went, and so are their keys", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const { moveSlots } = yield* RedisCluster.RedisCluster
      const key = uniqueKey("moved")
      yield* set(backend, key, "before")
      yield* moveSlots(yield* placesOf(key))
      assert.strictEqual(yield* get(backend, key), "before")
      yield* moveSlots(yield* placesOf(key))
      yield* set(backend, key, "after")
      assert.strictEqual(yield* get(backend, key), "after")
    })
  )

  it.effect("slots that move are served while they move, wherever each key is", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend()
      const { beginMove, moveSlots } = yield* RedisCluster.RedisCluster
      const tag = uniqueKey("moving")
      const keys = keysOf(6, `{${tag}}`)
      yield* backend.setMany(
        keys.map((key, index) => [key, index] as const),
        Codec.msgpack,
        LONG
      )
      const places = yield* placesOf(tag)
      yield* beginMove(places)
      for (const key of keys.slice(0, 3)) yield* moveKey(places.from, places.to, key)

      // one by one: gone ones are asked of the other node
      for (const [index, key] of keys.entries()) assert.strictEqual(yield* get(backend, key), index)
      assert.isUndefined(yield* get(backend, `{${tag}}:missing`))
      assert.strictEqual(yield* backend.increment(`{${tag}}:count`, LONG), 1)
      assert.strictEqual(yield* backend.increment(`{${tag}}:count`, LONG), 2)
      assert.isTrue(yield* backend.has(keys[0] ?? ""))
      assert.isDefined(yield* backend.ttl(keys[5] ?? ""))

      // together: no node has all of them
      const found = yield* backend.getMany(keys, Codec.msgpack)
      assert.deepStrictEqual(
        found.map((entry) => entry?.value),
        [0, 1, 2, 3, 4, 5]
      )
      const written = yield* backend.setMany(
        keys.map((key) => [key, "new"] as const),
        Codec.msgpack,
        LONG
      )
      assert.strictEqual(written, keys.length)
      assert.strictEqual(yield* backend.deleteMany(keys.slice(0, 4)), 4)

      yield* moveSlots(places)
      assert.strictEqual(yield* get(backend, keys[5] ?? ""), "new")
      assert.strictEqual(yield* backend.increment(`{${tag}}:count`, LONG), 3)
    })
  )

  it.effect("slots that move lose no key to a scan", () =>
    Effect.gen(function* () {
      const backend = yield* makeClusterBackend({ scanCount: 10 })
      const { moveSlots } = yield* RedisCluster.RedisCluster
      const prefix = uniqueKey("scanned").split(":")[0] ?? ""
      const keys = keysOf(300, prefix)
      yield* backend.setMany(
        keys.map((key) => [key, 1] as const),
        Codec.msgpack,
        LONG
      )
      const listed = new Set<string>()
      const moving = yield* Effect.forEach(keys.slice(0, 10), placesOf)
      let isMoved = false
      yield* Stream.runForEach(backend.scan(KeyPattern.make(prefix, "*")), (key) =>
        Effect.gen(function* () {
          assert.isFalse(listed.has(key))
          listed.add(key)
          if (isMoved) return
          isMoved = true
          yield* Effect.forEach(moving, moveSlots)
        })
      )
      assert.strictEqual(listed.size, keys.length)
    })
  )

  it.effect("a Cluster that is lent lends its nodes and options, stays open, and keeps no listener of ours", () =>
    Effect.gen(function* () {
      const { addresses } = yield* RedisCluster.RedisCluster
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new Cluster([...addresses])),
        (client) => Effect.sync(() => client.disconnect())
      )
      yield* eventually(Effect.sync(() => client.status === "ready"))
      const before = client.eventNames().map((event) => [event, client.listenerCount(event)])
      const key = uniqueKey("lent")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const backend = yield* makeBackend({ client })
          yield* eventually(Effect.map(Effect.result(set(backend, key, 1)), Result.isSuccess))
          assert.strictEqual(yield* get(backend, key), 1)
          assert.strictEqual((yield* backend.health).details["primaries"], 3)
        })
      )
      assert.strictEqual(client.status, "ready")
      assert.deepStrictEqual(
        client.eventNames().map((event) => [event, client.listenerCount(event)]),
        before
      )
      assert.strictEqual(yield* Effect.promise(() => client.exists(key)), 1)
    })
  )

  it.effect("a Cluster that is lent may be lazy", () =>
    Effect.gen(function* () {
      const { addresses } = yield* RedisCluster.RedisCluster
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new Cluster([...addresses], { lazyConnect: true })),
        (client) => Effect.sync(() => client.disconnect())
      )
      const backend = yield* makeBackend({ client })
      yield* eventually(Effect.map(Effect.result(set(backend, uniqueKey("lazy"), 1)), Result.isSuccess))
    })
  )

  it.effect("a Cluster that is lent is refused if it rewrites keys", () =>
    Effect.gen(function* () {
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new Cluster([], { lazyConnect: true, redisOptions: { keyPrefix: "app:" } })),
        (client) => Effect.sync(() => client.disconnect())
      )
      assert.strictEqual((yield* Effect.flip(RedisBackend.make({ client }))).reason, "InvalidOption")
    })
  )
})

describe("a cluster that is not there", () => {
  it.live("makes operations fail at once, and health tell why", () =>
    Effect.gen(function* () {
      const backend = yield* makeBackend({ cluster: ["redis://app:hunter2@127.0.0.1:1"] })
      const error = yield* Effect.flip(backend.get("a", Codec.msgpack))
      assert.strictEqual(error.reason, "Unavailable")
      assert.strictEqual(error.message, "not connected to Redis at cluster of 127.0.0.1:1: no node answers")
      assert.strictEqual(yield* reasonOf(Stream.runDrain(backend.scan(KeyPattern.make("a", "*")))), "Unavailable")
      const health = yield* backend.health
      assert.isFalse(health.healthy)
      assert.notInclude(JSON.stringify(health), "hunter2")
    })
  )

  it.live("may be described by what cannot be", () =>
    Effect.gen(function* () {
      const host = "127.0.0.1"
      for (const options of [
        { cluster: [] },
        { cluster: [{ host: "" }] },
        { cluster: [{ host, port: 0 }] },
        { cluster: ["redis://:hunter2@h:port"] },
        { cluster: ["redis://:hunter2@h/3"] },
        { sentinels: [], name: "a" },
        { sentinels: [{ host }], name: "" },
        { sentinels: [{ host }], name: "a", db: -1 }
      ]) {
        const error = yield* Effect.flip(RedisBackend.make(options))
        assert.isTrue(CacheError.isCacheError(error))
        assert.strictEqual(error.reason, "InvalidOption")
        assert.notInclude(JSON.stringify(error), "hunter2")
      }
    })
  )
})

describe("a cluster of its own", { concurrent: true }, () => {
  it.live("lets in who has the rights of one server, and CLUSTER NODES and MYID; by options or the first URL", () =>
    Effect.gen(function* () {
      const commands = "get mget getrange pttl scan evalsha eval time info ping hello client cluster|nodes cluster|myid"
      const inScripts = "set setrange unlink pexpire publish subscribe"
      const rights = `${commands} ${inScripts}`.split(" ").map((name) => `+${name}`)
      const user = ["--user", "app", "on", ">p@ss", "~*", "&tiercache:*", "-@all", ...rights]
      const { addresses } = yield* RedisCluster.make({ primaries: 2, replicas: 0, args: user })
      const urls = addresses.map(
        ({ host, port }, index) => `redis://${index === 0 ? "app:p%40ss@" : ""}${host}:${port}`
      )
      for (const options of [{ cluster: urls }, { cluster: addresses, username: "app", password: "p@ss" }]) {
        const { backend, hears } = yield* makeListening(options)
        yield* hears(isConnected)
        const keys = keysOf(20)
        for (const key of keys) assert.isTrue(yield* set(backend, key, 1))
        yield* Effect.forEach(keys, (key) => hears(mentions(key)))
        assert.deepStrictEqual(yield* Stream.runCollect(backend.scan(KeyPattern.make("nothing", "*"))), [])
      }
      const wrong = yield* makeBackend({ cluster: addresses, username: "app", password: "hunter2" })
      const error = yield* Effect.flip(wrong.has("a"))
      assert.strictEqual(error.reason, "Unavailable")
      assert.notInclude(JSON.stringify(error), "hunter2")
    })
  )

  it.live("with a primary that is frozen fails its keys, and holds up no others", () =>
    Effect.gen(function* () {
      // longer than the test: nobody is promoted
      const { addresses, primaryOf } = yield* RedisCluster.make({ replicas: 0, nodeTimeoutMillis: 60_000 })
      const backend = yield* makeBackend({ cluster: addresses, commandTimeout: "300 millis" })
      const keys = keysOf(60)
      const owners = yield* Effect.forEach(keys, primaryOf)
      const frozen = owners[0]
      assert(frozen !== undefined)
      yield* frozen.pause
      const reasons = yield* Effect.forEach(keys, (key) => reasonOf(set(backend, key, 1)), { concurrency: "unbounded" })
      reasons.forEach((reason, index) => {
        if (owners[index] === frozen) assert.oneOf(reason, ["Timeout", "Unavailable"])
        else assert.isUndefined(reason)
      })
      assert.isFalse((yield* backend.health).healthy)
      yield* frozen.resume
      yield* eventually(Effect.map(Effect.result(set(backend, keys[0] ?? "", 2)), Result.isSuccess))
    })
  )

  it.live("with a primary that dies goes on with its replica, and takes it back as one", () =>
    Effect.gen(function* () {
      const { addresses, primaryOf, settled } = yield* RedisCluster.make()
      const backend = yield* makeBackend({ cluster: addresses })
      const [key = "", ...others] = keysOf(20)
      yield* set(backend, key, 1)
      const primary = yield* primaryOf(key)
      yield* primary.kill
      yield* eventually(Effect.map(reasonOf(set(backend, key, 2)), (reason) => reason === undefined))
      assert.strictEqual(yield* get(backend, key), 2)
      yield* primary.restart
      yield* settled
      for (const other of [key, ...others]) assert.isTrue(yield* set(backend, other, 3))
    })
  )
})

describe("clocks of nodes that differ by hours", () => {
  const HOUR_MILLIS = 3_600_000

  it.live("are each counted with where it is the node's turn, also after a redirection", () =>
    Effect.gen(function* () {
      const nodes: Array<FakeNode.FakeNode> = []
      const right = yield* FakeNode.make("right", 0, () => nodes)
      const ahead = yield* FakeNode.make("ahead", HOUR_MILLIS, () => nodes)
      nodes.push(right, ahead)
      right.slots = "0-8000"
      ahead.slots = "8001-16383"
      const backend = yield* makeBackend({ cluster: nodes.map(({ port }) => ({ host: "127.0.0.1", port })) })
      // ARGV of a write: the channel, and the time after which it is too late in microseconds
      const lateness = (node: FakeNode.FakeNode) => {
        const [, , , channel = "", notAfter] = node.scripts.at(-1) ?? []
        assert.isTrue(channel.endsWith(node.id))
        return Number(notAfter) / 1000 - (performance.timeOrigin + performance.now())
      }
      // slots 3300 and 15495
      yield* set(backend, "b", 1)
      assert.approximately(lateness(right), 0, HOUR_MILLIS / 60)
      yield* set(backend, "a", 1)
      assert.approximately(lateness(ahead), HOUR_MILLIS, HOUR_MILLIS / 60)

      right.answer = () => `-MOVED 3300 127.0.0.1:${ahead.port}\r\n`
      yield* set(backend, "b", 2)
      assert.approximately(lateness(right), 0, HOUR_MILLIS / 60)
      assert.approximately(lateness(ahead), HOUR_MILLIS, HOUR_MILLIS / 60)

      // two nodes that send everybody to each other
      ahead.answer = () => `-MOVED 3300 127.0.0.1:${right.port}\r\n`
      assert.strictEqual(yield* reasonOf(set(backend, "b", 3)), "Unavailable")
    })
  )
})
