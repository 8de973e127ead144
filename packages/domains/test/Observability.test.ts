/**
 * What locks and limits show: metrics and spans, and no name of a lock or a subject in any.
 */
import { assert, describe, it } from "@effect/vitest"
import { CacheBackend, CacheError } from "@tiercache/core"
import { Lock, RateLimit, RateLimiter, Semaphore } from "@tiercache/domains"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Duration, Effect, Fiber, Layer, Metric, type Scope, Tracer } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"

type Backend = CacheBackend.CacheBackend["Service"]
type Services = Lock.Lock | Semaphore.Semaphore | RateLimiter.RateLimiter

const CANARY = "user-4711"

/** Over memory; `change` makes the backend another. */
const layer = (change: (backend: Backend) => Backend = (backend) => backend) =>
  Layer.mergeAll(Lock.layer(), Semaphore.layer(), RateLimiter.layer()).pipe(
    Layer.provide(
      Layer.effect(CacheBackend.CacheBackend, CacheBackend.CacheBackend.useSync(change)).pipe(
        Layer.provide(MemoryBackend.layer())
      )
    )
  )

/** Runs a test with a registry of its own. */
const test = <E>(
  name: string,
  body: () => Effect.Effect<void, E, Services | Scope.Scope>,
  services: Layer.Layer<Services, CacheError.CacheError> = layer()
) =>
  it.effect(name, () =>
    Effect.suspend(body).pipe(Effect.provide(services), Effect.provideService(Metric.MetricRegistry, new Map()))
  )

/** A counter or gauge, or how many times a histogram has and their sum in seconds. */
const read = (name: string, labels: Readonly<Record<string, string>>) =>
  Effect.map(Metric.snapshot, (all) => {
    const found = all.filter(
      ({ attributes = {}, id }) =>
        id === name && Object.entries(labels).every(([label, value]) => attributes[label] === value)
    )
    assert.lengthOf(found, 1, name)
    const [series] = found
    switch (series?.type) {
      case "Counter":
        return Number(series.state.count)
      case "Gauge":
        return Number(series.state.value)
      case "Histogram":
        return [series.state.count, series.state.sum] as const
      default:
        return assert.fail(`no ${name}`)
    }
  })

const ofLocks = (name: string, labels = {}) => read(`tiercache_lock_${name}`, { kind: "lock", ...labels })

const isShownNowhere = Effect.map(PrometheusMetrics.format(), (text) => assert.notInclude(text, CANARY))

/** Remembers all spans that are begun. */
const recorder = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const named = (name: string) => spans.filter((span) => span.name === name)
  return { named, spans, layer: Layer.succeed(Tracer.Tracer, tracer) }
}

const away = Effect.fail(CacheError.make("run", "Unavailable", "no store"))

