import { assert, describe, it, layer } from "@effect/vitest"
import { CacheBackend, Codec, Invalidation, KeyPattern } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect, Exit, Fiber, Layer, Result, Scope, Stream } from "effect"
import { Redis } from "ioredis"
import { loaded } from "./leasing.ts"
import { eventually, get, LONG, makeBackend, makeClient, PATIENT, reasonOf, set, uniqueKey } from "./support.ts"
import * as certificates from "./certificates.ts"

type Backend = CacheBackend.CacheBackend["Service"]

const onServer = layer(RedisServer.layer(), { excludeTestServices: true })

/** Every operation there is, by name. */
const operations = (backend: Backend, key = uniqueKey("a")) => {
  const pattern = KeyPattern.make("test", "*")
  const { leases } = backend
  const { fill } = leases
  const token = leases.token()
  return {
    get: backend.get(key, Codec.msgpack),
    getMany: backend.getMany([key], Codec.msgpack),
    set: backend.set(key, Codec.msgpack, 1, LONG),
    setMany: backend.setMany([[key, 1]], Codec.msgpack, LONG),
    delete: backend.delete(key),
    deleteMany: backend.deleteMany([key]),
    has: backend.has(key),
    ttl: backend.ttl(key),
    expire: backend.expire(key, LONG.ttl),
    increment: backend.increment(key, LONG),
    scan: Stream.runDrain(backend.scan(pattern)),
    deletePattern: backend.deletePattern(pattern),
    sweep: backend.sweep({ prefix: "test", spared: [], maxAge: "1 day" }),
    take: leases.take([key], Codec.msgpack, { token, millis: 1000, when: "stale" }),
    fill: fill([loaded(key, 1)], { token }),
    renew: leases.renew([key], token, 1000),
    release: leases.release([key], token)
  }
}

/** How each of them ends, at the same time. */
const outcomes = (backend: Backend) =>
  Effect.forEach(
    Object.entries(operations(backend)),
    ([name, operation]) => Effect.map(reasonOf<unknown, never>(operation), (reason) => `${name}: ${reason ?? "fine"}`),
    { concurrency: "unbounded" }
  )

const assertAll = (outcomes: ReadonlyArray<string>, ...reasons: ReadonlyArray<string>) => {
  assert.strictEqual(outcomes.length, 17)
  for (const outcome of outcomes) assert.oneOf(outcome.split(": ").at(-1) ?? "", [...reasons], outcome)
}

const works = (backend: Backend) => Effect.map(Effect.result(set(backend, uniqueKey("works"), 1)), Result.isSuccess)

describe("a server that is not there", () => {
  it.live("makes operations fail at once, and health tell why", () =>
    Effect.gen(function* () {
      const backend = yield* makeBackend({ url: "redis://app:hunter2@127.0.0.1:1" })
      assertAll(yield* outcomes(backend), "Unavailable")
      const error = yield* Effect.flip(backend.get("a", Codec.msgpack))
      assert.strictEqual(error.message, "not connected to Redis at 127.0.0.1:1: ECONNREFUSED")
      const health = yield* backend.health
      assert.isFalse(health.healthy)
      assert.strictEqual(health.problem, error.message)
      assert.strictEqual(health.details["connected"], false)
      assert.notInclude(JSON.stringify(health), "hunter2")
    })
  )

  it.live("is found when it comes up", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      yield* server.kill
      const backend = yield* makeBackend({ url: server.url })
      assert.strictEqual(yield* reasonOf(backend.has("a")), "Unavailable")
      yield* server.restart
      yield* eventually(works(backend))
      assertAll(yield* outcomes(backend), "fine")
    })
  )

  it.live("may have a name that nobody knows", () =>
    Effect.gen(function* () {
      const backend = yield* makeBackend({ url: "redis://no-such-host.invalid", connectTimeout: "100 millis" })
      assertAll(yield* outcomes(backend), "Unavailable")
    })
  )

  it.live("a malformed URL is refused when the layer is built, without quoting its password", () =>
    Effect.gen(function* () {
      for (const options of [
        { url: "redis://app:hunter2@" },
        { url: "redis://localhost", busUrl: "redis://app:hunter2@h:port" },
        { url: "redis://:hunter2@localhost", commandTimeout: "0 millis" },
        { url: "redis://:hunter2@localhost", tls: {} },
        { url: "redis://:hunter2@localhost", scanCount: 0 },
        { url: "redis://:hunter2@localhost", maxKeysPerCommand: 1.5 },
        { url: "redis://:hunter2@localhost", channel: "päpstlich" }
      ] as const) {
        const error = yield* Effect.flip(Layer.build(RedisBackend.layer(options)))
        assert.strictEqual(error.reason, "InvalidOption")
        assert.notInclude(JSON.stringify(error) + String(error.stack), "hunter2")
      }
    })
  )
})

