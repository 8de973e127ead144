import { assert, layer } from "@effect/vitest"
import { CacheError } from "@tiercache/core"
import { RedisSentinel, RedisServer, TcpProxy } from "@tiercache/core/testing"
import { RedisPersistence } from "@tiercache/redis-backend"
import { Effect, Exit, Fiber, Layer, Queue, Scope } from "effect"
import { Redis } from "effect/persistence"
import * as Suite from "./persistence/Suite.ts"
import { eventually, PATIENT, uniqueKey } from "./support.ts"

const overServer = (options: Partial<RedisPersistence.Options> = {}) =>
  Layer.unwrap(RedisServer.RedisServer.useSync(({ url }) => RedisPersistence.layer({ url, ...PATIENT, ...options })))

Suite.suite("Effect's stores on Redis", Layer.provide(overServer(), RedisServer.layer()), { tag: false })

const increment = Redis.script((key: string, by: number) => [key, by], {
  numberOfKeys: 1,
  lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])"
}).withReturnType<number>()

layer(RedisServer.layer(), { excludeTestServices: true })("Effect's Redis service", (it) => {
  it.effect("replies have the forms of RESP2", () =>
    Effect.gen(function* () {
      const { send } = yield* Suite.serviceOf(overServer())
      const key = uniqueKey("forms")
      assert.strictEqual(yield* send("SET", `${key}:text`, "grün"), "OK")
      assert.strictEqual(yield* send("get", `${key}:text`), "grün")
      assert.isNull(yield* send("GET", `${key}:none`))
      assert.strictEqual(yield* send("HSET", `${key}:hash`, "a", "1", "b", "2"), 2)
      assert.deepStrictEqual(yield* send("HGETALL", `${key}:hash`), ["a", "1", "b", "2"])
      assert.deepStrictEqual(yield* send("HGETALL", `${key}:none`), [])
      assert.strictEqual(yield* send("ZADD", `${key}:set`, "1.5", "a", "2", "b"), 2)
      assert.deepStrictEqual(yield* send("ZRANGE", `${key}:set`, "0", "-1", "WITHSCORES"), ["a", "1.5", "b", "2"])
      assert.deepStrictEqual(yield* send("SCAN", "0", "MATCH", `${key}:t*`, "COUNT", "1000"), ["0", [`${key}:text`]])
      assert.deepStrictEqual(yield* send("MGET", `${key}:text`, `${key}:none`), ["grün", null])
    })
  )

  it.effect("errors tell the code, and neither keys nor values", () =>
    Effect.gen(function* () {
      const { send } = yield* Suite.serviceOf(overServer())
      const key = uniqueKey("errors")
      yield* send("SET", key, "secret")
      const wrong = yield* Effect.flip(send("LPUSH", key, "secret"))
      assert.strictEqual(wrong._tag, "RedisError")
      assert.isTrue(CacheError.isCacheError(wrong.cause) && wrong.cause.reason === "WrongType")
      const unknown = yield* Effect.flip(send("NONSENSE", key, "secret"))
      assert.include(String(unknown.cause), "unknown command")
      yield* send("XGROUP", "CREATE", `${key}:stream`, "group", "$", "MKSTREAM")
      const busy = yield* Effect.flip(send("XGROUP", "CREATE", `${key}:stream`, "group", "$"))
      assert.include(String(busy.cause), "BUSYGROUP")
      for (const { cause } of [wrong, unknown, busy]) {
        assert.notInclude(String(cause), "secret")
        assert.notInclude(String(cause), key)
      }
    })
  )

  it.effect("a script runs once, although the server forgets it", () =>
    Effect.gen(function* () {
      const redis = yield* Suite.serviceOf(overServer())
      const run = redis.eval(increment)
      const key = uniqueKey("script")
      for (const expected of [2, 4, 6]) {
        assert.strictEqual(yield* run(key, 2), expected)
        assert.strictEqual(yield* redis.send("SCRIPT", "FLUSH"), "OK")
      }
    })
  )

  it.effect("READONLY is waited out while a server changes its role", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const redis = yield* Suite.serviceOf(RedisPersistence.layer({ url: server.url, ...PATIENT }))
      const key = uniqueKey("role")
      yield* redis.send("SET", key, "1")
      yield* server.ask("REPLICAOF", "127.0.0.1", 1)
      const writes = yield* Effect.forkChild(Effect.all([redis.send("INCR", key), redis.eval(increment)(key, 1)]))
      const refusals = Effect.map(server.ask("INFO", "errorstats"), (info) => /READONLY:count=\d/.test(String(info)))
      yield* eventually(refusals)
      assert.isUndefined(writes.pollUnsafe())
      yield* server.ask("REPLICAOF", "NO", "ONE")
      assert.deepStrictEqual(new Set<unknown>(yield* Fiber.join(writes)), new Set([2, 3]))
    })
  )

  it.effect("a subscription goes on after its connection was lost", () =>
    Effect.gen(function* () {
      const redis = yield* Suite.serviceOf(overServer())
      const channel = uniqueKey("lost")
      const messages = yield* redis.subscribe(channel)
      yield* redis.send("CLIENT", "KILL", "TYPE", "pubsub")
      yield* eventually(Effect.map(redis.send<number>("PUBLISH", channel, "again"), (heard) => heard === 1))
      assert.deepStrictEqual(yield* Queue.take(messages), { channel, message: "again" })
    })
  )

  it.effect("a subscription that Redis does not acknowledge fails, and commands do", () =>
    Effect.gen(function* () {
      const { port } = yield* RedisServer.RedisServer
      const proxy = yield* TcpProxy.make({ target: { host: "127.0.0.1", port } })
      const url = `redis://127.0.0.1:${proxy.port}`
      const redis = yield* Suite.serviceOf(RedisPersistence.layer({ url, commandTimeout: "100 millis" }))
      yield* redis.send("PING")
      yield* Effect.andThen(proxy.refuse, proxy.cut)
      const messages = yield* redis.subscribe(uniqueKey("refused"))
      assert.strictEqual((yield* Effect.flip(Queue.take(messages)))._tag, "RedisError")
      const { cause } = yield* Effect.flip(redis.send("PING"))
      assert.isTrue(CacheError.isCacheError(cause) && cause.reason === "Unavailable")
    })
  )

  it.effect("a subscription that failed has no connection, however often it is tried in one scope", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.RedisServer
      yield* server.ask("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "resetchannels", "+@all")
      const url = `redis://deaf:pw@127.0.0.1:${server.port}`
      const redis = yield* Suite.serviceOf(RedisPersistence.layer({ url, commandTimeout: "100 millis" }))
      for (const name of ["one", "two", "three"]) {
        const messages = yield* redis.subscribe(uniqueKey(name))
        assert.include(String((yield* Effect.flip(Queue.take(messages))).cause), "NOPERM")
      }
      const connections = Effect.map(
        server.ask("CLIENT", "LIST"),
        (list) => String(list).split("user=deaf ").length - 1
      )
      yield* eventually(Effect.map(connections, (count) => count === 1))
    })
  )

  it.effect("reserve: a command that blocks may take longer than others", () =>
    Effect.gen(function* () {
      const [redis, other] = [
        yield* Suite.serviceOf(overServer({ commandTimeout: "300 millis" })),
        yield* Suite.serviceOf(overServer())
      ]
      const key = uniqueKey("long")
      const { send } = yield* redis.reserve
      const popped = yield* Effect.forkChild(send("BLPOP", key, "0"))
      const shared = yield* Effect.flip(redis.send("BLPOP", uniqueKey("none"), "0"))
      assert.isTrue(CacheError.isCacheError(shared.cause) && shared.cause.reason === "Timeout")
      yield* Effect.sleep("1 second")
      assert.isUndefined(popped.pollUnsafe())
      yield* other.send("RPUSH", key, "value")
      assert.deepStrictEqual(yield* Fiber.join(popped), [key, "value"])
    })
  )

  it.effect("reserve: connections are used again, except those that are still busy", () =>
    Effect.gen(function* () {
      const redis = yield* Suite.serviceOf(overServer({ pool: { maxConnections: 1 } }))
      const id = (connection: Redis.Connection) => connection.send<number>("CLIENT", "ID")
      const first = yield* Effect.scoped(Effect.flatMap(redis.reserve, id))
      assert.strictEqual(yield* Effect.scoped(Effect.flatMap(redis.reserve, id)), first)
      const scope = yield* Scope.make()
      const connection = yield* Scope.provide(redis.reserve, scope)
      assert.strictEqual(yield* id(connection), first)
      const key = uniqueKey("busy")
      const blocked = yield* Effect.forkChild(Effect.exit(connection.send("BLPOP", key, "0")))
      const isBlocked = Effect.map(redis.send<string>("CLIENT", "LIST"), (list) => list.includes("cmd=blpop"))
      yield* eventually(isBlocked)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.isFailure(yield* Fiber.join(blocked)))
      yield* redis.send("RPUSH", key, "kept")
      assert.notStrictEqual(yield* Effect.scoped(Effect.flatMap(redis.reserve, id)), first)
      assert.strictEqual(yield* redis.send("LLEN", key), 1)
    })
  )
})

