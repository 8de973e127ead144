import { assert, layer } from "@effect/vitest"
import { CacheBackend, type CacheError, Invalidation } from "@tiercache/core"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect, Result } from "effect"
import { eventually, get, LONG, makeBackend, makeClient, reasonOf, set, uniqueKey } from "./support.ts"

type Backend = CacheBackend.CacheBackend["Service"]

/** A backend behind a network that can fail. */
const setup = Effect.fnUntraced(function* (options: Pick<RedisBackend.Options, "commandTimeout" | "connectTimeout">) {
  const { port } = yield* RedisServer.RedisServer
  const proxy = yield* TcpProxy.make({ target: { port } })
  return { proxy, backend: yield* makeBackend({ url: `redis://${proxy.address}`, ...options }) }
})

const works = (backend: Backend) => Effect.map(Effect.result(set(backend, uniqueKey("works"), 1)), Result.isSuccess)

/** Fails, for one of the reasons that a network gives. */
const assertFails = (effect: Effect.Effect<unknown, CacheError.CacheError>) =>
  Effect.map(reasonOf(effect), (reason) => assert.oneOf(reason, ["Timeout", "Unavailable"]))

const QUICK = { commandTimeout: "200 millis", connectTimeout: "200 millis" } as const

layer(RedisServer.layer(), { excludeTestServices: true })("over a network that", (it) => {
  it.effect("is slow, the backend opens and works", () =>
    Effect.gen(function* () {
      const { backend, proxy } = yield* setup({})
      yield* proxy.delay("150 millis")
      yield* proxy.cut
      yield* eventually(Effect.map(reasonOf(backend.has("a")), (reason) => reason === "Unavailable"))
      yield* eventually(works(backend))
    })
  )

  it.effect("swallows everything, operations fail in time, and work once it does not", () =>
    Effect.gen(function* () {
      const { backend, proxy } = yield* setup(QUICK)
      const key = uniqueKey("a")
      yield* set(backend, key, "kept")
      for (const direction of ["toServer", "toClient", undefined] as const) {
        yield* proxy.drop(direction)
        yield* assertFails(get(backend, key))
        yield* assertFails(backend.has(key))
        yield* proxy.pass()
        yield* eventually(works(backend))
        assert.strictEqual(yield* get(backend, key), "kept")
      }
    })
  )

  it.effect("accepts connections and says nothing, the backend opens all the same", () =>
    Effect.gen(function* () {
      const { port } = yield* RedisServer.RedisServer
      const proxy = yield* TcpProxy.make({ target: { port } })
      yield* proxy.drop()
      const backend = yield* makeBackend({ url: `redis://${proxy.address}`, ...QUICK })
      yield* assertFails(backend.has("a"))
      yield* proxy.pass()
      yield* eventually(works(backend))
    })
  )

  it.effect("is slow, an operation gets no more time because it has to be sent again", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      // a round trip takes 300 ms, two take longer than an operation may
      const { backend, proxy } = yield* setup({ commandTimeout: "450 millis" })
      const key = uniqueKey("a")
      yield* set(backend, key, "kept")
      yield* proxy.delay("150 millis")
      yield* eventually(Effect.map(Effect.result(backend.has(key)), Result.isSuccess))
      yield* Effect.promise(() => admin.script("FLUSH"))
      assert.strictEqual(yield* reasonOf(set(backend, key, "late")), "Timeout")
      yield* proxy.pass()
      yield* eventually(works(backend))
      assert.strictEqual(yield* get(backend, key), "kept")
    })
  )

  it.effect("resets connections, no write happens twice", () =>
    Effect.gen(function* () {
      const { backend, proxy } = yield* setup({})
      const counter = uniqueKey("counter")
      let [done, failed] = [0, 0]
      const count = Effect.match(backend.increment(counter, LONG), {
        onSuccess: () => void done++,
        onFailure: () => void failed++
      })
      for (let round = 0; round < 10; round++) {
        yield* eventually(works(backend))
        yield* proxy.delay("3 millis", "toClient")
        const counts = Effect.all(
          Array.from({ length: 50 }, () => count),
          { concurrency: "unbounded" }
        )
        yield* Effect.all([counts, Effect.delay(proxy.cut, `${round} millis`)], { concurrency: 2 })
        yield* proxy.pass()
      }
      yield* eventually(works(backend))
      const value = Number((yield* get(backend, counter)) ?? 0)
      assert.isAtLeast(value, done)
      assert.isAtMost(value, done + failed)
      assert.strictEqual(done + failed, 500)
    })
  )

  it.effect("ends connections from either side, the backend connects anew", () =>
    Effect.gen(function* () {
      const { backend, proxy } = yield* setup(QUICK)
      for (const direction of ["toClient", "toServer"] as const) {
        yield* proxy.halfClose(direction)
        yield* eventually(works(backend))
      }
    })
  )

  it.effect("loses the bus alone, listeners learn of it though commands work", () =>
    Effect.gen(function* () {
      const { port, url } = yield* RedisServer.RedisServer
      const proxy = yield* TcpProxy.make({ target: { port } })
      const context = yield* RedisBackend.make({ url, busUrl: `redis://${proxy.address}`, ...QUICK })
      const backend = Context.get(context, CacheBackend.CacheBackend)
      const events: Array<string> = []
      yield* Context.get(context, Invalidation.Invalidation).subscribe({
        onMessage: ({ keys }) => events.push(...keys),
        onConnected: () => events.push("connected"),
        onDisconnected: () => events.push("disconnected")
      })
      const happened = (...expected: ReadonlyArray<string>) =>
        eventually(Effect.sync(() => events.join(" ") === expected.join(" ")))
      yield* happened("connected")
      yield* proxy.drop("toClient")
      yield* happened("connected", "disconnected")
      assert.isTrue(yield* works(backend))
      yield* proxy.pass()
      yield* happened("connected", "disconnected", "connected")
      const key = uniqueKey("heard")
      yield* set(backend, key, 1)
      yield* happened("connected", "disconnected", "connected", key)
    })
  )
})
