import { assert, describe, it, layer } from "@effect/vitest"
import { type CacheBackend, Script } from "@tiercache/core"
import { RedisCluster, RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import { eventually, makeBackend, reasonOf, set, uniqueKey } from "./support.ts"

type Server = RedisServer.RedisServer["Service"]

const withPolicy = (policy: string) => RedisServer.make({ args: ["--maxmemory-policy", policy] })

const startReplica = Effect.fnUntraced(function* (primary: Server) {
  const replica = yield* RedisServer.make({ args: ["--replicaof", "127.0.0.1", `${primary.port}`] })
  yield* eventually(Effect.map(replica.ask("INFO", "replication"), (info) => String(info).includes("link_status:up")))
  return replica
})

/** Keeps a state, as locks and limits do. */
const COUNT = Script.make<number, null, number>({
  name: "count",
  type: "count",
  lua: `return redis.call("INCR", KEYS[1])`,
  args: () => [],
  reply: Number,
  reducer: () => 0
})

const expectHealth = (health: CacheBackend.Health, expected: Partial<CacheBackend.Health>) =>
  assert.deepInclude(health, { healthy: true, problem: undefined, warnings: [], ...expected })

layer(RedisServer.layer(), { excludeTestServices: true })("health of one server", (it) => {
  it.effect("has nothing to complain of where all is well", () =>
    Effect.gen(function* () {
      const { port, url } = yield* RedisServer.RedisServer
      const health = yield* (yield* makeBackend({ url })).health
      expectHealth(health, {})
      const expected = {
        connected: true,
        endpoint: `127.0.0.1:${port}`,
        db: 0,
        circuit_breaker: "closed",
        role: "primary",
        eviction_policy: "noeviction",
        evicted_keys: 0,
        max_memory_bytes: 0,
        replicas: 0,
        bus: "idle"
      }
      assert.deepInclude(health.details, expected)
      assert.isAbove(Number(health.details["used_memory_bytes"]), 0)
      assert.isAbove(Number(health.details["ping_ms"]), 0)
      assert.isAbove(Number(health.details["clock_error_ms"]), 0)
      assert.doesNotHaveAnyKeys(health.details, ["primaries", "replica_lag_bytes", "bus_problem"])
    })
  )

  it.effect("warns that it knows little, where the user may not INFO", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.RedisServer
      yield* server.ask("ACL", "SETUSER", "mute", "on", ">pw", "~*", "&*", "+@all", "-info")
      const health = yield* (yield* makeBackend({ url: `redis://mute:pw@127.0.0.1:${server.port}` })).health
      const warning = `Redis at 127.0.0.1:${server.port}: INFO is refused, so it is not known which keys may be evicted`
      expectHealth(health, { warnings: [warning] })
      assert.doesNotHaveAnyKeys(health.details, ["version", "role", "replicas"])
    })
  )

  it.effect("does not say that INFO is refused where the circuit breaker has let nothing but the PING through", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.RedisServer
      const circuitBreaker = { minimumFailures: 1, failureRate: 1e-9, openFor: "1 millis" } as const
      const backend = yield* makeBackend({ url: server.url, commandTimeout: "500 millis", circuitBreaker })
      const afterAnOutage = Effect.gen(function* () {
        yield* server.ask("CLIENT", "PAUSE", 800)
        assert.strictEqual(yield* reasonOf(set(backend, uniqueKey("unanswered"), 1)), "Timeout")
        return yield* Effect.repeat(backend.health, { until: ({ details }) => details["circuit_breaker"] === "closed" })
      })
      // now and then the time to probe comes between the two commands
      const health = yield* Effect.repeat(afterAnOutage, { until: ({ warnings }) => warnings.length > 0 })
      const warning = `Redis at 127.0.0.1:${server.port}: INFO got no answer, so it is not known which keys may be evicted`
      expectHealth(health, { warnings: [warning] })
    })
  )

  it.effect("warns of a bus that is away", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const backend = yield* makeBackend({ url, busUrl: "redis://127.0.0.1:1" })
      yield* backend.listen({ onMessage: () => {}, onConnected: () => {}, onDisconnected: () => {} })
      yield* eventually(Effect.map(backend.health, ({ warnings }) => warnings.length > 0))
      expectHealth(yield* backend.health, { warnings: ["the bus is not connected: ECONNREFUSED"] })
    })
  )
})

