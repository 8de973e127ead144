import { assert, describe, it } from "@effect/vitest"
import { type CacheBackend, Codec, KeyPattern } from "@tiercache/core"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { isConnected, makeListening } from "./listening.ts"
import { eventually, LONG, makeBackend, makeClient, uniqueKey } from "./support.ts"

type Backend = CacheBackend.CacheBackend["Service"]

const storeAll = Effect.fnUntraced(function* (backend: Backend, prefix: string, count: number) {
  const keys = Array.from({ length: count }, (_, index) => `${prefix}:${index}`)
  yield* backend.setMany(
    keys.map((key) => [key, 1]),
    Codec.msgpack,
    LONG
  )
  return keys.toSorted()
})

const all = (prefix: string) => KeyPattern.make(prefix, "*")

const listed = (backend: Backend, prefix: string) =>
  Effect.map(Stream.runCollect(backend.scan(all(prefix))), (keys) => keys.toSorted())

const sizeOf = (server: RedisServer.RedisServer["Service"]) => Effect.map(server.ask("DBSIZE"), Number)

/** How many SCANs a server has run while an effect did. */
const scansDuring = Effect.fnUntraced(function* <A, E>(url: string, effect: Effect.Effect<A, E>) {
  const client = yield* makeClient(url)
  const scans = Effect.promise(async () =>
    Number(/cmdstat_scan:calls=(\d+)/.exec(await client.info("commandstats"))?.[1] ?? 0)
  )
  const before = yield* scans
  const result = yield* effect
  return { result, scans: (yield* scans) - before }
})

/** A server and a replica of it, behind an address that leads to the one and then to the other. */
const makePair = Effect.gen(function* () {
  const primary = yield* RedisServer.make()
  const replica = yield* RedisServer.make()
  yield* replica.ask("REPLICAOF", "127.0.0.1", primary.port)
  yield* eventually(Effect.map(replica.ask("INFO", "replication"), (info) => /link_status:up/.test(String(info))))
  const proxy = yield* TcpProxy.make({ target: { port: primary.port } })
  const cut = Effect.andThen(proxy.refuse, proxy.cut)
  /** Promotes the replica once it has all that the primary has. */
  const promote = Effect.gen(function* () {
    yield* eventually(Effect.map(primary.ask("WAIT", 1, 1000), (replicas) => replicas === 1))
    yield* eventually(Effect.zipWith(sizeOf(primary), sizeOf(replica), (size, replicated) => size === replicated))
    yield* replica.ask("REPLICAOF", "NO", "ONE")
    yield* proxy.retarget({ port: replica.port })
    yield* proxy.accept
  })
  return { primary, replica, proxy, url: `redis://${proxy.address}`, cut, promote }
})

