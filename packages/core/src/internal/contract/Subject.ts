/**
 * A backend under test, with keys of its own and a clock that tests can wait on.
 */
import { assert } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as CacheBackend from "../../CacheBackend.ts"
import * as CacheError from "../../CacheError.ts"
import * as CacheKey from "../../CacheKey.ts"
import * as Codec from "../../Codec.ts"
import * as KeyPattern from "../../KeyPattern.ts"

/** `test` is moved by `TestClock.adjust`; `live` passes by itself, as for a server. */
export type ClockKind = "test" | "live"

export interface Subject {
  readonly backend: CacheBackend.CacheBackend["Service"]
  /** The part of all keys of this test that no other test has. */
  readonly prefix: string
  readonly key: (...parts: ReadonlyArray<string>) => string
  readonly pattern: (pattern: string) => KeyPattern.KeyPattern
  /** Lets everything expire that was stored with `SHORT`. */
  readonly elapse: Effect.Effect<void, CacheError.CacheError>
  /** Waits until a condition holds; on a test clock, where nothing changes by itself, for a few turns only. */
  readonly eventually: (
    condition: Effect.Effect<boolean, CacheError.CacheError>
  ) => Effect.Effect<void, CacheError.CacheError>
}

/**
 * Registers one test of the contract. On a backend that declares that it lacks the feature, it tests instead that using it
 * fails with `Unsupported`.
 */
export type Test = (
  name: string,
  body: (subject: Subject) => Effect.Effect<void, CacheError.CacheError, Scope.Scope>,
  feature?: CacheBackend.Feature
) => void

/** The TTL of what a test waits for. */
export const SHORT = "100 millis"

/** The TTL of what must not expire during a test. */
export const LONG = "1 hour"

const LIVE_ATTEMPTS = 2000
const LIVE_PAUSE = "5 millis"
const TEST_TURNS = 100

export const make = Effect.fnUntraced(function* (clock: ClockKind) {
  const backend = yield* CacheBackend.CacheBackend
  const prefix = `contract-${crypto.randomUUID()}`
  const keys = new Set<string>()
  const key = (...parts: ReadonlyArray<string>) => {
    const key = `${prefix}:${CacheKey.fromParts(parts).encoded}`
    keys.add(key)
    return key
  }
  // a shared server is left as it was, at the next test's scans too; one that is broken by then fails the test itself
  yield* Effect.addFinalizer(() => Effect.ignore(backend.deleteMany([...keys])))

  const eventually = Effect.fnUntraced(function* (condition: Effect.Effect<boolean, CacheError.CacheError>) {
    const [attempts, pause] =
      clock === "live" ? [LIVE_ATTEMPTS, Effect.sleep(LIVE_PAUSE)] : [TEST_TURNS, Effect.yieldNow]
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (yield* condition) return
      yield* pause
    }
    assert.fail("the condition never held")
  })

  // a witness written now outlives all that was stored with the same TTL before
  const untilWitnessIsGone = Effect.suspend(() => {
    const witness = key("witness", crypto.randomUUID())
    return Effect.andThen(
      backend.set(witness, Codec.msgpack, true, { ttl: SHORT }),
      // a store may hold for a moment what its readers take for gone already
      eventually(
        Effect.zipWith(
          backend.get(witness, Codec.msgpack),
          backend.has(witness),
          (entry, has) => entry === undefined && !has
        )
      )
    )
  })

  const subject: Subject = {
    backend,
    prefix,
    key,
    pattern: (pattern) => KeyPattern.make(prefix, pattern),
    elapse: clock === "live" ? untilWitnessIsGone : TestClock.adjust(SHORT),
    eventually
  }
  return subject
})

/** The value under a key, as untyped readers see it. */
export const valueOf = (subject: Subject, key: string): Effect.Effect<unknown, CacheError.CacheError> =>
  Effect.map(subject.backend.get(key, Codec.msgpack), (entry) => entry?.value)

/** Stores an untyped value that lives longer than the test. */
export const store = (subject: Subject, key: string, value: unknown): Effect.Effect<boolean, CacheError.CacheError> =>
  subject.backend.set(key, Codec.msgpack, value, { ttl: LONG })

/** The reason for which an effect fails. */
export const reasonOf = <A>(effect: Effect.Effect<A, CacheError.CacheError>): Effect.Effect<CacheError.Reason> =>
  Effect.match(effect, { onFailure: (error) => error.reason, onSuccess: () => assert.fail("it did not fail") })