describe("a server that freezes", () => {
  it.live("lets no operation wait for longer than its deadline, and goes on where it was", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const backend = yield* makeBackend({ url: server.url, commandTimeout: "200 millis" })
      const key = uniqueKey("before")
      yield* set(backend, key, "before")
      yield* server.pause
      assertAll(yield* outcomes(backend), "Timeout", "Unavailable")
      assert.isFalse((yield* backend.health).healthy)
      yield* server.resume
      yield* eventually(works(backend))
      assert.strictEqual(yield* get(backend, key), "before")
      assertAll(yield* outcomes(backend), "fine")
    })
  )

  it.live("may be frozen when the backend opens", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      yield* server.pause
      const backend = yield* makeBackend({
        url: server.url,
        commandTimeout: "100 millis",
        connectTimeout: "200 millis"
      })
      assertAll(yield* outcomes(backend), "Timeout", "Unavailable")
      yield* server.resume
      yield* eventually(works(backend))
    })
  )

  it.live("lets no operation on a lent client wait either, whatever its options are", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const client = yield* makeClient(server.url)
      const backend = yield* makeBackend({ client, commandTimeout: "200 millis" })
      yield* set(backend, uniqueKey("a"), 1)
      yield* server.pause
      assertAll(yield* outcomes(backend), "Timeout", "Unavailable")
      yield* server.resume
      yield* eventually(works(backend))
    })
  )
})

describe("a server that freezes and goes on", () => {
  it.live("does not do what was given up meanwhile", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const backend = yield* makeBackend({ url: server.url, commandTimeout: "200 millis" })
      assert.strictEqual(backend.lateMillis, 200)
      const [key, counter] = [uniqueKey("a"), uniqueKey("counter")]
      yield* set(backend, key, "kept")
      yield* server.pause
      const late = [set(backend, key, "late"), backend.delete(key), backend.increment(counter, LONG)]
      const reasons = yield* Effect.forEach(late, (write) => reasonOf<unknown, never>(write), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(reasons, ["Timeout", "Timeout", "Timeout"])
      yield* server.resume
      yield* eventually(works(backend))
      assert.strictEqual(yield* get(backend, key), "kept")
      assert.isFalse(yield* backend.has(counter))
    })
  )
})

describe("a server that refuses writes", () => {
  it.live("because its memory is full still reads and deletes", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const admin = yield* makeClient(url)
      const backend = yield* makeBackend({ url })
      const key = uniqueKey("a")
      yield* set(backend, key, "kept")
      yield* Effect.promise(() => admin.config("SET", "maxmemory", "1"))
      const error = yield* Effect.flip(set(backend, key, "refused"))
      assert.strictEqual(error.reason, "Refused")
      assert.include(error.message, "the memory limit is reached (OOM)")
      assert.strictEqual(yield* get(backend, key), "kept")
      assert.isTrue(yield* backend.delete(key))
      yield* Effect.promise(() => admin.config("SET", "maxmemory", "0"))
      assert.isTrue(yield* works(backend))
    })
  )

  it.live("because it is a replica says so, and is left for a new connection", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const admin = yield* makeClient(url)
      const backend = yield* makeBackend({ url })
      yield* Effect.promise(() => admin.replicaof("127.0.0.1", 1))
      const error = yield* Effect.flip(set(backend, uniqueKey("a"), 1))
      assert.strictEqual(error.reason, "Unavailable")
      assert.include(error.message, "this server is a replica (READONLY)")
      yield* Effect.promise(() => admin.replicaof("NO", "ONE"))
      yield* eventually(works(backend))
    })
  )
})

