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
  readonly eventually: (condition: Effect.Effect<boolean, CacheError.CacheError>) => Effect.Effect<void, CacheError.CacheError>
}

/** Registers one test of the contract. */
export type Test = (
  name: string,
  body: (subject: Subject) => Effect.Effect<void, CacheError.CacheError, Scope.Scope>
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
  const key = (...parts: ReadonlyArray<string>) => `${prefix}:${CacheKey.fromParts(parts)}`

  const eventually = Effect.fnUntraced(function* (condition: Effect.Effect<boolean, CacheError.CacheError>) {
    const [attempts, pause] = clock === "live" ? [LIVE_ATTEMPTS, Effect.sleep(LIVE_PAUSE)] : [TEST_TURNS, Effect.yieldNow]
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
      eventually(Effect.map(backend.get(witness, Codec.msgpack), (entry) => entry === undefined))
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
export const reasonOf = <A>(effect: Effect.Effect<A, CacheError.CacheError>): Effect.Effect<CacheError.Reason, A> =>
  Effect.map(Effect.flip(effect), (error) => error.reason)

/** Runs a check of an optional feature; where the backend declares that it lacks it, checks that it says so when called. */
export const withFeature = <R>(
  subject: Subject,
  feature: CacheBackend.Feature,
  call: Effect.Effect<unknown, CacheError.CacheError>,
  check: Effect.Effect<void, CacheError.CacheError, R>
): Effect.Effect<void, CacheError.CacheError, R> =>
  subject.backend.unsupported.has(feature)
    ? Effect.map(Effect.flip(call), (error) => assert.strictEqual(error.reason, "Unsupported")).pipe(
        Effect.catch(() => Effect.sync(() => assert.fail(`declares that it lacks ${feature}, but has it`)))
      )
    : check