describe("locks", () => {
  test(
    "time how long they are waited for, had and handed over",
    Effect.fnUntraced(function* () {
      const holder = yield* Effect.forkChild(Lock.withLock(CANARY, { ttl: "30 seconds" })(Effect.sleep("5 seconds")), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      const waiter = yield* Effect.forkChild(Lock.withLock(CANARY)(Effect.sleep("2 seconds")))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([yield* ofLocks("held"), yield* ofLocks("waiting")], [1, 2])
      yield* TestClock.adjust("10 seconds")
      yield* Effect.all([Fiber.join(holder), Fiber.join(waiter)])
      assert.strictEqual(yield* ofLocks("acquisitions_total", { outcome: "acquired" }), 2)
      assert.deepStrictEqual(yield* ofLocks("wait_seconds"), [2, 4])
      assert.deepStrictEqual(yield* ofLocks("hold_seconds"), [2, 7])
      assert.deepStrictEqual(yield* ofLocks("hand_off_seconds"), [1, 0])
      assert.deepStrictEqual([yield* ofLocks("held"), yield* ofLocks("waiting")], [0, 0])
      assert.strictEqual(
        yield* read("tiercache_lock_acquisitions_total", { kind: "semaphore", outcome: "acquired" }),
        0
      )
      yield* isShownNowhere
    })
  )

  test(
    "count who did not get it, and why",
    Effect.fnUntraced(function* () {
      yield* Lock.acquire(CANARY)
      yield* Effect.flip(Effect.scoped(Lock.acquire(CANARY, { wait: Duration.zero })))
      const late = yield* Effect.forkChild(Effect.flip(Lock.withLock(CANARY, { wait: "1 second" })(Effect.void)))
      const gone = yield* Effect.forkChild(Lock.withLock(CANARY)(Effect.void), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(late)
      yield* Fiber.interrupt(gone)
      const outcome = (outcome: string) => ofLocks("acquisitions_total", { outcome })
      assert.deepStrictEqual(
        [
          yield* outcome("acquired"),
          yield* outcome("timed_out"),
          yield* outcome("interrupted"),
          yield* outcome("error")
        ],
        [1, 2, 1, 0]
      )
    })
  )

  test(
    "count what runs without them",
    Effect.fnUntraced(function* () {
      yield* Lock.withLock(CANARY, { wait: Duration.zero, onUnavailable: "run-unlocked" })(Effect.void)
      yield* Effect.flip(Lock.withLock(CANARY, { wait: Duration.zero })(Effect.void))
      assert.strictEqual(yield* ofLocks("unlocked_total"), 1)
      assert.strictEqual(yield* ofLocks("acquisitions_total", { outcome: "error" }), 2)
    }),
    layer((backend) => ({ ...backend, run: () => away }))
  )

  const renewals = { areKept: true }
  test(
    "time renewals, and count those that fail and what is lost",
    Effect.fnUntraced(function* () {
      yield* Lock.acquire("kept", { ttl: "3 seconds" })
      yield* TestClock.adjust("2500 millis")
      assert.deepStrictEqual(yield* ofLocks("renewal_seconds"), [2, 0])
      assert.strictEqual(yield* ofLocks("lost_total"), 0)
      renewals.areKept = false
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* ofLocks("renewal_seconds"), [2, 0])
      assert.isAbove(Number(yield* ofLocks("failed_renewals_total")), 0)
      assert.strictEqual(yield* ofLocks("lost_total"), 1)
    }),
    layer((backend) => ({
      ...backend,
      run: (script, keys, args) => Effect.suspend(() => (renewals.areKept ? backend.run(script, keys, args) : away))
    }))
  )

  const { layer: tracing, named, spans } = recorder()
  test(
    "link the span of who waits with that of who has it",
    Effect.fnUntraced(function* () {
      const traced = Effect.gen(function* () {
        const holder = yield* Effect.forkChild(Lock.withLock(CANARY)(Effect.sleep("1 second")), {
          startImmediately: true
        })
        const waiter = yield* Effect.forkChild(Lock.withLock(CANARY)(Effect.void), { startImmediately: true })
        yield* TestClock.adjust("2 seconds")
        yield* Effect.all([Fiber.join(holder), Fiber.join(waiter)])
        yield* Lock.withLock(CANARY)(Effect.void)
      })
      yield* Effect.provide(traced, tracing)
      const [first, second, third, ...others] = named("tiercache.lock.acquire")
      assert.deepStrictEqual(others, [])
      assert.lengthOf(second?.links ?? [], 1)
      assert.strictEqual(second?.links[0]?.span, first)
      assert.deepStrictEqual([first?.links, third?.links], [[], []])
      assert.notInclude(JSON.stringify(spans.map(({ attributes, name }) => [name, [...attributes]])), CANARY)
    })
  )
})

describe("rate limits", () => {
  const calls = RateLimit.fixedWindow("api_calls", { limit: 20, window: "1 minute" })
  const trial = RateLimit.fixedWindow("trial", { limit: 1, window: "1 minute", shadow: true })
  const ofLimit = (policy: string, name: string, labels = {}) =>
    read(`tiercache_rate_limit_${name}_total`, { policy, ...labels })

  test(
    "are counted by policy, whoever calls",
    Effect.fnUntraced(function* () {
      const limiter = yield* RateLimiter.RateLimiter
      for (let n = 0; n < 22; n++) yield* limiter.consume(calls, CANARY)
      for (let n = 0; n < 3; n++) yield* limiter.consume(trial, `${CANARY}-${n % 2}`)
      const of = (policy: string, outcome: string) => ofLimit(policy, "decisions", { outcome })
      assert.deepStrictEqual([yield* of("api_calls", "allowed"), yield* of("api_calls", "denied")], [20, 2])
      assert.deepStrictEqual([yield* of("trial", "allowed"), yield* of("trial", "shadow_denied")], [2, 1])
      // with 1 left, and with 0: that is less than 2
      assert.strictEqual(yield* ofLimit("api_calls", "near_limit"), 2)
      assert.strictEqual(yield* ofLimit("api_calls", "answers", { source: "store" }), 22)
      yield* isShownNowhere
      const series = (yield* Metric.snapshot).length
      for (let n = 0; n < 1000; n++) yield* limiter.consume(calls, `${CANARY}-${n}`)
      assert.strictEqual((yield* Metric.snapshot).length, series)
    })
  )

  const { layer: tracing, named, spans } = recorder()
  test(
    "have a span where the store is asked, and count what was answered without it",
    Effect.fnUntraced(function* () {
      const limiter = yield* RateLimiter.RateLimiter
      const local = RateLimit.gcra("local", { limit: 1, period: "1 minute", onStoreFailure: "local" })
      yield* Effect.provide(limiter.consume(local, CANARY), tracing)
      yield* Effect.provide(limiter.consume({ ...local, name: "open", onStoreFailure: "allow" }, CANARY), tracing)
      assert.deepStrictEqual(
        named("tiercache.rateLimit.consume").map(({ attributes }) => attributes.get("tiercache.policies")),
        [["local"], ["open"]]
      )
      assert.notInclude(JSON.stringify(spans.map(({ attributes, name }) => [name, [...attributes]])), CANARY)
      assert.strictEqual(yield* ofLimit("local", "answers", { source: "local" }), 1)
      assert.strictEqual(yield* ofLimit("open", "answers", { source: "fallback" }), 1)
    }),
    layer((backend) => ({ ...backend, runUnsafe: undefined, run: () => away }))
  )

  it.effect(
    "and locks show nothing if they are told so",
    Effect.fnUntraced(function* () {
      const registry: Metric.MetricRegistry = new Map()
      const quiet = Layer.mergeAll(
        Lock.layer({ metrics: false }),
        Semaphore.layer({ metrics: false }),
        RateLimiter.layer({ metrics: false })
      ).pipe(Layer.provide(MemoryBackend.layer()))
      yield* Effect.andThen(Lock.withLock("a")(Effect.void), RateLimiter.consume(calls, "a")).pipe(
        Effect.provide(quiet),
        Effect.provideService(Metric.MetricRegistry, registry)
      )
      assert.strictEqual(registry.size, 0)
    })
  )
})
