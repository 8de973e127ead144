import { assert, describe, it } from "@effect/vitest"
import { CacheBackend, Codec, Invalidation } from "@tiercache/core"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect, Fiber } from "effect"
import { Redis } from "ioredis"
import { eventually, makeBackend, makeClient, PATIENT, reasonOf, set, uniqueKey } from "./support.ts"

type Backend = CacheBackend.CacheBackend["Service"]

const read = (backend: Backend) => backend.get("a", Codec.msgpack)

/** How a read ends: with the message of its error, or `undefined`. */
const messageOf = (backend: Backend) =>
  Effect.match(read(backend), { onFailure: ({ message }) => message, onSuccess: () => undefined })

const OPEN = "the circuit breaker is open"

/** Reads that fail until one is not even sent; how they ended. */
const untilOpen = (backend: Backend) =>
  Effect.gen(function* () {
    const messages: Array<string> = []
    yield* eventually(
      Effect.map(messageOf(backend), (message = "fine") => messages.push(message) > 0 && message.includes(OPEN))
    )
    return messages
  })

const stateOf = (backend: Backend) => Effect.map(backend.health, ({ details }) => details["circuit_breaker"])

/** A time that no test lives to see the end of. */
const NEVER = "1 hour"

describe("the circuit breaker", () => {
  it.live("opens when a server freezes, and closes soon after it goes on", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new Redis(server.port)),
        (client) => Effect.sync(() => client.disconnect())
      )
      // ours, and one that is lent and would wait for ever
      for (const connection of [{ url: server.url }, { client }]) {
        const backend = yield* makeBackend({
          ...connection,
          commandTimeout: "100 millis",
          circuitBreaker: { minimumFailures: 2, openFor: "100 millis" }
        })
        assert.strictEqual(yield* stateOf(backend), "closed")
        yield* server.pause
        const messages = yield* untilOpen(backend)
        assert.deepStrictEqual(
          messages.slice(0, 2).map((message) => message.includes("did not answer in time")),
          [true, true]
        )
        const health = yield* backend.health
        assert.isFalse(health.healthy)
        yield* server.resume
        yield* eventually(Effect.map(reasonOf(read(backend)), (reason) => reason === undefined))
        assert.strictEqual(yield* stateOf(backend), "closed")
      }
    })
  )

  it.live("lets writes fail without sending them", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const client = yield* makeClient(server.url)
      const proxy = yield* TcpProxy.make({ target: { port: server.port } })
      const backend = yield* makeBackend({
        url: `redis://${proxy.address}`,
        commandTimeout: "300 millis",
        circuitBreaker: { minimumFailures: 1, openFor: NEVER }
      })
      yield* proxy.drop("toClient")
      yield* untilOpen(backend)
      const key = uniqueKey("a")
      assert.strictEqual(yield* reasonOf(set(backend, key, 1)), "Unavailable")
      assert.strictEqual(yield* reasonOf(backend.delete(key)), "Unavailable")
      assert.strictEqual(yield* Effect.promise(() => client.exists(key)), 0)
    })
  )

  it.live("is closed again by a new connection, whatever became of the old one", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make({ target: { port: server.port } })
      const backend = yield* makeBackend({
        url: `redis://${proxy.address}`,
        commandTimeout: "100 millis",
        circuitBreaker: { minimumFailures: 1, openFor: NEVER }
      })
      yield* proxy.drop()
      yield* untilOpen(backend)
      yield* proxy.pass()
      yield* proxy.cut
      yield* eventually(Effect.map(reasonOf(read(backend)), (reason) => reason === undefined))
    })
  )

  it.live("takes errors that Redis answers for answers", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const client = yield* makeClient(server.url)
      const backend = yield* makeBackend({ url: server.url, circuitBreaker: { minimumFailures: 1, openFor: NEVER } })
      yield* Effect.promise(() => client.rpush("list", "a"))
      yield* Effect.promise(() => client.config("SET", "maxmemory", "1"))
      for (let round = 0; round < 20; round++) {
        assert.strictEqual(yield* reasonOf(backend.get("list", Codec.msgpack)), "WrongType")
        assert.strictEqual(yield* reasonOf(set(backend, uniqueKey("a"), 1)), "Refused")
      }
      assert.strictEqual(yield* stateOf(backend), "closed")
    })
  )

  it.live("does not mind callers who give up", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make({ target: { port: server.port } })
      const backend = yield* makeBackend({
        url: `redis://${proxy.address}`,
        ...PATIENT,
        circuitBreaker: { minimumFailures: 1, openFor: NEVER }
      })
      yield* proxy.delay("50 millis")
      for (let round = 0; round < 20; round++) {
        yield* Fiber.interrupt(yield* Effect.forkChild(read(backend), { startImmediately: true }))
      }
      assert.isUndefined(yield* messageOf(backend))
      assert.strictEqual(yield* stateOf(backend), "closed")
    })
  )

  it.live("sees a server that does not answer, though all callers give up before", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const backend = yield* makeBackend({
        url: server.url,
        commandTimeout: "100 millis",
        circuitBreaker: { minimumFailures: 3, openFor: NEVER }
      })
      yield* server.pause
      for (let round = 0; round < 3; round++) {
        yield* Fiber.interrupt(yield* Effect.forkChild(read(backend), { startImmediately: true }))
      }
      const messages = yield* untilOpen(backend)
      assert.isAtMost(messages.filter((message) => message.includes("did not answer in time")).length, 2)
    })
  )

  it.live("lets a heartbeat be the probe, which comes back", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const context = yield* RedisBackend.make({
        url: server.url,
        commandTimeout: "100 millis",
        circuitBreaker: { minimumFailures: 1, openFor: "100 millis" }
      })
      const backend = Context.get(context, CacheBackend.CacheBackend)
      const bus = Context.get(context, Invalidation.Invalidation)
      const heard: Array<number> = []
      yield* bus.subscribe({
        onMessage: () => {},
        onHeartbeat: (id) => heard.push(id),
        onConnected: () => heard.push(0),
        onDisconnected: () => {}
      })
      yield* eventually(Effect.sync(() => heard.length > 0))
      yield* server.pause
      yield* untilOpen(backend)
      yield* server.resume
      let id = 0
      const beat = Effect.suspend(() => bus.heartbeat(++id))
      yield* eventually(Effect.map(Effect.ignore(beat), () => heard.some((id) => id > 0)))
    })
  )

  it.live("can be left out: then each waits for its own time-out", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const backend = yield* makeBackend({ url: server.url, commandTimeout: "50 millis", circuitBreaker: false })
      assert.strictEqual(yield* stateOf(backend), "off")
      yield* server.pause
      const reads = Array.from({ length: 20 }, () => messageOf(backend))
      const messages = yield* Effect.all(reads, { concurrency: "unbounded" })
      assert.isTrue(messages.every((message) => message?.includes("did not answer in time")))
      assert.notInclude(yield* messageOf(backend), OPEN)
    })
  )

  it.live("is refused if its options make no sense", () =>
    Effect.gen(function* () {
      const url = "redis://127.0.0.1:1"
      for (const circuitBreaker of [{ minimumFailures: 0 }, { failureRate: 2 }, { openFor: "0 millis" }] as const) {
        assert.strictEqual(yield* reasonOf(RedisBackend.make({ url, circuitBreaker })), "InvalidOption")
      }
    })
  )
})
