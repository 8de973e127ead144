/**
 * Reading through a store that fails, hangs or answers late.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheBackend, CacheError, type CacheKey, EntityCache } from "@tiercache/core"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Effect, Fiber, type Scope } from "effect"
import { TestClock } from "effect/testing"

type Backend = CacheBackend.CacheBackend["Service"]

const unavailable = Effect.fail(CacheError.make("test", "Unavailable", "no store"))

/** Two caches over one store; `interfere` replaces methods of the first one's. */
const open = Effect.fnUntraced(function* (interfere: (backend: Backend) => Backend) {
  const shared = yield* MemoryBackend.makeShared()
  const [one, two] = [yield* MemoryBackend.make(shared, "one"), yield* MemoryBackend.make(shared, "two")]
  const make = (backend: Backend) => Effect.provideService(Cache.make(), CacheBackend.CacheBackend, backend)
  return { broken: yield* make(interfere(one.backend)), healthy: yield* make(two.backend), bus: shared.bus }
})

const test = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>) => it.effect(name, body)

const withLeases = (backend: Backend, leases: Partial<Backend["leases"]>): Backend => ({
  ...backend,
  peek: () => undefined,
  peekEntry: () => undefined,
  leases: { ...backend.leases, ...leases }
})

const settled = <A, E>(fiber: Fiber.Fiber<A, E>) => fiber.pollUnsafe() !== undefined

describe("a store that cannot be asked", () => {
  test(
    "leaves callers to their loader, one for all, and nothing is stored",
    Effect.fnUntraced(function* () {
      const { broken, healthy } = yield* open((backend) => withLeases(backend, { take: () => unavailable }))
      let loads = 0
      const loader = Effect.delay(
        Effect.sync(() => ++loads),
        "1 second"
      )
      const callers = yield* Effect.all([1, 2, 3].map(() => Effect.forkChild(broken.lookup("a", loader))))
      yield* TestClock.adjust("1 second")
      for (const caller of callers) {
        const { superseded, tier, value } = yield* Fiber.join(caller)
        assert.deepStrictEqual([value, tier, superseded], [1, "loader", false])
      }
      assert.isUndefined(yield* healthy.get("a"))
      const { errors, inFlight, misses } = broken.metrics()
      assert.deepStrictEqual([errors, inFlight, misses], [1, 0, 3])
    })
  )

  test(
    "fails many keys no more than one",
    Effect.fnUntraced(function* () {
      const { broken } = yield* open((backend) => ({
        ...withLeases(backend, { take: () => unavailable }),
        getMany: () => unavailable
      }))
      const found = yield* broken.getManyOrLoad(["a", "b"], (ids) => Effect.succeed(ids.map((id) => [id, 0] as const)))
      assert.deepStrictEqual(
        [...found],
        [
          ["a", 0],
          ["b", 0]
        ]
      )
    })
  )

  test(
    "is seldom asked for nobody, and nothing is loaded then, since it could not be kept",
    Effect.fnUntraced(function* () {
      let isAway = false
      let asked = 0
      const { broken } = yield* open((backend) => ({
        ...backend,
        leases: {
          ...backend.leases,
          take: (...args) =>
            Effect.suspend(() => {
              asked++
              return isAway ? unavailable : backend.leases.take(...args)
            })
        }
      }))
      const options = { ttl: "1 minute", refreshAhead: "2 minutes" } as const
      yield* broken.getOrLoad("a", Effect.succeed("there"), { ttl: "1 minute" })
      isAway = true
      asked = 0
      for (const seconds of [1, 2]) {
        for (let hits = 0; hits < 20; hits++) {
          assert.strictEqual(yield* broken.getOrLoad("a", Effect.die("not to be loaded"), options), "there")
        }
        assert.strictEqual(asked, seconds)
        yield* TestClock.adjust("1 second")
      }
      const { inFlight, loads } = broken.metrics()
      assert.deepStrictEqual([inFlight, loads], [0, 1])
    })
  )

  test(
    "does not hide what is wrong with the call",
    Effect.fnUntraced(function* () {
      const wrong = Effect.fail(CacheError.make("take", "WrongType", "a lock"))
      const { broken } = yield* open((backend) => withLeases(backend, { take: () => wrong }))
      const error = yield* Effect.flip(broken.getOrLoad("a", Effect.die("not to be loaded")))
      assert.strictEqual(error.reason, "WrongType")
    })
  )

  test(
    "about one key fails no other",
    Effect.fnUntraced(function* () {
      const wrong = Effect.fail(CacheError.make("take", "WrongType", "a lock"))
      const { broken, healthy } = yield* open((backend) =>
        withLeases(backend, {
          take: (keys, ...args) =>
            keys.some((key) => key.endsWith(":lock")) ? wrong : backend.leases.take(keys, ...args)
        })
      )
      let calls = 0
      const load = (ids: ReadonlyArray<CacheKey.Input>) =>
        Effect.sync(() => {
          calls++
          return ids.map((id) => [id, "loaded"] as const)
        })
      const names = Array.from({ length: 30 }, (_, index) => `name:${index}`)
      const error = yield* Effect.flip(broken.getManyOrLoad([...names, "lock"], load))
      assert(error instanceof EntityCache.PartialFailure)
      assert.deepStrictEqual([...error.failures.keys()], ["lock"])
      assert.deepStrictEqual([...error.values.keys()], names)
      for (const value of (yield* healthy.getMany(names)).values()) assert.strictEqual(value, "loaded")
      assert.isAtMost(calls, 5, "not one for each key")
    })
  )

  test(
    "does not keep a lease that was granted unheard",
    Effect.fnUntraced(function* () {
      const { broken, healthy } = yield* open((backend) =>
        withLeases(backend, {
          take: (keys, codec, options) =>
            Effect.andThen(
              backend.leases.take(keys, codec, options),
              Effect.fail(CacheError.make("take", "Timeout", "no answer"))
            )
        })
      )
      const hung = yield* Effect.forkChild(broken.getOrLoad("a", Effect.never), { startImmediately: true })
      assert.strictEqual(yield* healthy.getOrLoad("a", Effect.succeed("here")), "here")
      yield* Fiber.interrupt(hung)
    })
  )
})

