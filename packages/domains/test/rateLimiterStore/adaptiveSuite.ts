/**
 * What a `RateLimiterStore` learns from the answers of a server that limits its callers.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { RateLimiter } from "effect/persistence"
import { unique } from "../rateLimits/Subject.ts"
import { elapse, type Requirements } from "./Suite.ts"

type Test = <E>(title: string, body: () => Effect.Effect<void, E, Requirements>) => void

export const register = (test: Test): void => {
  test("adaptive: nothing is delayed until a server says for how long", () =>
    Effect.gen(function* () {
      const { answered, ask } = yield* calling
      assert.deepStrictEqual(yield* ask(), [0, 0, "inactive"])
      yield* answered({ epoch: 0, status: 200, retryAfter: "1 second" })
      yield* answered({ epoch: 0, status: 429 })
      assert.deepStrictEqual(yield* ask(), [0, 0, "inactive"])
    }))

  test("adaptive: a 429 delays all calls of its key, and no others", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* calling, yield* calling]
      yield* one.answered({ epoch: 0, retryAfter: "10 seconds" })
      assert.deepStrictEqual(yield* one.ask(), [10_000, 0, "cooldown"])
      yield* elapse("4 seconds")
      assert.deepStrictEqual(yield* one.ask(), [6000, 0, "cooldown"])
      assert.deepStrictEqual(yield* other.ask(), [0, 0, "inactive"])
    }))

  test("adaptive: a cool-down lasts a millisecond at least and an hour at most", () =>
    Effect.gen(function* () {
      const [short, long] = [yield* calling, yield* calling]
      yield* short.answered({ epoch: 0, retryAfter: "0 millis" })
      assert.deepStrictEqual(yield* short.ask(), [1, 0, "cooldown"])
      yield* long.answered({ epoch: 0, retryAfter: "2 hours" })
      assert.deepStrictEqual(yield* long.ask(), [3_600_000, 0, "cooldown"])
      yield* elapse("1 hour")
      assert.deepStrictEqual(yield* long.ask(), [0, 1, "learning"])
    }))

  test("adaptive: learns how many tokens pass in which time, and keeps to that", () =>
    Effect.gen(function* () {
      const { answered, ask } = yield* calling
      yield* answered({ epoch: 0, retryAfter: "1 second" })
      yield* elapse("1 second")
      assert.deepStrictEqual(yield* ask(2), [0, 1, "learning"])
      yield* elapse("4 seconds")
      assert.deepStrictEqual(yield* ask(3), [0, 1, "learning"])
      // two were accepted; 4 seconds have passed and there are 6 to wait: two in 10 seconds
      yield* answered({ epoch: 1, tokens: 3, retryAfter: "6 seconds" })
      assert.deepStrictEqual(yield* ask(), [6000, 2, "learned"])
      yield* elapse("11 seconds")
      assert.deepStrictEqual(yield* Effect.replicateEffect(ask(), 3), [
        [0, 2, "learned"],
        [0, 2, "learned"],
        [10_000, 2, "learned"]
      ])
    }))

  test("adaptive: answers to calls of an earlier phase teach nothing", () =>
    Effect.gen(function* () {
      const { answered, ask } = yield* calling
      yield* answered({ epoch: 3, retryAfter: "1 second" })
      assert.deepStrictEqual(yield* ask(), [0, 0, "inactive"])
      yield* answered({ epoch: 0, retryAfter: "1 second" })
      yield* elapse("1 second")
      yield* ask()
      yield* answered({ epoch: 0, retryAfter: "10 seconds" })
      assert.deepStrictEqual(yield* ask(), [0, 1, "learning"])
      yield* answered({ epoch: 1, retryAfter: "5 seconds" })
      yield* answered({ epoch: 1, retryAfter: "30 seconds" })
      assert.deepStrictEqual(yield* ask(), [5000, 2, "learned"])
    }))

  test("adaptive: a 429 at the learned rate cools down, for as long as the longest of them says", () =>
    Effect.gen(function* () {
      const { answered, ask } = yield* calling
      yield* answered({ epoch: 0, retryAfter: "1 second" })
      yield* elapse("1 second")
      yield* Effect.replicateEffect(ask(), 2)
      yield* answered({ epoch: 1, retryAfter: "5 seconds" })
      for (const retryAfter of ["5 seconds", "10 seconds", "2 seconds"] as const) {
        yield* answered({ epoch: 2, retryAfter })
      }
      assert.deepStrictEqual(yield* ask(), [10_000, 2, "cooldown"])
    }))

  test("adaptive: cools down again if nothing was accepted while it learned", () =>
    Effect.gen(function* () {
      const { answered, ask } = yield* calling
      yield* answered({ epoch: 0, retryAfter: "1 second" })
      yield* elapse("1 second")
      yield* ask(2)
      yield* answered({ epoch: 1, tokens: 2, retryAfter: "5 seconds" })
      assert.deepStrictEqual(yield* ask(), [5000, 1, "cooldown"])
      yield* elapse("5 seconds")
      assert.deepStrictEqual(yield* ask(), [0, 2, "learning"])
    }))

  test("adaptive: what was learned is forgotten a minute after its window, which is an hour at most", () =>
    Effect.gen(function* () {
      for (const [retryAfter, delay] of [
        ["1 second", 1000],
        ["2 hours", 3_600_000]
      ] as const) {
        const { answered, ask } = yield* calling
        yield* answered({ epoch: 0, retryAfter: "1 millis" })
        yield* elapse("1 millis")
        yield* Effect.replicateEffect(ask(), 2)
        yield* answered({ epoch: 1, retryAfter })
        assert.deepStrictEqual(yield* ask(), [delay, 2, "learned"])
        yield* elapse(delay + 59_999)
        assert.strictEqual((yield* ask())[2], "learned")
        yield* elapse(1)
        assert.deepStrictEqual(yield* ask(), [0, 0, "inactive"])
      }
    }))
}

interface Answer {
  readonly epoch: number
  readonly tokens?: number
  readonly status?: number
  readonly retryAfter?: Duration.Input
}

/** Calls of a key of its own. A call answers its delay, epoch and phase. */
const calling = Effect.gen(function* () {
  const store = yield* RateLimiter.RateLimiterStore
  const key = unique("server")
  return {
    ask: (tokens = 1) =>
      Effect.map(
        store.adaptiveConsume({ key, tokens, fallbackLimit: 5, fallbackWindow: Duration.minutes(1) }),
        ({ delay, epoch, phase }) => [Duration.toMillis(delay), epoch, phase] as const
      ),
    answered: ({ epoch, retryAfter, status = 429, tokens = 1 }: Answer) =>
      store.adaptiveFeedback({
        key,
        epoch,
        tokens,
        status,
        retryAfter: retryAfter === undefined ? undefined : Duration.fromInputUnsafe(retryAfter)
      })
  }
})
