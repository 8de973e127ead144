import { assert, layer } from "@effect/vitest"
import { CacheError } from "@tiercache/core"
import { RedisCluster } from "@tiercache/core/testing"
import { RedisPersistence } from "@tiercache/redis-backend"
import { Duration, Effect, Exit, Fiber, Layer, Queue } from "effect"
import { Persistence, PersistedQueue, RateLimiter, Redis } from "effect/persistence"
import * as Suite from "./persistence/Suite.ts"
import { eventually, PATIENT, uniqueKey } from "./support.ts"

const overCluster = (options: Partial<RedisPersistence.Options> = {}) =>
  Layer.unwrap(
    RedisCluster.RedisCluster.useSync(({ addresses }) =>
      RedisPersistence.layer({ cluster: addresses, ...PATIENT, ...options })
    )
  )

const increment = Redis.script((key: string, by: number) => [key, by], {
  numberOfKeys: 1,
  lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])"
}).withReturnType<number>()

const keysOf = (name: string) => Array.from({ length: 30 }, (_, index) => `${name}:${index}`)

Suite.suite("Effect's stores on Redis Cluster, with hash tags", Layer.provide(overCluster(), RedisCluster.layer()), {
  tag: true
})

layer(RedisCluster.layer(), { excludeTestServices: true })("Effect's Redis service on Redis Cluster", (it) => {
  it.effect("commands and scripts go where their keys are; some may have keys on all nodes", () =>
    Effect.gen(function* () {
      const redis = yield* Suite.serviceOf(overCluster())
      const name = uniqueKey("spread")
      const keys = keysOf(name)
      yield* Effect.forEach(keys, (key, index) => redis.send("SET", key, String(index)))
      assert.deepStrictEqual(yield* redis.send("MGET", ...keys, `${name}:none`), [
        ...keys.map((_, index) => String(index)),
        null
      ])
      assert.strictEqual(yield* redis.send("EXISTS", ...keys), 30)
      assert.deepStrictEqual(
        [...(yield* redis.send<ReadonlyArray<string>>("KEYS", `${name}:*`))].toSorted(),
        keys.toSorted()
      )
      assert.deepStrictEqual(
        yield* Effect.forEach(keys, (key) => redis.eval(increment)(key, 1)),
        [...keys.keys()].map((index) => index + 1)
      )
      assert.strictEqual(yield* redis.send("DEL", ...keys), 30)
      assert.deepStrictEqual(yield* redis.send("KEYS", `${name}:*`), [])
      assert.strictEqual(yield* redis.send("DBSIZE"), 0)
    })
  )

  it.effect("SCAN goes through the node of a hash tag, and is refused without one", () =>
    Effect.gen(function* () {
      const { send } = yield* Suite.serviceOf(overCluster())
      const tag = `{${uniqueKey("tag")}}`
      yield* Effect.forEach(keysOf(tag), (key) => send("SET", key, "1"))
      const found = yield* send<[string, ReadonlyArray<string>]>("SCAN", "0", "MATCH", `${tag}:*`, "COUNT", "10000")
      assert.deepStrictEqual([...found[1]].toSorted(), keysOf(tag).toSorted())
      const { cause } = yield* Effect.flip(send("SCAN", "0", "MATCH", "*:ids"))
      assert.isTrue(CacheError.isCacheError(cause) && cause.reason === "Unsupported")
    })
  )

  it.effect("MOVED and NOSCRIPT reach nobody: slots move, and a replica takes over, while all goes on", () =>
    Effect.gen(function* () {
      const cluster = yield* RedisCluster.RedisCluster
      const redis = yield* Suite.serviceOf(overCluster())
      const key = uniqueKey("moving")
      const channel = uniqueKey("channel")
      const messages = yield* redis.subscribe(channel)
      const from = yield* cluster.primaryOf(key)
      const to = (yield* cluster.primaries).find((node) => node !== from)
      assert(to !== undefined)
      assert.strictEqual(yield* redis.eval(increment)(key, 1), 1)
      const slot = Number(yield* from.ask("CLUSTER", "KEYSLOT", key))
      yield* cluster.moveSlots({ from, to, first: slot, last: slot })
      assert.strictEqual(yield* redis.eval(increment)(key, 1), 2)
      assert.strictEqual(yield* redis.send("INCR", key), 3)
      const [replica] = yield* cluster.replicasOf(to)
      assert(replica !== undefined)
      yield* cluster.failover(replica)
      assert.strictEqual(yield* redis.eval(increment)(key, 1), 4)
      const heard = Effect.map(redis.send("PUBLISH", channel, "still here"), () => Queue.sizeUnsafe(messages) > 0)
      yield* eventually(heard)
      assert.deepStrictEqual(yield* Queue.take(messages), { channel, message: "still here" })
    })
  )

  it.effect("reserve: the connection goes where the key is, also after it has moved", () =>
    Effect.gen(function* () {
      const cluster = yield* RedisCluster.RedisCluster
      const redis = yield* Suite.serviceOf(overCluster())
      const pop = (key: string) =>
        Effect.gen(function* () {
          const connection = yield* redis.reserve
          const popped = yield* Effect.forkChild(connection.send("BLPOP", key, "0"))
          const primary = yield* cluster.primaryOf(key)
          const isBlocked = Effect.map(primary.ask("CLIENT", "LIST"), (list) => String(list).includes("cmd=blpop"))
          yield* eventually(isBlocked)
          yield* redis.send("RPUSH", key, "value")
          assert.deepStrictEqual(yield* Fiber.join(popped), [key, "value"])
        }).pipe(Effect.scoped)
      const keys = keysOf(uniqueKey("list")).slice(0, 6)
      yield* Effect.forEach(keys, pop)
      const key = uniqueKey("moving list")
      const from = yield* cluster.primaryOf(key)
      const to = (yield* cluster.primaries).find((node) => node !== from)
      assert(to !== undefined)
      const slot = Number(yield* from.ask("CLUSTER", "KEYSLOT", key))
      yield* cluster.moveSlots({ from, to, first: slot, last: slot })
      yield* pop(key)
    })
  )

  it.effect("reserve: who is interrupted while its node is asked leaves no connection behind", () =>
    Effect.gen(function* () {
      const cluster = yield* RedisCluster.RedisCluster
      const redis = yield* Suite.serviceOf(overCluster({ connectionName: "reserving" }))
      const key = uniqueKey("asked")
      const node = yield* cluster.primaryOf(key)
      yield* redis.send("EXISTS", key)
      yield* node.pause
      const reserved = Effect.scoped(Effect.flatMap(redis.reserve, ({ send }) => send("EXISTS", key)))
      for (let round = 0; round < 3; round++) {
        const asking = yield* Effect.forkChild(reserved, { startImmediately: true })
        yield* Effect.sleep("10 millis")
        yield* Fiber.interrupt(asking)
      }
      yield* node.resume
      // connects after all that was asked before
      yield* reserved
      const list = String(yield* node.ask("CLIENT", "LIST"))
      assert.strictEqual(list.split("name=reserving").length - 1, 2)
    })
  )

  it.effect("what has keys in several slots and no hash tag fails, and says why; all else works without", () =>
    Effect.gen(function* () {
      const redis = yield* Suite.serviceOf(overCluster())
      const provided = Layer.succeed(Redis.Redis, redis)
      const backing = yield* Effect.provide(
        Persistence.BackingPersistence,
        Layer.provide(Persistence.layerBackingRedis, provided)
      )
      const store = yield* backing.make(uniqueKey("untagged"))
      const keys = ["a", "b", "c", "d"] as const
      yield* Effect.forEach(keys, (key) => store.set(key, { key }, Duration.hours(1)))
      const found: ReadonlyArray<unknown> = yield* store.getMany([...keys])
      assert.deepStrictEqual(
        found,
        keys.map((key) => ({ key }))
      )
      yield* store.clear
      const many = yield* Effect.flip(
        store.setMany([
          ["a", {}, undefined],
          ["b", {}, undefined],
          ["c", {}, undefined]
        ])
      )
      assert.include(String(many.cause), "CROSSSLOT")

      const limits = yield* Effect.provide(RateLimiter.make, Layer.provide(RateLimiter.layerStoreRedis(), provided))
      const limit = { key: "user", limit: 2, window: "1 hour" } as const
      assert.strictEqual((yield* limits.consume({ ...limit, algorithm: "fixed-window" })).remaining, 1)
      const { reason } = yield* Effect.flip(limits.consume({ ...limit, algorithm: "token-bucket" }))
      assert.strictEqual(reason._tag, "RateLimitStoreError")

      const queues = yield* Effect.provide(
        PersistedQueue.PersistedQueueStore,
        Layer.provide(PersistedQueue.layerStoreRedis(), provided)
      )
      const offered = { name: uniqueKey("jobs"), id: "one", element: 1, isCustomId: true }
      const offer = yield* Effect.exit(queues.offer(offered))
      assert.isTrue(Exit.isFailure(offer))
    })
  )

  it.effect("a subscription moves to another node when its own dies", () =>
    Effect.gen(function* () {
      const cluster = yield* RedisCluster.RedisCluster
      const redis = yield* Suite.serviceOf(overCluster())
      const channel = uniqueKey("dying")
      const messages = yield* redis.subscribe(channel)
      const hears = (node: RedisCluster.Node) =>
        Effect.map(node.ask("PUBSUB", "NUMSUB", channel), (counts) => String(counts).endsWith(",1"))
      const [node] = yield* Effect.filter(yield* cluster.primaries, hears)
      assert(node !== undefined)
      yield* node.kill
      const heard = Effect.map(
        Effect.exit(redis.send("PUBLISH", channel, "moved")),
        () => Queue.sizeUnsafe(messages) > 0
      )
      yield* eventually(heard)
      assert.deepStrictEqual(yield* Queue.take(messages), { channel, message: "moved" })
    })
  )
})