describe("a store that fails while a value is loaded", () => {
  test(
    "keeps nobody from the value, nor others from the key",
    Effect.fnUntraced(function* () {
      const { broken, healthy } = yield* open((backend) => withLeases(backend, { fill: () => unavailable }))
      const { superseded, value } = yield* broken.lookup("a", Effect.succeed("loaded"))
      assert.deepStrictEqual([value, superseded], ["loaded", false])
      assert.strictEqual(broken.metrics().errors, 1)
      assert.strictEqual(yield* healthy.getOrLoad("a", Effect.succeed("here")), "here")
    })
  )

  test(
    "does not end the load when a renewal fails",
    Effect.fnUntraced(function* () {
      let failures = 0
      const { broken, healthy } = yield* open((backend) =>
        withLeases(backend, {
          renew: (...args) => Effect.suspend(() => (++failures % 2 === 1 ? unavailable : backend.leases.renew(...args)))
        })
      )
      const caller = yield* Effect.forkChild(broken.getOrLoad("a", Effect.as(Effect.sleep("1 minute"), "loaded")))
      for (let seconds = 0; seconds < 60; seconds += 2) yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(caller), "loaded")
      assert.strictEqual(yield* healthy.get("a"), "loaded")
      assert.isAbove(failures, 10)
    })
  )

  test(
    "lets callers have what is stale, if it can be read",
    Effect.fnUntraced(function* () {
      const { broken, healthy } = yield* open((backend) => withLeases(backend, { take: () => unavailable }))
      const options = { ttl: "1 second", grace: "1 minute" } as const
      yield* healthy.getOrLoad("a", Effect.succeed("old"), options)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* broken.getOrLoad("a", Effect.fail("down"), options), "old")
      assert.strictEqual(yield* Effect.flip(broken.getOrLoad("b", Effect.fail("down"), options)), "down")
    })
  )
})

/** In full more than a call may have arguments; otherwise enough to notice work that grows with their square. */
const VERY_MANY = process.env.TIERCACHE_TEST_FULL === "1" ? 130_000 : 8000

describe("a store with very many keys", () => {
  test(
    "is waited for and left",
    Effect.fnUntraced(function* () {
      const { broken: a, healthy: b } = yield* open((backend) => withLeases(backend, {}))
      const ids = Array.from({ length: VERY_MANY }, (_, index) => `id:${index}`)
      const load = (ids: ReadonlyArray<CacheKey.Input>) => Effect.succeed(ids.map((id) => [id, 1] as const))
      const first = yield* Effect.forkChild(
        a.getManyOrLoad(ids, (ids) => Effect.delay(load(ids), "1 second")),
        { startImmediately: true }
      )
      const second = yield* Effect.forkChild(b.getManyOrLoad(ids, load), { startImmediately: true })
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      assert.strictEqual((yield* Fiber.join(second)).size, ids.length)
    })
  )
})

describe("a store that answers late", () => {
  test(
    "does not give those who come after a delete what it had before",
    Effect.fnUntraced(function* () {
      const { broken, healthy } = yield* open((backend) => ({
        ...withLeases(backend, {}),
        getMany: (keys, codec, options) => Effect.tap(backend.getMany(keys, codec, options), Effect.sleep("1 second"))
      }))
      yield* healthy.set("a", "old")
      const elsewhere = yield* Effect.forkChild(healthy.refresh("a", Effect.as(Effect.sleep("1 second"), "new")), {
        startImmediately: true
      })
      const before = yield* Effect.forkChild(broken.refresh("a", Effect.die("not to be loaded")), {
        startImmediately: true
      })
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual(yield* Fiber.join(elsewhere), "new")
      yield* healthy.delete("a")
      assert.strictEqual(yield* broken.refresh("a", Effect.succeed("newest")), "newest")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(before), "new")
    })
  )
})

