import { assert, it } from "@effect/vitest"
import { CacheBackend, CacheError } from "@tiercache/core"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Context, Duration, Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import * as RateLimiterStore from "../src/RateLimiterStore.ts"
import * as Suite from "./rateLimiterStore/Suite.ts"
import * as Random from "./rateLimits/Random.ts"
import { Elapse, ONE_MICRO } from "./rateLimits/Subject.ts"

const elapse = Layer.succeed(Elapse, (duration) => TestClock.adjust(duration))
const inMemory = Layer.provide(RateLimiterStore.layer(), MemoryBackend.layer())

Suite.suite("the store that Effect has", Layer.merge(RateLimiter.layerStoreMemory, elapse), { live: false })

Suite.suite("our store in memory", Layer.merge(inMemory, elapse), { live: false })

const storeOf = <E>(layer: Layer.Layer<RateLimiter.RateLimiterStore, E>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, RateLimiter.RateLimiterStore))

const HISTORIES = process.env.TIERCACHE_TEST_FULL === "1" ? 2000 : 100

/** Doubles hold them and their sums exactly. */
const FRACTIONS = [0, 0.25, 0.5, 1, 1, 1, 2, 3] as const

/** Milliseconds that few tokens divide without a rest: a rate that was learned is exact as well. */
const DIVISIBLE = 2520

const rounded = (millis: number) => Math.round(millis * 1e6) / 1e6

it.effect("answers as the store that Effect has does, whatever happens", () =>
  Effect.gen(function* () {
    const [ours, theirs] = [yield* storeOf(inMemory), yield* storeOf(RateLimiter.layerStoreMemory)]
    const seed = Date.now() % 2 ** 31
    const random = Random.make(seed)
    for (let history = 0; history < HISTORIES; history++) {
      const key = `history ${history}`
      const refillRate = Duration.millis(random.pick([1, 4, 256, 60_000]))
      const limit = random.integer(1, 5)
      const limiting = () => {
        const shared = { key, tokens: random.pick(FRACTIONS), limit, refillRate }
        const [isFixed, isCapped] = [random.chance(0.5), random.chance(0.7)]
        return (store: RateLimiter.RateLimiterStore["Service"]) =>
          isFixed
            ? store.fixedWindow({ ...shared, limit: isCapped ? limit : undefined })
            : store.tokenBucket({ ...shared, allowOverflow: !isCapped })
      }
      const learning = () => {
        const tokens = random.integer(0, 3)
        const asked = { key, tokens, fallbackLimit: limit, fallbackWindow: refillRate }
        const retryAfter = random.chance(0.9) ? Duration.millis(DIVISIBLE * random.integer(1, 3)) : undefined
        const answer = { key, tokens, epoch: random.integer(0, 3), status: random.pick([429, 429, 200]), retryAfter }
        const isAsking = random.chance(0.5)
        return (store: RateLimiter.RateLimiterStore["Service"]) =>
          isAsking
            ? Effect.map(store.adaptiveConsume(asked), ({ delay, epoch, phase }) => [
                rounded(Duration.toMillis(delay)),
                epoch,
                phase
              ])
            : store.adaptiveFeedback(answer)
      }
      const isLearning = random.chance(0.5)
      for (let step = 0; step < 50; step++) {
        const ask: (store: RateLimiter.RateLimiterStore["Service"]) => Effect.Effect<unknown, unknown> = isLearning
          ? learning()
          : limiting()
        assert.deepStrictEqual(yield* ask(ours), yield* ask(theirs), `seed ${seed}, history ${history}, step ${step}`)
        const passed = isLearning
          ? DIVISIBLE * random.pick([0, 0, 0, 1, 1, 2, 5, 24, 25])
          : random.pick([0, 0, 1, 3, 100, 256, 5000, 60_000, 200_000])
        yield* TestClock.adjust(passed)
      }
    }
  })
)

it.effect("retryAfter is exact: refused a microsecond before, let through then", () =>
  Effect.gen(function* () {
    const limiter = yield* RateLimiter.make
    for (const algorithm of ["fixed-window", "token-bucket"] as const) {
      const consume = limiter.consume({ key: "exact", limit: 3, window: "1 second", algorithm, tokens: 3 })
      yield* consume
      yield* TestClock.adjust("1500 micros")
      const { reason } = yield* Effect.flip(consume)
      if (reason._tag !== "RateLimitExceeded") return assert.fail("it was not refused")
      yield* TestClock.adjust(Duration.subtract(reason.retryAfter, ONE_MICRO))
      assert.strictEqual((yield* Effect.flip(consume)).reason._tag, "RateLimitExceeded")
      yield* TestClock.adjust(ONE_MICRO)
      assert.strictEqual((yield* consume).remaining, 0)
    }
  }).pipe(Effect.provide(inMemory))
)

it.effect("what makes no sense is refused, and spoils nothing", () =>
  Effect.gen(function* () {
    const store = yield* RateLimiter.RateLimiterStore
    const good = { key: "key", tokens: 1, limit: 2, refillRate: Duration.seconds(1), allowOverflow: true }
    yield* store.tokenBucket(good)
    const bad: ReadonlyArray<Partial<typeof good>> = [
      { tokens: NaN },
      { tokens: -1 },
      { tokens: Infinity },
      { tokens: 1e200 },
      { limit: NaN },
      { refillRate: Duration.zero },
      { refillRate: Duration.infinity },
      { key: "" },
      { key: "\ud800" }
    ]
    for (const each of bad) {
      const options = { ...good, ...each }
      const errors = yield* Effect.all([
        Effect.flip(store.tokenBucket(options)),
        Effect.flip(store.fixedWindow(options))
      ])
      for (const { reason } of errors) assert.strictEqual(reason._tag, "RateLimitStoreError")
    }
    assert.deepStrictEqual(yield* store.tokenBucket({ ...good, tokens: 0 }), [1, 0])
  }).pipe(Effect.provide(inMemory))
)

it.effect("a limit that was lowered holds at once", () =>
  Effect.gen(function* () {
    const store = yield* RateLimiter.RateLimiterStore
    const options = { key: "lowered", refillRate: Duration.seconds(1), allowOverflow: false }
    assert.deepStrictEqual(yield* store.tokenBucket({ ...options, limit: 10, tokens: 1 }), [9, 0])
    assert.deepStrictEqual(yield* store.tokenBucket({ ...options, limit: 3, tokens: 1 }), [2, 0])
  }).pipe(Effect.provide(inMemory))
)

const away = CacheError.make("run", "Unavailable", "away")

it.effect("a store that is away is a RateLimitStoreError", () =>
  Effect.gen(function* () {
    const failing = Layer.effect(
      CacheBackend.CacheBackend,
      CacheBackend.CacheBackend.useSync((backend) => ({ ...backend, run: () => Effect.fail(away) }))
    ).pipe(Layer.provide(MemoryBackend.layer()))
    const store = yield* storeOf(Layer.provide(RateLimiterStore.layer(), failing))
    const error = yield* Effect.flip(
      store.fixedWindow({ key: "key", tokens: 1, limit: 1, refillRate: Duration.seconds(1) })
    )
    assert.strictEqual(error.reason._tag === "RateLimitStoreError" && error.reason.cause, away)
  })
)
