/**
 * What a cache counts, by domain and operation.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheBackend, CacheError, Entity, Metrics, Tag } from "@tiercache/core"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Effect, Fiber, Layer, Metric, Schema } from "effect"
import { TestClock } from "effect/testing"

const Quotes = Entity.make("market", "quote", { key: { symbol: Schema.String }, value: Schema.Number, ttl: "1 hour" })
const Bars = Entity.make("market", "bar", {
  key: { symbol: Schema.String },
  value: Schema.Number,
  tags: (symbol) => [Tag.of("symbol", symbol)]
})

/** A cache whose store takes some time to answer, in memory of its own. */
const layer = (options?: Cache.Options, delay: "10 millis" | "60 millis" = "10 millis") => {
  const slowed = Layer.effect(
    CacheBackend.CacheBackend,
    CacheBackend.CacheBackend.useSync((backend) => ({
      ...backend,
      get: (...args) => Effect.delay(backend.get(...args), delay),
      set: (...args) => Effect.delay(backend.set(...args), delay)
    }))
  ).pipe(Layer.provide(MemoryBackend.layer()))
  return Cache.layer(options).pipe(Layer.provide(slowed))
}

const test = <E>(
  name: string,
  body: (cache: Cache.Cache["Service"]) => Effect.Effect<void, E>,
  cacheLayer: Layer.Layer<Cache.Cache, CacheError.CacheError> = layer()
) => it.effect(name, () => Effect.provide(Cache.Cache.use(body), cacheLayer))

/** Runs an operation to its end, whatever time it takes. */
const run = Effect.fnUntraced(function* <A, E>(operation: Effect.Effect<A, E>) {
  const fiber = yield* Effect.forkChild(operation)
  yield* TestClock.adjust("1 second")
  return yield* Fiber.join(fiber)
})

const figures = ({ count, errors, immediate, interrupted, slow }: Metrics.OperationMetrics) => ({
  count,
  errors,
  immediate,
  interrupted,
  slow
})
const NONE = { count: 0, errors: 0, immediate: 0, interrupted: 0, slow: 0 }

