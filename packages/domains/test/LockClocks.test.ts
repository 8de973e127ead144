/**
 * Locks in processes whose clocks are wrong.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import * as Stage from "./locks/Stage.ts"

interface Faults {
  wallMillis: number
  frozenNanos: bigint | undefined
}

/** The test clock, with a wall clock that can be set and a monotonic one that can stand still. */
const makeClock = Effect.clockWith((clock: Clock.Clock) => {
  const faults: Faults = { wallMillis: 0, frozenNanos: undefined }
  const changed: Clock.Clock = {
    currentTimeMillis: clock.currentTimeMillis,
    currentTimeNanos: clock.currentTimeNanos,
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration),
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + faults.wallMillis,
    monotonicTimeNanosUnsafe: () => faults.frozenNanos ?? clock.monotonicTimeNanosUnsafe()
  }
  return Effect.succeed({ faults, clock: changed })
})

/** A lock that is held for an hour. */
const hold = Effect.gen(function* () {
  const stage = yield* Stage.inMemory
  const { clock, faults } = yield* makeClock
  const { lock } = yield* Effect.provideService(stage.join, Clock.Clock, clock)
  return { clock, faults, held: yield* lock.acquire("a", { ttl: "1 hour" }) }
})

describe("the lease of a lock", () => {
  it.effect(
    "ends early if the wall clock is set forward",
    Effect.fnUntraced(function* () {
      const { faults, held } = yield* hold
      yield* held.ensure
      faults.wallMillis = 3_600_000
      assert.strictEqual((yield* Effect.flip(held.ensure))._tag, "LockLost")
    })
  )

  it.effect(
    "is not prolonged if the wall clock is set back",
    Effect.fnUntraced(function* () {
      const { faults, held } = yield* hold
      const before = yield* held.remaining
      faults.wallMillis = -3_600_000
      assert.deepStrictEqual(yield* held.remaining, before)
    })
  )

  it.effect(
    "is not prolonged if the monotonic clock stands still, as in a machine that sleeps",
    Effect.fnUntraced(function* () {
      const { clock, faults, held } = yield* hold
      faults.frozenNanos = clock.monotonicTimeNanosUnsafe()
      faults.wallMillis = 3_600_000
      assert.strictEqual((yield* Effect.flip(held.ensure))._tag, "LockLost")
    })
  )
})