describe("a store that does not answer", () => {
  test(
    "is bound by the hard time-out, and left alone when nobody waits any more",
    Effect.fnUntraced(function* () {
      const { broken } = yield* open((backend) => withLeases(backend, { take: () => Effect.never }))
      const caller = yield* Effect.forkChild(
        Effect.flip(broken.getOrLoad("a", Effect.die("not to be loaded"), { hardTimeout: "1 second" }))
      )
      yield* TestClock.adjust("999 millis")
      assert.isFalse(settled(caller))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(caller)).reason, "Timeout")
      assert.strictEqual(broken.metrics().inFlight, 0)
    })
  )

  test(
    "keeps nobody longer than the soft time-out from what this process holds",
    Effect.fnUntraced(function* () {
      let isFrozen = false
      const { broken } = yield* open((backend) => ({
        ...backend,
        get: () => Effect.never,
        leases: {
          ...backend.leases,
          take: (...args) => Effect.suspend(() => (isFrozen ? Effect.never : backend.leases.take(...args)))
        }
      }))
      const options = { ttl: "1 second", grace: "1 minute", softTimeout: "100 millis" } as const
      yield* broken.getOrLoad("a", Effect.succeed("old"), options)
      yield* TestClock.adjust("2 seconds")
      isFrozen = true
      const caller = yield* Effect.forkChild(broken.getOrLoad("a", Effect.die("not to be loaded"), options))
      yield* TestClock.adjust("99 millis")
      assert.isFalse(settled(caller))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(caller), "old")
    })
  )

  test(
    "does not end a load for nobody because a caller who joined it has gone",
    Effect.fnUntraced(function* () {
      const { broken } = yield* open((backend) => ({
        ...backend,
        leases: { ...backend.leases, take: (...args) => Effect.delay(backend.leases.take(...args), "1 second") }
      }))
      const options = { ttl: "1 second", grace: "1 minute" } as const
      const first = yield* Effect.forkChild(broken.getOrLoad("a", Effect.succeed("old"), options))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(first)
      const load = Effect.succeed("new")
      assert.strictEqual(yield* broken.getOrLoad("a", load, { ...options, staleWhileRevalidate: true }), "old")
      const caller = yield* Effect.forkChild(broken.getOrLoad("a", load, options), { startImmediately: true })
      yield* Fiber.interrupt(caller)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* broken.get("a"), "new")
    })
  )

  test(
    "in time to grant a lease has it back when the caller has gone",
    Effect.fnUntraced(function* () {
      const { broken, healthy } = yield* open((backend) =>
        withLeases(backend, {
          take: (keys, codec, options) => Effect.tap(backend.leases.take(keys, codec, options), Effect.sleep("1 hour"))
        })
      )
      const caller = yield* Effect.forkChild(broken.getOrLoad("a", Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(caller)
      assert.strictEqual(yield* healthy.getOrLoad("a", Effect.succeed("here")), "here")
    })
  )

  test(
    "for too long fails a load although it was the store that was slow, and all know that it failed",
    Effect.fnUntraced(function* () {
      const { broken, healthy } = yield* open((backend) =>
        withLeases(backend, {
          take: (keys, codec, options) => Effect.delay(backend.leases.take(keys, codec, options), "500 millis")
        })
      )
      const options = { hardTimeout: "2 seconds", backoff: "1 minute" } as const
      const caller = yield* Effect.forkChild(Effect.flip(broken.getOrLoad("a", Effect.never, options)))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(caller)).reason, "Timeout")
      const error = yield* Effect.flip(healthy.getOrLoad("a", Effect.succeed("too early"), options))
      assert.strictEqual(error.reason, "LoadFailed")
      const { inFlight, loadErrors } = broken.metrics()
      assert.deepStrictEqual([inFlight, loadErrors], [0, 1])
    })
  )
})

describe("a cache that loses touch with the bus", () => {
  test(
    "serves nothing stale that was there when the load began, and is not now",
    Effect.fnUntraced(function* () {
      const { broken, bus, healthy } = yield* open((backend) => withLeases(backend, {}))
      const options = { ttl: "1 second", grace: "1 minute", staleWhileRevalidate: true } as const
      yield* broken.getOrLoad("a", Effect.succeed("old"), options)
      yield* TestClock.adjust("2 seconds")
      const loader = Effect.as(Effect.sleep("10 seconds"), "new")
      assert.strictEqual(yield* broken.getOrLoad("a", loader, options), "old")
      bus.setFaults({ drop: () => true })
      yield* healthy.delete("a")
      const late = yield* Effect.forkChild(broken.getOrLoad("a", loader, options), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(late), "new")
    })
  )

  test(
    "does not let new callers share what it may have missed the end of",
    Effect.fnUntraced(function* () {
      const { broken, bus, healthy } = yield* open((backend) => withLeases(backend, {}))
      const before = yield* Effect.forkChild(broken.getOrLoad("a", Effect.as(Effect.sleep("1 second"), "outdated")), {
        startImmediately: true
      })
      bus.disconnect("one")
      yield* healthy.delete("a")
      bus.reconnect("one")
      assert.strictEqual(yield* broken.getOrLoad("a", Effect.succeed("new")), "new")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(before), "outdated")
      assert.strictEqual(yield* healthy.get("a"), "new")
    })
  )
})
