import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { makeFleet, set } from "./support.ts"

const BOUND = { staleness: "1 second" } as const

describe("health of a tiered cache", () => {
  it.effect("shows that L1 is trusted, and since which heartbeat", () =>
    Effect.gen(function* () {
      const { backend } = yield* (yield* makeFleet).join("a", BOUND)
      yield* set(backend, "k", 1)
      const { details, healthy, problem, warnings } = yield* backend.health
      assert.deepStrictEqual({ healthy, problem, warnings }, { healthy: true, problem: undefined, warnings: [] })
      assert.deepInclude(details, {
        l1: "trusted",
        l1_entries: 1,
        heartbeat_age_ms: 0,
        trust_lapses: 0,
        unacknowledged: 0
      })
      yield* TestClock.adjust("100 millis")
      assert.deepInclude((yield* backend.health).details, { l1: "trusted", heartbeat_age_ms: 100 })
    })
  )

  it.effect("warns while L1 is not trusted, and is as good as L2 says all the same", () =>
    Effect.gen(function* () {
      const { bus, join } = yield* makeFleet
      const { backend } = yield* join("a", BOUND)
      bus.disconnect("a")
      yield* TestClock.adjust("3 seconds")
      const { details, healthy, warnings } = yield* backend.health
      assert.isTrue(healthy)
      assert.deepInclude(details, { l1: "distrusted" })
      assert.deepStrictEqual(warnings, ["L1 is not read: the last heartbeat that was heard was sent 3000 ms ago"])
      bus.reconnect("a")
      yield* TestClock.adjust("1 second")
      const later = yield* backend.health
      assert.deepInclude(later.details, { l1: "trusted", trust_lapses: 1 })
      assert.deepStrictEqual(later.warnings, [])
    })
  )

  it.effect("says that no heartbeat was heard yet", () =>
    Effect.gen(function* () {
      const { bus, join } = yield* makeFleet
      bus.setFaults({ mute: () => true })
      const { backend } = yield* join("a", BOUND)
      const { details, warnings } = yield* backend.health
      assert.strictEqual(details["l1"], "connecting")
      assert.doesNotHaveAnyKeys(details, ["heartbeat_ms", "heartbeat_age_ms"])
      assert.deepStrictEqual(warnings, ["L1 is not read: no heartbeat was heard yet"])
    })
  )
})
