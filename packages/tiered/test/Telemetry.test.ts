/**
 * What the L1 of a tiered cache and its bus show of themselves.
 */
import { assert, it } from "@effect/vitest"
import { Cache, CacheBackend } from "@tiercache/core"
import { Effect, Metric } from "effect"
import { TestClock } from "effect/testing"
import { makeFleet } from "./support.ts"

/** Counters and gauges without labels, by name. */
const shown = Effect.map(
  Metric.snapshot,
  (all) =>
    new Map(
      all.flatMap(({ attributes = {}, id, state }) => {
        if ("domain" in attributes || "cause" in attributes) return []
        if ("value" in state) return [[id, Number(state.value)] as const]
        return "count" in state ? [[id, Number(state.count)] as const] : []
      })
    )
)

it.effect("shows trust, sizes, the bus and what it removes", () =>
  Effect.gen(function* () {
    const fleet = yield* makeFleet
    const [a, b] = [yield* fleet.join("a"), yield* fleet.join("b")]
    const open = (backend: CacheBackend.CacheBackend["Service"]) =>
      Effect.provideService(Cache.make(), CacheBackend.CacheBackend, backend)
    const other = yield* open(b.backend).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    const cache = yield* open(a.backend)
    yield* TestClock.adjust("1 second")
    yield* cache.set("k", 1)
    yield* cache.get("k")
    const before = yield* shown
    assert.strictEqual(before.get("tiercache_trusted"), 1)
    assert.strictEqual(before.get("tiercache_l1_entries"), 1)
    assert.isAbove(before.get("tiercache_l1_bytes") ?? 0, 0)
    assert.strictEqual(before.get("tiercache_unacknowledged"), 0)
    yield* other.delete("k")
    yield* TestClock.adjust("1 millis")
    const after = yield* shown
    assert.strictEqual(after.get("tiercache_l1_entries"), 0)
    assert.strictEqual(after.get("tiercache_l1_removals_total"), 1)
    assert.isAbove(after.get("tiercache_bus_messages_total") ?? 0, before.get("tiercache_bus_messages_total") ?? 0)
    fleet.bus.disconnect("a")
    yield* TestClock.adjust("5 seconds")
    const lost = yield* shown
    assert.strictEqual(lost.get("tiercache_trusted"), 0)
    assert.strictEqual(lost.get("tiercache_trust_lapses_total"), 1)
    const stats = a.backend.stats()
    assert.strictEqual(lost.get("tiercache_heartbeat_seconds"), (stats.coherence?.heartbeatMillis ?? NaN) / 1000)
  }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
)