describe("Cache.metrics", () => {
  test(
    "counts each entity for itself, all of its handles together, and what is untyped apart",
    Effect.fnUntraced(function* (cache) {
      const [quotes, again, bars] = [cache.entity(Quotes), cache.entity(Quotes), cache.entity(Bars)]
      yield* run(quotes.set("AAPL", 1))
      yield* run(again.get("AAPL"))
      yield* run(again.get("MSFT"))
      yield* run(bars.getOrLoad("AAPL", Effect.succeed(1)))
      yield* run(cache.get("market:quote:AAPL"))
      yield* run(Effect.flip(cache.set("a", () => 1)))
      const { domains, ...all } = cache.metrics()
      assert.deepStrictEqual(Object.keys(domains).toSorted(), ["market:bar", "market:quote", "untyped"])
      const { "market:bar": bar, "market:quote": quote, untyped } = domains
      assert.deepInclude(quote, { l1Hits: 1, hits: 1, misses: 1, hitRate: 0.5, sets: 1, loads: 0, errors: 0 })
      assert.deepInclude(bar, { hits: 0, misses: 1, loads: 1, hitRate: 0 })
      assert.deepInclude(untyped, { hits: 1, misses: 0, errors: 1, sets: 0 })
      assert.deepInclude(all, { hits: 2, misses: 2, hitRate: 0.5, sets: 1, loads: 1, errors: 1 })
      assert.strictEqual(bar?.loadTime.count, 1)
      assert.strictEqual(all.loadTime.count, 1)
    })
  )

  test(
    "times what is not answered at once, and counts what is slow",
    Effect.fnUntraced(function* (cache) {
      yield* run(cache.set("a", 1))
      yield* run(cache.get("a"))
      yield* run(cache.get("b"))
      cache.peek("a")
      cache.peek("b")
      const { operations } = cache.metrics()
      assert.deepStrictEqual(figures(operations.set), { ...NONE, count: 1, slow: 1 })
      assert.deepStrictEqual(figures(operations.get), { ...NONE, count: 2, immediate: 1, slow: 1 })
      assert.deepStrictEqual(figures(operations.peek), { ...NONE, count: 1, immediate: 1 })
      assert.deepInclude(operations.get.latency, { count: 1, sumMillis: 60, minMillis: 60, maxMillis: 60 })
    }),
    layer({ slowOperation: "60 millis" }, "60 millis")
  )

  test(
    "counts every operation under its name, however it ends",
    Effect.fnUntraced(function* (cache) {
      const load = Effect.succeed(1)
      yield* run(cache.set("a", 1, { ttl: "1 hour" }))
      yield* run(
        cache.setMany([
          ["b", 1],
          ["c", 1]
        ])
      )
      yield* run(cache.lookup("a"))
      yield* run(cache.getMany(["a", "x"]))
      yield* cache.getOrLoad("a", load)
      yield* run(cache.getOrLoad("d", load))
      yield* run(cache.lookup("e", load))
      yield* run(Effect.flip(cache.getOrLoad("f", Effect.fail("down"))))
      yield* cache.getManyOrLoad(["a", "b"], () => Effect.succeed([]))
      yield* run(cache.getManyOrLoad(["a", "g"], () => Effect.succeed([["g", 1]])))
      yield* run(cache.refresh("a", load))
      yield* cache.has("a")
      yield* cache.ttl("a")
      yield* cache.expire("a", "1 minute")
      yield* cache.increment("n")
      yield* cache.delete("a")
      yield* cache.deleteMany(["b", "c"])
      yield* cache.deletePattern("d*")
      yield* cache.deleteTags([Tag.of("x", "y")])
      const fiber = yield* Effect.forkChild(cache.get("z"), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      const { operations } = cache.metrics()
      const { getManyOrLoad, getOrLoad, get, peek, ...once } = operations
      assert.deepStrictEqual(figures(peek), NONE)
      assert.deepStrictEqual(figures(get), { ...NONE, count: 2, interrupted: 1 })
      assert.deepStrictEqual(figures(getOrLoad), { ...NONE, count: 4, immediate: 1, errors: 1 })
      assert.deepStrictEqual(figures(getManyOrLoad), { ...NONE, count: 2, immediate: 1 })
      for (const [name, operation] of Object.entries(once)) {
        assert.deepStrictEqual(figures(operation), { ...NONE, count: 1 }, name)
      }
      assert.deepInclude(Metrics.summary(cache.metrics()), {
        total_operations: 20,
        cache_clears: 2,
        keys_deleted: 4,
        slow_operations: 0
      })
    })
  )

  test(
    "sums up in the figures of a dashboard",
    Effect.fnUntraced(function* (cache) {
      yield* run(cache.set("a", 1))
      yield* run(cache.get("b"))
      for (const _ of [1, 2, 3]) cache.peek("a")
      const { uptime_seconds, ...summary } = Metrics.summary(cache.metrics())
      assert.deepStrictEqual(summary, {
        hits: 3,
        misses: 1,
        errors: 0,
        hit_rate: 75,
        slow_operations: 0,
        total_operations: 5,
        avg_latency_ms: 10,
        cache_clears: 0,
        keys_deleted: 0
      })
      assert.strictEqual(uptime_seconds, 2)
    })
  )

  test(
    "begins again at a reset, in handles that there are already",
    Effect.fnUntraced(function* (cache) {
      const quotes = cache.entity(Quotes)
      yield* run(quotes.set("AAPL", 1))
      yield* run(quotes.getOrLoad("MSFT", Effect.succeed(1)))
      quotes.peek("AAPL")
      cache.resetMetrics()
      const { backend, domains, uptimeMillis, ...all } = cache.metrics()
      const facts = { inFlight: 0, backend, uptimeMillis }
      assert.deepStrictEqual({ ...all, domains: {}, ...facts }, Metrics.snapshot(new Map(), facts))
      assert.strictEqual(uptimeMillis, 2000)
      quotes.peek("AAPL")
      assert.strictEqual(cache.metrics().domains["market:quote"]?.operations.peek.immediate, 1)
      assert.isDefined(domains["market:quote"])
    })
  )

  it.effect(
    "is all zero, and nothing is shown, if it is switched off",
    Effect.fnUntraced(function* () {
      const registry: Metric.MetricRegistry = new Map()
      const use = (cache: Cache.Cache["Service"]) =>
        Effect.gen(function* () {
          yield* run(cache.entity(Quotes).set("AAPL", 1))
          yield* run(cache.entity(Quotes).getOrLoad("MSFT", Effect.succeed(1)))
          yield* run(cache.get("a"))
          return [cache.metrics(), registry.size] as const
        })
      const of = (options: Cache.Options) =>
        Effect.provide(Cache.Cache.use(use), layer(options)).pipe(
          Effect.provideService(Metric.MetricRegistry, registry)
        )
      const [off, shown] = yield* of({ metrics: false })
      assert.strictEqual(shown, 0)
      assert.deepInclude(off, { domains: {}, hits: 0, misses: 0, loads: 0, sets: 0, uptimeMillis: 0 })
      assert.deepInclude(Metrics.summary(off), { total_operations: 0, avg_latency_ms: 0, hit_rate: 0 })
      const [on, shownThen] = yield* of({})
      assert.isAbove(shownThen, 0)
      assert.isAbove(on.sets, 0)
      assert.strictEqual(registry.size, 0)
    })
  )
})
