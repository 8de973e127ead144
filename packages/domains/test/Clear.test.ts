import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheBackend, CacheError, Tag } from "@tiercache/core"
import {
  type Account,
  Clear,
  FencedWrite,
  Lock,
  RateLimit,
  RateLimiter,
  Semaphore,
  User,
  VirtualBroker
} from "@tiercache/domains"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Context, Deferred, Effect, Fiber, Layer, Stream } from "effect"
import * as fc from "fast-check"
import * as Population from "./clear/Population.ts"

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 500 : 25

const inMemory = Cache.layer().pipe(Layer.provideMerge(Layer.suspend(() => MemoryBackend.layer())))

const makeClear = (aggressive: boolean) =>
  Effect.map(Cache.Cache, (cache) => ({ cache, clear: Clear.make(cache, { aggressive }) }))

const keysOf = (cache: Cache.Cache["Service"]) =>
  Effect.map(Stream.runCollect(cache.keys("*")), (keys) => keys.map(String).toSorted())

const ada = { user: "ada", broker: "alpaca", connection: "conn-456", account: "acct-1" }
const bob = { user: "bob", broker: "alpaca", connection: "conn-4567", account: "acct-12" }

describe("clear", () => {
  it.effect("deletes precisely what belongs to whom it is told, whatever the ids look like", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(Population.clearing, ({ isAggressive, operation, population }) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const { cache, clear } = yield* makeClear(isAggressive)
              yield* Population.store(cache, population)
              const kept = population.entries.filter((entry) => !operation.concerns(entry))
              assert.strictEqual(yield* operation.run(clear), population.entries.length - kept.length, operation.name)
              assert.deepStrictEqual(yield* keysOf(cache), kept.map(({ key }) => key.encoded).toSorted())
              assert.strictEqual(yield* operation.run(clear), 0)
            }).pipe(Effect.provide(inMemory))
          )
        ),
        { numRuns: RUNS }
      )
    )
  )

  it.effect("counts each operation on two users", () =>
    Effect.gen(function* () {
      const { cache, clear } = yield* makeClear(false)
      const population = Population.ofAccounts([ada, bob])
      const counts: Array<number> = []
      for (const run of [
        clear.brokerConnection(ada),
        clear.account(ada),
        clear.user("ada"),
        clear.user("nobody"),
        clear.domain("market"),
        clear.all
      ]) {
        yield* Population.store(cache, population)
        counts.push(yield* run)
        yield* clear.all
      }
      assert.deepStrictEqual(counts, [13, 8, 18, 0, 2, 39])
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("takes the user's API responses with it only where that is wanted", () =>
    Effect.gen(function* () {
      for (const aggressive of [false, true]) {
        const { cache, clear } = yield* makeClear(aggressive)
        yield* Population.store(cache, Population.ofAccounts([ada, bob]))
        yield* clear.brokerConnection(ada)
        const left = yield* Stream.runCollect(cache.keysByTag(Tag.user("ada")))
        assert.strictEqual(left.map(String).filter((key) => key.startsWith("api:")).length, aggressive ? 0 : 1)
        yield* clear.all
      }
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("of all leaves locks, semaphores, limits, fenced values, and other prefixes", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const services = yield* Layer.build(
        Layer.mergeAll(FencedWrite.layer(), Lock.layer(), RateLimiter.layer(), Semaphore.layer()).pipe(
          Layer.provide(Layer.succeed(CacheBackend.CacheBackend, backend))
        )
      )
      const { cache, clear } = yield* makeClear(true)
      const other = yield* Cache.make({ prefix: "tradecore2" })
      const policy = RateLimit.fixedWindow("orders", { limit: 5, window: "1 minute" })
      const limiter = Context.get(services, RateLimiter.RateLimiter)
      yield* limiter.consume(policy, "ada")
      const held = yield* Context.get(services, Lock.Lock).acquire("mine")
      const slot = yield* Context.get(services, Semaphore.Semaphore).acquire("some", { limit: 2 })
      yield* other.set("user:profile:ada", 1)
      yield* cache.set("locksmith", 1)
      yield* cache.set("user:profile:ada", 1)
      assert.strictEqual(yield* clear.all, 2)
      yield* held.ensure
      yield* slot.ensure
      assert.strictEqual((yield* limiter.check(policy, "ada")).remaining, 4)
      assert.strictEqual(yield* other.get("user:profile:ada"), 1)
    }).pipe(Effect.scoped, Effect.provide(inMemory))
  )

  it.effect("keeps what is being loaded from being stored", () =>
    Effect.gen(function* () {
      const { cache, clear } = yield* makeClear(false)
      const settings = cache.entity(User.Settings)
      const lists = cache.entity(VirtualBroker.AccountLists)
      const operations = [
        clear.user("ada"),
        clear.domain("vb"),
        clear.brokerConnection(ada),
        clear.account(ada),
        clear.all
      ]
      for (const [index, run] of operations.entries()) {
        const answer = yield* Deferred.make<ReadonlyArray<Account.Account>>()
        const begun = yield* Deferred.make<void>()
        const slow = Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(answer))
        const load = yield* Effect.forkChild(lists.lookup("ada", slow))
        yield* Deferred.await(begun)
        assert.strictEqual(yield* run, 0)
        yield* Deferred.succeed(answer, [])
        assert.isTrue((yield* Fiber.join(load)).superseded, String(index))
        assert.isFalse(yield* lists.has("ada"))
      }
      assert.isUndefined(settings.peek("ada"))
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("refuses a domain that is none, and an id that cannot be", () =>
    Effect.gen(function* () {
      const { cache, clear } = yield* makeClear(false)
      yield* cache.set("user:profile:ada", 1)
      const hostile: ReadonlyArray<unknown> = ["*", "lock", "user:profile", "", undefined]
      for (const domain of hostile) {
        // @ts-expect-error who writes JavaScript may give anything
        const error = yield* Effect.flip(clear.domain(domain))
        assert.deepStrictEqual([CacheError.isCacheError(error), error.reason], [true, "InvalidOption"])
      }
      assert.strictEqual((yield* Effect.flip(clear.user(""))).reason, "InvalidKey")
      assert.strictEqual((yield* Effect.flip(clear.account({ ...ada, connection: "" }))).reason, "InvalidKey")
      assert.isTrue(yield* cache.has("user:profile:ada"))
    }).pipe(Effect.provide(inMemory))
  )
})
