/**
 * What a cache counts, against what was done with it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cache, Entity, Memory, Metrics, Schema } from "tiercache"
import { Effect, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"

const Numbers = Entity.make("test", "number", {
  key: { name: Schema.NonEmptyString },
  value: Schema.Number,
  ttl: "10 seconds",
  negativeTtl: "5 seconds",
  grace: "1 minute"
})

const numRuns = process.env.TIERCACHE_TEST_FULL === "1" ? 2000 : 50

describe("metrics", () => {
  it("add up, whatever is done", () => {
    const name = fc.constantFrom("a", "b", "c")
    const names = fc.array(name, { maxLength: 4 })
    const kind = fc.constantFrom(
      ...(["get", "fresh", "peek", "lookup", "getMany", "load", "nothing", "fail", "stale", "loadMany"] as const),
      ...(["refresh", "set", "setMany", "delete", "deleteMany", "has", "ttl", "expire", "pass", "both"] as const)
    )
    const step = fc.record({ kind, name, names })
    type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

    /** Does it; how many reads and calls that is. */
    const doing = (cache: Cache.Cache["Service"], { kind, name, names }: Step) => {
      const numbers = cache.entity(Numbers)
      const ten = Effect.succeed(10)
      const distinct = new Set(names).size
      const count = <A, E>(effect: Effect.Effect<A, E>, reads: number, calls = 1) =>
        Effect.as(Effect.ignore(effect), { reads, calls })
      switch (kind) {
        case "get":
          return count(numbers.get(name), 1)
        case "fresh":
          return count(numbers.get(name, { fresh: true }), 1)
        case "peek":
          return Effect.sync(() => {
            const hits = numbers.peek(name) === undefined ? 0 : 1
            return { reads: hits, calls: hits }
          })
        case "lookup":
          return count(numbers.lookup(name), 1)
        case "getMany":
          return count(numbers.getMany(names), names.length)
        case "load":
          return count(numbers.getOrLoad(name, ten), 1)
        case "nothing":
          return count(numbers.getOrLoad(name, Effect.undefined), 1)
        case "fail":
          return count(numbers.getOrLoad(name, Effect.fail("down")), 1)
        case "stale":
          return count(numbers.lookup(name, ten, { staleWhileRevalidate: true }), 1)
        case "loadMany":
          return count(
            numbers.getManyOrLoad(names, (missing) => Effect.succeed(missing.map((name) => [name, 1] as const))),
            distinct
          )
        case "both":
          return count(
            Effect.all([numbers.getOrLoad(name, ten), numbers.getOrLoad(name, ten), numbers.get(name)], {
              concurrency: "unbounded"
            }),
            3,
            3
          )
        case "refresh":
          return count(numbers.refresh(name, ten), 0)
        case "set":
          return count(numbers.set(name, 1), 0)
        case "setMany":
          return count(numbers.setMany(names.map((name) => [name, 2] as const)), 0)
        case "delete":
          return count(numbers.delete(name), 0)
        case "deleteMany":
          return count(numbers.deleteMany(names), 0)
        case "has":
          return count(numbers.has(name), 0)
        case "ttl":
          return count(numbers.ttl(name), 0)
        case "expire":
          return count(numbers.expire(name, "2 seconds"), 0)
        case "pass":
          return Effect.as(TestClock.adjust("3 seconds"), { reads: 0, calls: 0 })
      }
    }

    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) =>
      Effect.gen(function* () {
        const cache = yield* Cache.Cache
        const sum = { reads: 0, calls: 0 }
        for (const [index, step] of steps.entries()) {
          if (index === 20) {
            cache.resetMetrics()
            Object.assign(sum, { reads: 0, calls: 0 })
          }
          const { calls, reads } = yield* doing(cache, step)
          sum.reads += reads
          sum.calls += calls
          const metrics = cache.metrics()
          const { hit_rate, hits, misses, total_operations } = Metrics.summary(metrics)
          assert.deepStrictEqual({ reads: hits + misses, calls: total_operations }, sum, step.kind)
          assert.strictEqual(hits, metrics.l1Hits + metrics.l2Hits)
          assert.closeTo(hit_rate, sum.reads === 0 ? 0 : (100 * hits) / sum.reads, 1e-9)
          assert.strictEqual(metrics.domains["test:number"]?.hits ?? 0, hits)
          assert.strictEqual(metrics.inFlight, 0)
        }
      }).pipe(
        Effect.provide(Memory.layer().pipe(Layer.provideMerge(TestClock.layer()))),
        Effect.provideService(Metric.MetricRegistry, new Map()),
        Effect.runPromise
      )
    )
    return fc.assert(property, { numRuns })
  })
})
