/**
 * Reading through while Redis is away: the loader answers, and when Redis is back all is as before.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheBackend } from "@tiercache/core"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { eventually, PATIENT, reasonOf } from "./support.ts"

type Proxy = TcpProxy.TcpProxy
type Server = RedisServer.RedisServer["Service"]

/** How Redis goes away, and how it comes back. */
const OUTAGES = {
  refused: {
    begin: (_: Proxy, server: Server) => server.kill,
    end: (_: Proxy, server: Server) => server.restart
  },
  frozen: {
    begin: (_: Proxy, server: Server) => server.pause,
    end: (_: Proxy, server: Server) => server.resume
  },
  "held back in both directions": {
    begin: (proxy: Proxy) => proxy.stall(),
    end: (proxy: Proxy) => proxy.pass()
  },
  "swallowed in both directions": {
    begin: (proxy: Proxy) => proxy.drop(),
    end: (proxy: Proxy) => proxy.pass()
  },
  deaf: {
    begin: (proxy: Proxy) => proxy.drop("toServer"),
    end: (proxy: Proxy) => proxy.pass()
  },
  mute: {
    begin: (proxy: Proxy) => proxy.drop("toClient"),
    end: (proxy: Proxy) => proxy.pass()
  }
}

const QUICK = { commandTimeout: "400 millis", connectTimeout: "400 millis" } as const

/** A cache of its own, with a backend of its own. */
const openCache = (options: RedisBackend.Options) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Cache.layer().pipe(Layer.provideMerge(RedisBackend.layer(options))))
    return yield* Effect.provideContext(Effect.all({ cache: Cache.Cache, backend: CacheBackend.CacheBackend }), context)
  })

/** Loaders that count their loads: one that answers at once, and one that waits. */
const makeSource = () => {
  const source = { loads: 0 }
  const gate = Deferred.makeUnsafe<void>()
  const load = Effect.sync(() => `value ${++source.loads}`)
  const held = Effect.tap(load, Deferred.await(gate))
  return Object.assign(source, { load, held, release: Deferred.succeed(gate, undefined) })
}

const CALLERS = 16

/** In hexadecimal. */
const SHA1_LENGTH = 40

/** A lease that nobody ends outlasts the test. */
const LONG_LEASE = { hardTimeout: "1 hour" } as const

const setup = Effect.fnUntraced(function* (options: Pick<RedisBackend.Options, "circuitBreaker">) {
  const server = yield* RedisServer.make()
  const proxy = yield* TcpProxy.make({ target: { port: server.port } })
  const { backend, cache } = yield* openCache({ url: `redis://${proxy.address}`, ...QUICK, ...options })
  return { server, proxy, backend, cache }
})

const many = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.all(
    Array.from({ length: CALLERS }, () => effect),
    { concurrency: "unbounded" }
  )

