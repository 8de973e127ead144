import { assert, describe, it } from "@effect/vitest"
import { Histogram, Telemetry } from "@tiercache/core"
import { Effect, Exit, Metric, Scope } from "effect"

/** Runs a test with a registry of its own. */
const test = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>) =>
  it.effect(name, () => Effect.provideService(Effect.suspend(body), Metric.MetricRegistry, new Map()))

const opened = Effect.map(Effect.scope, (outer) =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(outer)
    const telemetry = yield* Scope.provide(Telemetry.make, scope)
    return { telemetry, close: Scope.close(scope, Exit.void) }
  })
).pipe(Effect.flatten)

const states = Effect.map(Metric.snapshot, (all) => all.map(({ state }) => state))

const requests = { name: "requests_total", description: "Requests.", labels: { kind: "a" } }
const counted = (count: number) => ({ count, incremental: true })

describe("Telemetry", () => {
  test(
    "shows numbers as they are when they are read",
    Effect.fnUntraced(function* () {
      const { telemetry } = yield* opened
      let count = 1
      telemetry.counter(requests, () => count)
      count = 5
      assert.deepStrictEqual(yield* Metric.snapshot, [
        {
          id: "requests_total",
          type: "Counter",
          description: "Requests.",
          attributes: { kind: "a" },
          state: counted(5)
        }
      ])
    })
  )

  test(
    "adds up what shares a name and labels, and goes back neither when one closes nor at a reset",
    Effect.fnUntraced(function* () {
      const [one, other] = [yield* opened, yield* opened]
      let count = 2
      one.telemetry.counter(requests, () => count)
      other.telemetry.counter(requests, () => 10)
      other.telemetry.counter({ ...requests, labels: { kind: "b" } }, () => 100)
      assert.deepStrictEqual(yield* states, [counted(12), counted(100)])
      yield* other.close
      assert.deepStrictEqual(yield* states, [counted(12)])
      one.telemetry.retain()
      count = 0
      assert.deepStrictEqual(yield* states, [counted(12)])
      count = 1
      assert.deepStrictEqual(yield* states, [counted(13)])
      yield* one.close
      assert.deepStrictEqual(yield* states, [])
    })
  )

  test(
    "forgets a gauge with its source, and combines those of several as told",
    Effect.fnUntraced(function* () {
      const [one, other] = [yield* opened, yield* opened]
      for (const [{ telemetry }, value] of [
        [one, 2],
        [other, 3]
      ] as const) {
        telemetry.gauge({ name: "size", description: "Size." }, () => value)
        telemetry.gauge({ name: "lag_seconds", description: "Lag." }, () => value, Math.max)
      }
      assert.deepStrictEqual(yield* states, [{ value: 5 }, { value: 3 }])
      yield* other.close
      assert.deepStrictEqual(yield* states, [{ value: 2 }, { value: 2 }])
    })
  )

  test(
    "shows times in seconds, each range with those below it",
    Effect.fnUntraced(function* () {
      const { telemetry } = yield* opened
      const histogram = Histogram.make()
      telemetry.histogram({ name: "duration_seconds", description: "Time." }, histogram)
      for (const millis of [0.25, 50, 50, 120_000]) Histogram.record(histogram, millis)
      const [series] = yield* Metric.snapshot
      assert.deepStrictEqual(series?.attributes, { unit: "s" })
      if (series?.type !== "Histogram") return assert.fail("no histogram")
      const { buckets, ...rest } = series.state
      assert.deepStrictEqual(rest, { count: 4, min: 0.00025, max: 120, sum: 120.10025 })
      const below = new Map(buckets)
      assert.deepStrictEqual(
        [0.0001, 0.00025, 0.025, 0.05, 60].map((bound) => below.get(bound)),
        [0, 1, 1, 3, 3]
      )
    })
  )

  test(
    "keeps apart what has other attributes of the context",
    Effect.fnUntraced(function* () {
      const withPool = (pool: string) => Effect.provideService(opened, Metric.CurrentMetricAttributes, { pool })
      const [one, other] = [yield* withPool("one"), yield* withPool("other")]
      one.telemetry.counter(requests, () => 1)
      other.telemetry.counter(requests, () => 2)
      const all = yield* Metric.snapshot
      assert.deepStrictEqual(
        all.map(({ attributes, state }) => [attributes, state]),
        [
          [{ kind: "a", pool: "one" }, counted(1)],
          [{ kind: "a", pool: "other" }, counted(2)]
        ]
      )
    })
  )
})