describe("a server that dies", () => {
  it.live("settles what is under way, and is found again", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const backend = yield* makeBackend({ url: server.url })
      const key = uniqueKey("a")
      yield* set(backend, key, 1)
      yield* server.pause
      const underWay = yield* Effect.forkChild(outcomes(backend), { startImmediately: true })
      yield* server.kill
      assertAll(yield* Fiber.join(underWay), "Unavailable")
      yield* server.restart
      yield* eventually(works(backend))
      assert.isUndefined(yield* get(backend, key))
    })
  )
})

onServer("who logs in", (it) => {
  it.effect("is in the URL: user, password and database", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      const password = "p@ss:w/ord#?%é"
      const rules = ["on", `>${password}`, "~*", "&tiercache:*", "-@all"]
      const commands = [
        "get",
        "mget",
        "exists",
        "pttl",
        "scan",
        "evalsha",
        "eval",
        "time",
        "info",
        "ping",
        "hello",
        "select"
      ]
      const inScripts = ["set", "unlink", "getrange", "setrange", "pexpire", "publish", "subscribe", "client"]
      yield* Effect.promise(() =>
        admin.acl("SETUSER", "app:1", ...rules, ...[...commands, ...inScripts].map((command) => `+${command}`))
      )
      const { host } = new URL(url)
      const login = `redis://${encodeURIComponent("app:1")}:${encodeURIComponent(password)}@${host}/7`
      const backend = yield* makeBackend({ url: login })
      assertAll(yield* outcomes(backend), "fine")
      const key = uniqueKey("db")
      yield* set(backend, key, 1)
      assert.strictEqual(yield* Effect.promise(() => admin.exists(key)), 0)
      yield* Effect.promise(() => admin.select(7))
      assert.strictEqual(yield* Effect.promise(() => admin.exists(key)), 1)
      const { details } = yield* backend.health
      assert.strictEqual(details["db"], 7)
      assert.notInclude(JSON.stringify(details), password)
    })
  )

  it.effect("who is refused reads why, and not the password", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      yield* Effect.promise(() => admin.acl("SETUSER", "known", "on", ">right", "~*", "&*", "+@all"))
      const { host } = new URL(url)
      const wrong = yield* makeBackend({ url: `redis://known:hunter2@${host}` })
      const error = yield* Effect.flip(wrong.has("a"))
      assert.strictEqual(error.reason, "Unavailable")
      assert.include(error.message, "WRONGPASS")
      assert.notInclude(JSON.stringify(error) + String(error.stack), "hunter2")
      // somebody corrects it
      yield* Effect.promise(() => admin.acl("SETUSER", "known", ">hunter2"))
      yield* eventually(works(wrong))
    })
  )

  it.effect("who may not do something reads that", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      yield* Effect.promise(() => admin.acl("SETUSER", "reader", "on", ">pw", "~*", "&*", "+@all", "-@write"))
      const { host } = new URL(url)
      const backend = yield* makeBackend({ url: `redis://reader:pw@${host}` })
      assert.isUndefined(yield* get(backend, uniqueKey("a")))
      const error = yield* Effect.flip(set(backend, uniqueKey("a"), 1))
      assert.strictEqual(error.reason, "Refused")
      // a user who may not even ask for the time cannot compute deadlines
      yield* Effect.promise(() => admin.acl("SETUSER", "timeless", "on", ">pw", "~*", "&*", "+@all", "-time"))
      const timeless = yield* makeBackend({ url: `redis://timeless:pw@${host}` })
      const refused = yield* Effect.flip(get(timeless, uniqueKey("a")))
      assert.include(refused.message, "NOPERM")
      yield* Effect.promise(() => admin.acl("SETUSER", "timeless", "+time"))
      yield* eventually(works(timeless))
    })
  )

  it.effect("a server with a password says that it wants one", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make({ args: ["--requirepass", "s3cret"] })
      const backend = yield* makeBackend({ url: server.url })
      const error = yield* Effect.flip(backend.has("a"))
      assert.include(error.message, "a password is required (NOAUTH)")
      const { host } = new URL(server.url)
      assertAll(yield* outcomes(yield* makeBackend({ url: `redis://:s3cret@${host}` })), "fine")
    })
  )
})