layer(RedisSentinel.layer(), { excludeTestServices: true })("Effect's Redis service on a Sentinel group", (it) => {
  it.effect("follows the group to its new primary: commands, scripts, channels and reserved connections", () =>
    Effect.gen(function* () {
      const group = yield* RedisSentinel.RedisSentinel
      const redis = yield* Suite.serviceOf(RedisPersistence.layer({ sentinels: group.addresses, name: group.name }))
      const key = uniqueKey("switching")
      const messages = yield* redis.subscribe(key)
      yield* redis.eval(increment)(key, 1)
      yield* group.failover
      const isBack = (effect: Effect.Effect<unknown, Redis.RedisError>) =>
        eventually(Effect.map(Effect.exit(effect), Exit.isSuccess))
      yield* isBack(redis.eval(increment)(key, 1))
      yield* isBack(redis.send("SET", key, "1"))
      yield* isBack(Effect.scoped(Effect.flatMap(redis.reserve, ({ send }) => send("SET", key, "2"))))
      const heard = Effect.map(Effect.exit(redis.send<number>("PUBLISH", key, "here")), (exit) =>
        Exit.isSuccess(exit) ? exit.value === 1 : false
      )
      yield* eventually(heard)
      assert.deepStrictEqual(yield* Queue.take(messages), { channel: key, message: "here" })
    })
  )

  it.effect("reserve: fails while no sentinel can be asked, although there is a primary", () =>
    Effect.gen(function* () {
      const group = yield* RedisSentinel.RedisSentinel
      const options = { sentinels: group.addresses, name: group.name, ...PATIENT }
      const redis = yield* Suite.serviceOf(RedisPersistence.layer(options))
      yield* Effect.forEach(group.sentinels, ({ kill }) => kill)
      assert.strictEqual(yield* redis.send("PING"), "PONG")
      const { cause } = yield* Effect.flip(Effect.scoped(Effect.flatMap(redis.reserve, ({ send }) => send("PING"))))
      assert.isTrue(CacheError.isCacheError(cause) && cause.reason === "Unavailable")
    })
  )
})
