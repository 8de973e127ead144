/**
 * What Effect says that a `RateLimiterStore` does, as tests for any of them: of Effect's own as well as of ours, in memory and on
 * Redis, with a clock that tests move.
 */
import { assert, layer as withLayer } from "@effect/vitest"
import { Duration, Effect, type Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import { Elapse, unique } from "../rateLimits/Subject.ts"
import * as Adaptive from "./adaptiveSuite.ts"

export type Requirements = RateLimiter.RateLimiterStore | Elapse

export const suite = <E>(
  name: string,
  layer: Layer.Layer<Requirements, E>,
  options: { readonly live: boolean }
): void => {
  withLayer(layer, { excludeTestServices: options.live })(name, (it) => {
    it.effect("fixed window: counts up to the limit, and anew when the window ends", () =>
      Effect.gen(function* () {
        const ask = yield* asking({ algorithm: "fixed-window", onExceeded: "fail" })
        assert.deepStrictEqual(yield* each([1, 1, 1, 1, 1], ask), [
          [4, 0, 12_000],
          [3, 0, 24_000],
          [2, 0, 36_000],
          [1, 0, 48_000],
          [0, 0, 60_000]
        ])
        assert.deepStrictEqual(yield* refused(ask(1)), [0, 60_000])
        yield* elapse("59999 millis")
        assert.deepStrictEqual(yield* refused(ask(1)), [0, 1])
        yield* elapse("1 millis")
        assert.deepStrictEqual(yield* ask(1), [4, 0, 12_000])
      })
    )

    it.effect("fixed window: what is refused changes nothing", () =>
      Effect.gen(function* () {
        const ask = yield* asking({ algorithm: "fixed-window", onExceeded: "fail" })
        yield* ask(4)
        assert.deepStrictEqual(yield* refused(ask(2)), [0, 48_000])
        assert.deepStrictEqual(yield* refused(ask(2)), [0, 48_000])
        assert.deepStrictEqual(yield* ask(1), [0, 0, 60_000])
      })
    )

    it.effect("fixed window: with delays, each window's worth waits for one window more", () =>
      Effect.gen(function* () {
        const ask = yield* asking({ algorithm: "fixed-window", onExceeded: "delay" })
        const delays = Effect.map(
          each(
            Array.from({ length: 11 }, () => 1),
            ask
          ),
          (all) => all.map(([, delay]) => delay / 60_000)
        )
        assert.deepStrictEqual(yield* delays, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
        yield* elapse("30 seconds")
        assert.deepStrictEqual(yield* ask(1), [-7, 90_000, 114_000])
        yield* elapse("45 seconds")
        assert.deepStrictEqual(yield* ask(1), [-8, 45_000, 81_000])
      })
    )

    it.effect("fixed window: time that has passed is taken off", () =>
      Effect.gen(function* () {
        const ask = yield* asking({ algorithm: "fixed-window", onExceeded: "delay" })
        yield* ask(4)
        yield* elapse("10 seconds")
        assert.deepStrictEqual(yield* ask(1), [0, 0, 50_000])
      })
    )

    it.effect("fixed window: tokens may be fractions", () =>
      Effect.gen(function* () {
        const store = yield* RateLimiter.RateLimiterStore
        const options = { key: unique("fractions"), tokens: 0.1, refillRate: Duration.seconds(10), limit: 1 }
        const counts = yield* Effect.replicateEffect(store.fixedWindow(options), 3)
        assert.deepStrictEqual(
          counts.map(([count]) => count),
          [0.1, 0.2, 0.1 + 0.1 + 0.1]
        )
      })
    )

    it.effect("more than the limit is never possible at once", () =>
      Effect.gen(function* () {
        for (const algorithm of ["fixed-window", "token-bucket"] as const) {
          const ask = yield* asking({ algorithm, onExceeded: "fail" })
          assert.deepStrictEqual(yield* refused(ask(6)), [0, 60_000])
          assert.strictEqual((yield* ask(5))[0], 0)
        }
      })
    )

    it.effect("keys are counted apart, and algorithms of one key too", () =>
      Effect.gen(function* () {
        const limiter = yield* RateLimiter.make
        const consume = (key: string, algorithm: Algorithm) =>
          Effect.map(limiter.consume({ key, algorithm, limit: 2, window: "1 hour" }), ({ remaining }) => remaining)
        const [one, two] = [unique("a:{b}"), unique("a:{b}*")]
        for (const expected of [1, 0]) {
          assert.strictEqual(yield* consume(one, "fixed-window"), expected)
          assert.strictEqual(yield* consume(two, "fixed-window"), expected)
          assert.strictEqual(yield* consume(one, "token-bucket"), expected)
        }
      })
    )

    it.effect("callers at the same time get exactly the limit", () =>
      Effect.gen(function* () {
        const limiter = yield* RateLimiter.make
        for (const algorithm of ["fixed-window", "token-bucket"] as const) {
          const consume = limiter.consume({ key: unique("at once"), algorithm, limit: 7, window: "1 hour" })
          const all = yield* Effect.all(
            Array.from({ length: 30 }, () => Effect.match(consume, { onFailure: () => 0, onSuccess: () => 1 })),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(
            all.reduce((sum: number, one) => sum + one, 0),
            7
          )
        }
      })
    )

    it.effect("sleep waits for as long as it is told to", () =>
      Effect.gen(function* () {
        const limiter = yield* RateLimiter.make
        const options = { key: unique("sleep"), algorithm: "fixed-window", limit: 5, window: "1 minute" } as const
        assert.strictEqual((yield* RateLimiter.sleep(limiter, options)).remaining, 4)
        assert.strictEqual((yield* RateLimiter.sleep(limiter)(options)).remaining, 3)
      })
    )

    for (const onExceeded of ["fail", "delay"] as const) {
      it.effect(`token bucket, ${onExceeded}: waits for the rest of the interval, and for whole ones`, () =>
        Effect.gen(function* () {
          for (const [passed, tokens, wait] of [
            [0, 1, 12_000],
            [11_000, 1, 1000],
            [11_500, 2, 12_500],
            [23_999, 2, 1],
            [35_000, 5, 25_000]
          ] as const) {
            const ask = yield* asking({ algorithm: "token-bucket", onExceeded })
            yield* ask(5)
            yield* elapse(passed)
            const refilled = Math.floor(passed / 12_000)
            if (onExceeded === "fail") {
              assert.deepStrictEqual(yield* refused(ask(tokens)), [0, wait])
              assert.deepStrictEqual(yield* refused(ask(tokens)), [0, wait], "a refusal changes nothing")
              yield* elapse(wait)
              assert.strictEqual((yield* ask(tokens))[0], 0)
            } else {
              const remaining = refilled - tokens
              const full = (5 - remaining) * 12_000 - (passed % 12_000)
              assert.deepStrictEqual(yield* ask(tokens), [remaining, wait, full])
              assert.deepStrictEqual(yield* ask(1), [remaining - 1, wait + 12_000, full + 12_000])
            }
          }
        })
      )

      it.effect(`token bucket, ${onExceeded}: is full after its time, and then begins a new interval`, () =>
        Effect.gen(function* () {
          for (const [tokens, idle] of [
            [1, 13_000],
            [5, 71_000]
          ] as const) {
            const ask = yield* asking({ algorithm: "token-bucket", onExceeded })
            yield* ask(tokens)
            yield* elapse(idle)
            assert.deepStrictEqual(yield* ask(tokens), [5 - tokens, 0, tokens * 12_000])
          }
        })
      )

      it.effect(`token bucket, ${onExceeded}: fractions come back with the next whole token`, () =>
        Effect.gen(function* () {
          const ask = yield* asking({ algorithm: "token-bucket", onExceeded })
          assert.deepStrictEqual(yield* ask(0.5), [4.5, 0, 12_000])
          yield* elapse("9 seconds")
          assert.deepStrictEqual(yield* ask(0), [4.5, 0, 3000])
          yield* elapse("3 seconds")
          assert.deepStrictEqual(yield* ask(0), [5, 0, 0])
        })
      )
    }

    it.effect("token bucket: fractions add up as doubles do", () =>
      Effect.gen(function* () {
        const ask = yield* asking({ algorithm: "token-bucket", onExceeded: "fail" })
        const costs = [0.1, 0.1, 0.4, 0.15, 0.15, 0.1]
        const expected: Array<number> = []
        costs.reduce((left, cost) => {
          expected.push(left - cost)
          return left - cost
        }, 5)
        const remaining = (yield* each(costs, ask)).map(([remaining]) => remaining)
        assert.deepStrictEqual(remaining, expected)
      })
    )

    it.effect("token bucket: what is owed in fractions waits for whole tokens", () =>
      Effect.gen(function* () {
        const ask = yield* asking({ algorithm: "token-bucket", onExceeded: "delay" })
        yield* ask(4.5)
        yield* elapse("9 seconds")
        assert.deepStrictEqual(yield* ask(1), [-0.5, 3000, 63_000])
        assert.deepStrictEqual(yield* ask(1.25), [-1.75, 15_000, 75_000])
        yield* elapse(14_999)
        assert.deepStrictEqual(yield* ask(0), [-0.75, 1, 60_001])
        yield* elapse(1)
        assert.deepStrictEqual(yield* ask(0), [0.25, 0, 60_000])
      })
    )

    it.effect("token bucket: only looking begins no interval", () =>
      Effect.gen(function* () {
        const ask = yield* asking({ algorithm: "token-bucket", onExceeded: "fail" })
        assert.deepStrictEqual(yield* ask(0), [5, 0, 0])
        yield* elapse("6 seconds")
        assert.deepStrictEqual(yield* ask(1), [4, 0, 12_000])
      })
    )

    it.effect("token bucket: answers what would remain, and keeps it only if tokens may be owed", () =>
      Effect.gen(function* () {
        const store = yield* RateLimiter.RateLimiterStore
        for (const allowOverflow of [false, true]) {
          const options = { key: unique("owed"), limit: 5, refillRate: Duration.minutes(1), allowOverflow }
          const take = (tokens: number) => store.tokenBucket({ ...options, tokens })
          assert.deepStrictEqual(yield* take(4.5), [0.5, 0])
          assert.deepStrictEqual(yield* take(1), [-0.5, 0])
          assert.deepStrictEqual(yield* take(0), [allowOverflow ? -0.5 : 0.5, 0])
        }
      })
    )

    it.effect("token bucket: intervals may be fractions of milliseconds, and lose nothing", () =>
      Effect.gen(function* () {
        const store = yield* RateLimiter.RateLimiterStore
        const refillRate = Duration.millis(1000 / 3)
        const options = { key: unique("thirds"), limit: 3, refillRate, allowOverflow: true }
        yield* store.tokenBucket({ ...options, tokens: 3 })
        yield* elapse(500)
        const [remaining, elapsedMillis] = yield* store.tokenBucket({ ...options, tokens: 1 })
        assert.strictEqual(remaining, 0)
        assert.closeTo(elapsedMillis, 500 / 3, 1e-6)
      })
    )

    Adaptive.register((title, body) => it.effect(title, body))
  })
}

type Algorithm = "fixed-window" | "token-bucket"

export const elapse = (duration: Duration.Input) => Elapse.use((elapse) => elapse(duration))

/** Asks for tokens of a key of its own, five a minute; answers what remains, the delay and the time until all is as in the beginning. */
const asking = Effect.fnUntraced(function* (options: {
  readonly algorithm: Algorithm
  readonly onExceeded: "fail" | "delay"
}) {
  const limiter = yield* RateLimiter.make
  const shared = { ...options, key: unique("key"), limit: 5, window: "1 minute" } as const
  return (tokens: number) =>
    Effect.map(
      limiter.consume({ ...shared, tokens }),
      ({ delay, remaining, resetAfter }) =>
        [remaining, Duration.toMillis(delay), Duration.toMillis(resetAfter)] as const
    )
})

const each = <A, E>(costs: ReadonlyArray<number>, ask: (tokens: number) => Effect.Effect<A, E>) =>
  Effect.forEach(costs, ask)

/** What remains and when to try again, of a call that is refused. */
const refused = <A>(consume: Effect.Effect<A, RateLimiter.RateLimiterError>) =>
  Effect.map(Effect.flip(consume), ({ reason }) =>
    reason._tag === "RateLimitExceeded"
      ? [reason.remaining, Duration.toMillis(reason.retryAfter)]
      : assert.fail(`it was not refused: ${reason.message}`)
  )