describe("TLS", () => {
  it.live("is what rediss:// means, with the certificate checked", () =>
    Effect.gen(function* () {
      const files = yield* certificates.make
      const server = yield* RedisServer.make({ tls: files })
      const trusting = yield* makeBackend({ url: server.url, tls: { ca: files.certificate } })
      assertAll(yield* outcomes(trusting), "fine")
      const heard = yield* hears(trusting)
      assert.isTrue(heard)
      const strict = yield* makeBackend({ url: server.url, connectTimeout: "1 second" })
      const error = yield* Effect.flip(strict.has("a"))
      assert.strictEqual(error.reason, "Unavailable")
      assert.include(error.message, "SELF_SIGNED_CERT")
    })
  )
})

/** Whether a write comes back over the change feed. */
const hears = (backend: Backend) =>
  Effect.gen(function* () {
    let heard = false
    yield* Effect.forkScoped(
      Stream.runForEach(backend.changes, () => Effect.sync(() => void (heard = true))),
      { startImmediately: true }
    )
    yield* eventually(Effect.map(set(backend, uniqueKey("heard"), 1), () => heard))
    return heard
  })

onServer("a client that is lent", (it) => {
  const listenersOf = (client: Redis) =>
    client.eventNames().map((event) => [String(event), client.listenerCount(event)] as const)

  it.effect("works like one of our own, stays open, and keeps no listener of ours", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const client = yield* makeClient(url)
      yield* eventually(Effect.sync(() => client.status === "ready"))
      const before = listenersOf(client)
      const key = uniqueKey("lent")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const backend = yield* makeBackend({ client })
          assertAll(yield* outcomes(backend), "fine")
          assert.isTrue(yield* hears(backend))
          yield* set(backend, key, 1)
        })
      )
      assert.strictEqual(client.status, "ready")
      assert.deepStrictEqual(listenersOf(client), before)
      assert.strictEqual(yield* Effect.promise(() => client.exists(key)), 1)
      // its bus is gone
      const subscribers = Effect.promise(() => client.pubsub("NUMSUB", "tiercache:1:db0"))
      yield* eventually(Effect.map(subscribers, ([, count]) => Number(count) === 0))
    })
  )

  it.effect("may be lazy, of another database, have no time-outs, or be shared by two backends", () =>
    Effect.gen(function* () {
      const { port } = yield* RedisServer.RedisServer
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new Redis(port, { lazyConnect: true, db: 3, stringNumbers: true })),
        (client) => Effect.sync(() => client.disconnect())
      )
      const [one, other] = [yield* makeBackend({ client }), yield* makeBackend({ client })]
      assertAll(yield* outcomes(one), "fine")
      const key = uniqueKey("shared")
      yield* set(one, key, "shared")
      assert.strictEqual(yield* get(other, key), "shared")
      assert.strictEqual((yield* other.health).details["db"], 3)
    })
  )

  it.effect("is refused if it rewrites keys", () =>
    Effect.gen(function* () {
      const { port } = yield* RedisServer.RedisServer
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new Redis(port, { keyPrefix: "app:" })),
        (client) => Effect.sync(() => client.disconnect())
      )
      const error = yield* Effect.flip(RedisBackend.make({ client }))
      assert.strictEqual(error.reason, "InvalidOption")
    })
  )

  it.effect("that the user closes makes operations fail", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const client = yield* makeClient(url)
      const backend = yield* makeBackend({ client })
      client.disconnect()
      yield* eventually(Effect.map(reasonOf(backend.has("a")), (reason) => reason === "Unavailable"))
    })
  )
})

onServer("a backend that was closed", (it) => {
  it.effect("has left the server, and fails", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      const scope = yield* Scope.make()
      const context = yield* Scope.provide(RedisBackend.make({ url, ...PATIENT, connectionName: "leaving" }), scope)
      const backend = Context.get(context, CacheBackend.CacheBackend)
      const bus = Context.get(context, Invalidation.Invalidation)
      const noop = () => {}
      yield* Scope.provide(bus.subscribe({ onMessage: noop, onConnected: noop, onDisconnected: noop }), scope)
      const connections = Effect.map(
        Effect.promise(() => admin.client("LIST")),
        (list) => String(list).split("name=leaving").length - 1
      )
      yield* eventually(Effect.map(connections, (count) => count === 2))
      yield* Scope.close(scope, Exit.void)
      yield* eventually(Effect.map(connections, (count) => count === 0))
      assert.strictEqual(yield* reasonOf(backend.has("a")), "Unavailable")
    })
  )
})