describe("patterns", { concurrent: true }, () => {
  it.live("what is deleted is deleted and announced in batches", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const { backend, events, hears } = yield* makeListening({ url, deleteBatchSize: 50, scanCount: 20 })
      yield* hears(isConnected)
      const keys = yield* storeAll(backend, "p", 230)
      yield* storeAll(backend, "other", 30)
      const told: Array<CacheBackend.Progress> = []
      const onProgress = (progress: CacheBackend.Progress) => void told.push(progress)
      const pattern = KeyPattern.anyOf([all("p"), all("q")])
      assert.strictEqual(yield* backend.deletePattern(pattern, { onProgress }), 230)
      // for what only an L1 still has
      yield* hears((events) =>
        events.some(
          (event) => typeof event === "object" && event.kind === "pattern" && event.keys.join() === pattern.globs.join()
        )
      )
      const announced = events.flatMap((event) =>
        typeof event === "object" && event.kind === "delete" ? [event.keys] : []
      )
      assert.deepStrictEqual(announced.flat().toSorted(), keys)
      assert.isAtMost(Math.max(...announced.map((keys) => keys.length)), 50)
      assert.isAtLeast(told.length, 4)
      assert.strictEqual(told.at(-1)?.deleted, 230)
      assert.isAtLeast(told.at(-1)?.scanned ?? 0, 230)
    })
  )

  it.live("tell how far they are, while nothing matches too", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const backend = yield* makeBackend({ url, scanCount: 1 })
      yield* storeAll(backend, "other", 500)
      const told: Array<CacheBackend.Progress> = []
      yield* backend.deletePattern(all("p"), { onProgress: (progress) => void told.push(progress) })
      assert.isAtLeast(told.length, 3)
      assert.isAtLeast(told[1]?.scanned ?? 0, (told[0]?.scanned ?? 0) + 50)
    })
  )

  it.live("several of them take one pass", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const backend = yield* makeBackend({ url, scanCount: 20 })
      const prefix = "p"
      yield* storeAll(backend, prefix, 400)
      const one = yield* scansDuring(url, listed(backend, prefix))
      const several = KeyPattern.anyOf(["1*", "2*", "*3", "1?3"].map((pattern) => KeyPattern.make(prefix, pattern)))
      const many = yield* scansDuring(url, Stream.runCollect(backend.scan(several)))
      assert.strictEqual(many.scans, one.scans)
      assert.deepStrictEqual(many.result.toSorted(), one.result.filter(several.matches))
    })
  )

  it.live("a deletion that is interrupted has deleted and announced whole batches, and the next one goes on", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const { backend, events, hears } = yield* makeListening({ url: server.url, deleteBatchSize: 10, scanCount: 10 })
      yield* hears(isConnected)
      yield* storeAll(backend, "p", 300)
      const begun = Deferred.makeUnsafe<void>()
      const onProgress = () => Deferred.doneUnsafe(begun, Effect.void)
      const deletion = yield* Effect.forkChild(backend.deletePattern(all("p"), { onProgress }))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(deletion)
      const left = yield* listed(backend, "p")
      assert.isAbove(left.length, 0)
      assert.isBelow(left.length, 300)
      const announced = () =>
        new Set(events.flatMap((event) => (typeof event === "object" && event.kind === "delete" ? event.keys : [])))
      yield* eventually(Effect.sync(() => announced().size === 300 - left.length))
      assert.strictEqual(yield* backend.deletePattern(all("p")), left.length)
    })
  )

  it.live("are gone on with where they were when the connection was lost, and the server is the same", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const proxy = yield* TcpProxy.make({ target: { port: server.port } })
      const backend = yield* makeBackend({ url: `redis://${proxy.address}`, scanCount: 20 })
      const keys = yield* storeAll(backend, "p", 400)
      const whole = yield* scansDuring(server.url, listed(backend, "p"))
      let found = 0
      const cutOnce = Effect.suspend(() => (++found === 250 ? proxy.cut : Effect.void))
      const cut = yield* scansDuring(
        server.url,
        backend.scan(all("p")).pipe(
          Stream.tap(() => cutOnce),
          Stream.runCollect
        )
      )
      assert.deepStrictEqual(cut.result.toSorted(), keys)
      assert.strictEqual(cut.scans, whole.scans)
    })
  )

  it.live("a scan lists every key once although another server takes over meanwhile", () =>
    Effect.gen(function* () {
      const { cut, primary, promote, url } = yield* makePair
      const backend = yield* makeBackend({ url, scanCount: 20 })
      const keys = yield* storeAll(backend, uniqueKey("p"), 1000)
      const prefix = keys[0]?.split(":").slice(0, 2).join(":") ?? ""
      let found = 0
      const switchOnce = Effect.suspend(() => (++found === 500 ? Effect.andThen(cut, promote) : Effect.void))
      const result = yield* backend.scan(all(prefix)).pipe(
        Stream.tap(() => switchOnce),
        Stream.runCollect
      )
      assert.deepStrictEqual(result.toSorted(), keys)
      assert.isTrue(primary.isRunning())
    })
  )

  it.live("a deletion counts exactly and leaves nothing although another server takes over meanwhile", () =>
    Effect.gen(function* () {
      const { cut, primary, promote, replica, url } = yield* makePair
      const backend = yield* makeBackend({ url, scanCount: 20, deleteBatchSize: 100 })
      yield* storeAll(backend, "p", 1000)
      const isCut = Deferred.makeUnsafe<void>()
      const told: Array<CacheBackend.Progress> = []
      // between two commands: all that is deleted was acknowledged
      const onProgress = (progress: CacheBackend.Progress) => {
        told.push(progress)
        if (told.length !== 4) return
        Effect.runSync(cut)
        Deferred.doneUnsafe(isCut, Effect.void)
      }
      const deletion = yield* Effect.forkChild(backend.deletePattern(all("p"), { onProgress }))
      yield* Deferred.await(isCut)
      yield* promote
      assert.strictEqual(yield* Fiber.join(deletion), 1000)
      assert.strictEqual(yield* sizeOf(replica), 0)
      assert.isAbove(yield* sizeOf(primary), 0)
    })
  )
})