describe("reading through while Redis is away", { concurrent: true }, () => {
  it.live.each(Object.entries(OUTAGES))("%s", ([, { begin, end }]) =>
    Effect.gen(function* () {
      const { cache, proxy, server } = yield* setup({ circuitBreaker: { minimumFailures: 2, openFor: "200 millis" } })
      const [before, during] = [makeSource(), makeSource()]
      yield* cache.getOrLoad("before", before.load)
      assert.strictEqual(yield* cache.getOrLoad("before", before.load), "value 1")

      // a load that is under way when Redis goes
      const gate = yield* Deferred.make<string>()
      const caught = yield* Effect.forkChild(many(cache.getOrLoad("caught", Deferred.await(gate), LONG_LEASE)))
      yield* eventually(Effect.map(server.ask("EXISTS", "tradecore:caught"), (count) => count === 1))

      yield* begin(proxy, server)
      // all of this settles while Redis is away
      yield* Deferred.succeed(gate, "caught")
      assert.deepStrictEqual(new Set(yield* Fiber.join(caught)), new Set(["caught"]))
      const shared = yield* Effect.forkChild(many(cache.getOrLoad("during", during.held)), { startImmediately: true })
      yield* eventually(Effect.sync(() => during.loads === 1))
      yield* during.release
      assert.deepStrictEqual(new Set(yield* Fiber.join(shared)), new Set(["value 1"]))
      assert.strictEqual(during.loads, 1)
      for (let load = 2; load < 12; load++) {
        assert.strictEqual(yield* cache.getOrLoad("during", during.load, LONG_LEASE), `value ${load}`)
      }
      assert.strictEqual(yield* cache.getOrLoad("before", before.load), "value 2")
      assert.oneOf(yield* reasonOf(cache.set("during", "set")), ["Timeout", "Unavailable"])
      const failing = cache.getOrLoad("during", Effect.fail("no value"))
      assert.strictEqual(yield* Effect.flip(failing), "no value")

      yield* end(proxy, server)
      yield* eventually(Effect.map(reasonOf(cache.has("before")), (reason) => reason === undefined))
      // one load in the fleet again, of what is then stored; on a busy machine, Redis may seem to be away for another moment
      const other = yield* openCache({ url: server.url, ...PATIENT })
      let round = 0
      const isLoadedOnce = Effect.suspend(() => {
        const [key, after] = [`after ${++round}`, makeSource()]
        const both = [cache, other.cache].map((cache) => many(cache.getOrLoad(key, after.load)))
        return Effect.map(Effect.all(both, { concurrency: "unbounded" }), () => after.loads === 1)
      })
      yield* eventually(isLoadedOnce)
      // nothing is left of what was loaded meanwhile, and nobody waits for leases of that time; a server that only could not
      // answer has stored what was loaded with one
      assert.strictEqual(yield* other.cache.getOrLoad("during", Effect.succeed("new")), "new")
      assert.oneOf(yield* other.cache.getOrLoad("caught", Effect.succeed("new")), ["new", "caught"])
    })
  )

  it.live("sends nothing any more once the circuit breaker is open", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make({ target: { port: server.port } })
      // the bus goes another way, so that nothing but commands is counted
      const { backend, cache } = yield* openCache({
        url: `redis://${proxy.address}`,
        busUrl: server.url,
        ...QUICK,
        circuitBreaker: { minimumFailures: 3, openFor: "1 hour" }
      })
      const source = makeSource()
      const load = Effect.suspend(() => cache.getOrLoad(`key ${source.loads}`, source.load))
      const healthy = proxy.bytes("toServer")
      yield* load
      assert.isAbove(proxy.bytes("toServer") - healthy, SHA1_LENGTH)
      yield* server.pause
      const isOpen = Effect.map(backend.health, ({ details }) => details["circuit_breaker"] === "open")
      yield* Effect.repeat(Effect.andThen(load, isOpen), { until: (isOpen) => isOpen })

      const sent = proxy.bytes("toServer")
      const { loads } = source
      const values = yield* Effect.all(Array.from({ length: 100 }, () => load))
      assert.deepStrictEqual(
        values,
        values.map((_, index) => `value ${loads + index + 1}`)
      )
      // a connection that is made anew introduces itself; a hundred commands would name a hundred scripts by their hashes
      assert.isBelow(proxy.bytes("toServer") - sent, values.length * SHA1_LENGTH)
    })
  )
})

describe(
  "a process that loads while Redis is away, and then closes its cache, ends by itself",
  { concurrent: true },
  () => {
    const script = fileURLToPath(new URL("./processes/loads.ts", import.meta.url))

    it.live.each(Object.entries(OUTAGES))("%s", ([, { begin, end }]) =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const proxy = yield* TcpProxy.make({ target: { port: server.port } })
        const exit = yield* Deferred.make<number | string>()
        const child = execFile(process.execPath, [script, `redis://${proxy.address}`], (error) =>
          Deferred.doneUnsafe(exit, Effect.succeed(error?.code ?? 0))
        )
        yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
        let output = ""
        child.stdout?.on("data", (text) => (output += text))
        yield* eventually(Effect.sync(() => output === "opened "))
        yield* begin(proxy, server)
        child.stdin?.write("go on\n")
        assert.strictEqual(yield* Deferred.await(exit), 0)
        assert.strictEqual(output, "opened loaded closed []")
        yield* end(proxy, server)
      })
    )
  }
)
