/**
 * What reading through leaves in L1.
 */
import { assert, it } from "@effect/vitest"
import { Cache, CacheBackend, type CacheKey } from "@tiercache/core"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { makeFleet } from "./support.ts"

const open = Effect.gen(function* () {
  const fleet = yield* makeFleet
  const join = (origin: string) =>
    Effect.flatMap(fleet.join(origin), ({ backend }) =>
      Effect.provideService(Cache.make(), CacheBackend.CacheBackend, backend)
    )
  return [yield* join("a"), yield* join("b")] as const
})

const never = Effect.die("not to be loaded")
const IDS = Array.from({ length: 40 }, (_, index) => `id:${index}`)

it.effect(
  "copies of what L2 had expire before it, and not all at once",
  Effect.fnUntraced(function* () {
    const [a, b] = yield* open
    const load = (ids: ReadonlyArray<CacheKey.Input>) => Effect.succeed(ids.map((id) => [id, 1] as const))
    yield* a.getManyOrLoad(IDS, load, { ttl: "100 minutes" })
    const jitter = { jitter: 0.5 }
    yield* b.getManyOrLoad(IDS.slice(0, 20), () => never, jitter)
    for (const id of IDS.slice(20)) yield* b.getOrLoad(id, never, jitter)
    for (const ids of [IDS.slice(0, 20), IDS.slice(20)]) {
      const minutes = yield* Effect.forEach(ids, (id) =>
        Effect.map(b.lookup(id, never), ({ expiresIn, tier }) => {
          assert.strictEqual(tier, "l1")
          return Duration.toMinutes(expiresIn)
        })
      )
      for (const left of minutes) assert.isTrue(left >= 50 && left <= 100)
      assert.isAbove(new Set(minutes.map(Math.round)).size, 5)
    }
  })
)

it.effect(
  "an L1 serves what its process has loaded, absences too, and what it was asked for",
  Effect.fnUntraced(function* () {
    const [a, b] = yield* open
    const options = { ttl: "1 minute", negativeTtl: "1 minute" } as const
    yield* a.getOrLoad("value", Effect.succeed(0), options)
    yield* a.getOrLoad("none", Effect.undefined, options)
    for (const [cache, first] of [
      [a, "l1"],
      [b, "l2"]
    ] as const) {
      for (const tier of [first, "l1"]) {
        assert.strictEqual((yield* cache.lookup("value", never)).tier, tier)
        assert.strictEqual((yield* cache.lookup("none", never)).tier, tier)
      }
    }
    const { l1Hits, l2Hits, misses } = b.metrics()
    assert.deepStrictEqual([l1Hits, l2Hits, misses], [2, 2, 0])
  })
)

it.effect(
  "what is stale in L1 is not served while L2 has something fresh",
  Effect.fnUntraced(function* () {
    const [a, b] = yield* open
    const options = { ttl: "10 seconds", grace: "1 minute" } as const
    yield* a.getOrLoad("a", Effect.succeed("old"), options)
    // a copy that is fresh for less time than the original
    yield* b.getOrLoad("a", never, { ...options, jitter: 1 })
    yield* TestClock.adjust("9900 millis")
    const { stale, value } = yield* b.lookup("a", never, options)
    assert.deepStrictEqual([value, stale], ["old", false])
  })
)

it.effect(
  "what is served although L1 is not trusted is called stale",
  Effect.fnUntraced(function* () {
    const fleet = yield* makeFleet
    const { backend } = yield* fleet.join("a", { whileDistrusted: { serveStale: "1 minute" } })
    const cache = yield* Effect.provideService(Cache.make(), CacheBackend.CacheBackend, backend)
    yield* cache.getOrLoad("a", Effect.succeed(1), { ttl: "1 hour" })
    assert.isFalse((yield* cache.lookup("a", never)).stale)
    fleet.bus.setFaults({ mute: () => true })
    yield* TestClock.adjust("2 seconds")
    for (const lookup of [cache.lookup("a", never), cache.lookup("a")]) {
      const found = yield* lookup
      assert.deepStrictEqual([found?.value, found?.tier, found?.stale], [1, "l1", true])
    }
  })
)