describe("health", { concurrent: true }, () => {
  it.live("warns of a Redis that evicts any key", () =>
    Effect.gen(function* () {
      const server = yield* withPolicy("allkeys-lru")
      const { healthy, warnings } = yield* (yield* makeBackend({ url: server.url })).health
      assert.isTrue(healthy)
      assert.strictEqual(warnings.length, 1)
      assert.include(warnings[0], `Redis at 127.0.0.1:${server.port}: maxmemory-policy is allkeys-lru: tag indexes`)
    })
  )

  it.live("warns of one that evicts keys with a TTL, once there are locks or limits", () =>
    Effect.gen(function* () {
      const server = yield* withPolicy("volatile-ttl")
      const backend = yield* makeBackend({ url: server.url })
      yield* set(backend, uniqueKey("a"), 1)
      expectHealth(yield* backend.health, {})
      yield* backend.run(COUNT, [uniqueKey("count")], null)
      const warning = "maxmemory-policy is volatile-ttl: locks and limits, which are in use, may be evicted"
      expectHealth(yield* backend.health, { warnings: [`Redis at 127.0.0.1:${server.port}: ${warning}`] })
    })
  )

  it.live("tells of replicas, and warns if fewer follow than were waited for", () =>
    Effect.gen(function* () {
      const primary = yield* RedisServer.make()
      const replica = yield* startReplica(primary)
      const backend = yield* makeBackend({ url: primary.url })
      const replicas = Effect.map(backend.health, ({ details }) => details["replicas"])
      yield* eventually(Effect.map(replicas, (count) => count === 1))
      const { awaitReplicas } = backend
      assert(awaitReplicas !== undefined)
      yield* awaitReplicas(uniqueKey("a"), 1)
      const health = yield* backend.health
      expectHealth(health, {})
      assert.isAtLeast(Number(health.details["replica_lag_bytes"]), 0)
      assert.isAtLeast(Number(health.details["replica_lag_seconds"]), 0)

      yield* replica.kill
      yield* eventually(Effect.map(replicas, (count) => count === 0))
      const warning = `Redis at 127.0.0.1:${primary.port}: 0 replicas follow, and 1 were waited for`
      expectHealth(yield* backend.health, { warnings: [warning] })
    })
  )

  it.live("is bad on a replica, which nothing is written to", () =>
    Effect.gen(function* () {
      const primary = yield* RedisServer.make()
      const replica = yield* startReplica(primary)
      const health = yield* (yield* makeBackend({ url: replica.url })).health
      const problem = `Redis at 127.0.0.1:${replica.port} is a replica, to which nothing is written`
      expectHealth(health, { healthy: false, problem })
      assert.deepInclude(health.details, { connected: true, role: "replica" })
    })
  )

  it.live("is bad while the server is frozen, and says no more than it knows", () =>
    Effect.gen(function* () {
      const server = yield* withPolicy("allkeys-lru")
      const backend = yield* makeBackend({ url: server.url, commandTimeout: "200 millis", circuitBreaker: false })
      yield* server.pause
      const health = yield* backend.health
      expectHealth(health, { healthy: false, problem: `Redis at 127.0.0.1:${server.port} did not answer in time` })
      assert.strictEqual(health.details["connected"], false)
      assert.doesNotHaveAnyKeys(health.details, ["version", "ping_ms", "clock_offset_ms"])
      yield* server.resume
      yield* eventually(Effect.map(backend.health, ({ healthy }) => healthy))
    })
  )
})

