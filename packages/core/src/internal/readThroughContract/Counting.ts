/**
 * What a cache counts while it reads through.
 */
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Source from "./Source.ts"
import {
  errorOf,
  isIdle,
  joinAll,
  LONG,
  type Process,
  start,
  startMany,
  storeStale,
  type Test,
  until
} from "./Subject.ts"

/** The counters that tests name; the others have to be 0. */
const countersOf = ({ cache }: Process) => {
  const { errors, hits, loadErrors, loads, misses, staleHits, supersededLoads } = cache.metrics()
  const counters = { hits, misses, staleHits, loads, loadErrors, supersededLoads, errors }
  return Object.fromEntries(Object.entries(counters).filter(([, count]) => count !== 0))
}

export const register = (test: Test): void => {
  test(
    "each caller counts as a hit or a miss, each key that is loaded as a load",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      const source = Source.gated(Source.numbered("value"))
      const callers = yield* startMany(3, a.cache.getOrLoad("a", source.load))
      yield* until(subject, () => source.running() === 1)
      assert.strictEqual(a.cache.metrics().inFlight, 1)
      yield* source.open
      yield* joinAll(callers)
      assert.deepStrictEqual(countersOf(a), { misses: 3, loads: 1 })
      yield* a.cache.getOrLoad("a", source.load)
      yield* a.cache.lookup("a", source.load)
      yield* b.cache.getOrLoad("a", source.load)
      assert.deepStrictEqual(countersOf(a), { hits: 2, misses: 3, loads: 1 })
      assert.deepStrictEqual(countersOf(b), { hits: 1 })
    })
  )

  test(
    "keys of many are counted each",
    Effect.fnUntraced(function* ({ processes: [a] }) {
      yield* a.cache.getManyOrLoad(["a", "b"], (ids) => Effect.succeed(ids.map((id) => [id, 1] as const)))
      yield* errorOf(a.cache.getManyOrLoad(["a", "b", "c"], () => Effect.fail("down" as const)))
      assert.deepStrictEqual(countersOf(a), { hits: 2, misses: 3, loads: 3, loadErrors: 1 })
    })
  )

  test(
    "a load that fails is a miss of each caller, and one error",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const source = Source.gated(Source.down)
      const callers = yield* startMany(3, errorOf(a.cache.getOrLoad("a", source.load, { backoff: LONG })))
      yield* until(subject, () => source.running() === 1)
      yield* source.open
      yield* joinAll(callers)
      yield* errorOf(a.cache.getOrLoad("a", source.load))
      assert.deepStrictEqual(countersOf(a), { misses: 4, loads: 1, loadErrors: 1 })
    })
  )

  test(
    "a stale value that is served is a hit, and counted as stale",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a"], "stale")
      const [a, b] = subject.processes
      for (const { cache } of subject.processes) cache.resetMetrics()
      const options = { grace: LONG, backoff: LONG } as const
      yield* a.cache.getOrLoad("a", Source.ready(Source.down).load, options)
      assert.deepStrictEqual(countersOf(a), { hits: 1, staleHits: 1, loads: 1, loadErrors: 1 })
      yield* b.cache.getOrLoad("a", Source.ready(Source.down).load, { ...options, staleWhileRevalidate: true })
      yield* until(subject, () => isIdle(subject))
      assert.deepStrictEqual(countersOf(b), { hits: 1, staleHits: 1 })
      yield* b.cache.getOrLoad("b", Effect.succeed(1), options)
      assert.deepStrictEqual(countersOf(b), { hits: 1, staleHits: 1, misses: 1, loads: 1 })
    })
  )

  test(
    "a load that was superseded is counted once",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const source = Source.gated(Source.numbered("outdated"))
      const callers = yield* startMany(2, a.cache.getOrLoad("a", source.load))
      yield* until(subject, () => source.running() === 1)
      yield* a.cache.delete("a")
      yield* source.open
      yield* joinAll(callers)
      assert.deepStrictEqual(countersOf(a), { misses: 2, loads: 1, supersededLoads: 1 })
      a.cache.resetMetrics()
      assert.deepStrictEqual(countersOf(a), {})
    })
  )

  test(
    "refreshes are loads, and neither hits nor misses",
    Effect.fnUntraced(function* (subject) {
      const [a] = subject.processes
      const refresh = yield* start(a.cache.refresh("a", Effect.succeed(1)))
      yield* Fiber.join(refresh)
      yield* errorOf(a.cache.refresh("a", Source.ready(Source.down).load))
      assert.deepStrictEqual(countersOf(a), { loads: 2, loadErrors: 1 })
    })
  )
}