describe("a strict backend", { concurrent: true }, () => {
  const opening = (options: Parameters<typeof makeBackend>[0]) => Effect.scoped(makeBackend(options))

  it.live("starts where nothing is evicted", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      for (const strict of [true, "locks"] as const) {
        const backend = yield* makeBackend({ url, strict })
        yield* set(backend, uniqueKey("a"), 1)
      }
    })
  )

  it.live("does not start where any key may be evicted, and leaves no connection behind", () =>
    Effect.gen(function* () {
      const server = yield* withPolicy("allkeys-lfu")
      yield* server.ask("ACL", "SETUSER", "app", "on", ">hunter2", "~*", "&*", "+@all")
      for (const strict of [true, "locks"] as const) {
        const url = `redis://app:hunter2@127.0.0.1:${server.port}`
        const error = yield* Effect.flip(opening({ url, strict, connectionName: "strict" }))
        assert.strictEqual(error.reason, "Unsupported")
        assert.include(error.message, `strict: Redis at 127.0.0.1:${server.port} has maxmemory-policy allkeys-lfu`)
        assert.notInclude(JSON.stringify(error) + String(error.stack), "hunter2")
      }
      const clients = Effect.map(server.ask("CLIENT", "LIST"), String)
      yield* eventually(Effect.map(clients, (list) => !list.includes("name=strict")))
    })
  )

  it.live("starts where only keys with a TTL are evicted, unless locks matter", () =>
    Effect.gen(function* () {
      const { url } = yield* withPolicy("volatile-lru")
      yield* opening({ url, strict: true })
      const error = yield* Effect.flip(opening({ url, strict: "locks" }))
      assert.strictEqual(error.reason, "Unsupported")
      assert.include(error.message, "volatile-lru: locks may be evicted; choose noeviction")
    })
  )

  it.live("does not start without a server, or on one that is frozen", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(opening({ url: "redis://app:hunter2@127.0.0.1:1", strict: true }))
      assert.strictEqual(refused.reason, "Unavailable")
      assert.strictEqual(refused.message, "strict: not connected to Redis at 127.0.0.1:1: ECONNREFUSED")
      const server = yield* RedisServer.make()
      yield* server.pause
      const quick = { commandTimeout: "200 millis", connectTimeout: "200 millis" } as const
      assert.oneOf(yield* reasonOf(opening({ url: server.url, ...quick, strict: true })), ["Timeout", "Unavailable"])
    })
  )

  it.live("does not start where the user may not ask, since it cannot know", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      yield* server.ask("ACL", "SETUSER", "mute", "on", ">pw", "~*", "&*", "+@all", "-info")
      const url = `redis://mute:pw@127.0.0.1:${server.port}`
      const error = yield* Effect.flip(opening({ url, strict: true }))
      assert.strictEqual(error.reason, "Refused")
      assert.include(error.message, "without INFO it cannot be known which keys are evicted")
      yield* opening({ url })
    })
  )

  it.live("does not start on a replica", () =>
    Effect.gen(function* () {
      const replica = yield* startReplica(yield* RedisServer.make())
      const error = yield* Effect.flip(opening({ url: replica.url, strict: true }))
      assert.strictEqual(error.reason, "Unsupported")
      assert.include(error.message, "is a replica")
    })
  )

  it.live("does not start for a demand that nobody knows", () =>
    Effect.gen(function* () {
      // @ts-expect-error there is none of that name
      const error = yield* Effect.flip(opening({ url: "redis://127.0.0.1:1", strict: "lock" }))
      assert.strictEqual(error.reason, "InvalidOption")
    })
  )
})

layer(RedisCluster.layer({ replicas: 0 }), { excludeTestServices: true })("over a cluster", (it) => {
  it.effect("one primary that evicts any key is enough to warn, and not to start", () =>
    Effect.gen(function* () {
      const { addresses, nodes } = yield* RedisCluster.RedisCluster
      const backend = yield* makeBackend({ cluster: addresses, strict: "locks" })
      expectHealth(yield* backend.health, {})
      const [first, second, third] = nodes
      assert(first !== undefined && second !== undefined && third !== undefined)

      yield* second.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
      const health = yield* backend.health
      assert.strictEqual(health.warnings.length, 1)
      assert.include(health.warnings[0], `Redis at 127.0.0.1:${second.port}: maxmemory-policy is allkeys-random`)
      assert.deepInclude(health.details, { primaries: 3, role: "primary", replicas: 0 })
      assert.include(String(health.details["eviction_policy"]), "allkeys-random")
      const one = yield* Effect.flip(Effect.scoped(makeBackend({ cluster: addresses, strict: true })))
      assert.strictEqual(one.reason, "Unsupported")
      assert.include(one.message, `${second.port}`)
      assert.notInclude(one.message, `${first.port}`)

      yield* third.ask("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
      const two = yield* Effect.flip(Effect.scoped(makeBackend({ cluster: addresses, strict: "locks" })))
      for (const { port } of [second, third]) assert.include(two.message, `${port}`)
    })
  )

  it.effect("health names all that are away", () =>
    Effect.gen(function* () {
      const { addresses, nodes } = yield* RedisCluster.RedisCluster
      const backend = yield* makeBackend({ cluster: addresses, commandTimeout: "300 millis", circuitBreaker: false })
      const [first, second] = nodes
      assert(first !== undefined && second !== undefined)
      const frozen = [first, second]
      yield* Effect.forEach(frozen, ({ pause }) => pause)
      const { healthy, problem = "" } = yield* backend.health
      yield* Effect.forEach(frozen, ({ resume }) => resume)
      assert.isFalse(healthy)
      assert.strictEqual(problem.split("; ").length, 2, problem)
      for (const { port } of frozen) assert.include(problem, `127.0.0.1:${port}`)
    })
  )
})
