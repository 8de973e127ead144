/**
 * What Prometheus and OpenTelemetry see of a cache.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cache, CacheKey, createCache, Entity, Market, Memory, Schema, Tag } from "tiercache"
import { Effect, Layer, Metric } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { OtlpMetrics, OtlpSerialization, PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as PrometheusText from "./prometheusText.ts"

const Accounts = Entity.make("vb", "adapter", {
  key: { u: Schema.NonEmptyString, c: Schema.NonEmptyString },
  value: Schema.Unknown,
  tags: ({ c, u }) => [Tag.user(u), Tag.connection(c)]
})

/** Runs a test with a cache and a registry of its own. */
const test = <E>(name: string, body: (cache: Cache.Cache["Service"]) => Effect.Effect<void, E>) =>
  it.effect(name, () =>
    Effect.provide(Cache.Cache.use(body), Memory.layer()).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

const scraped = Effect.map(PrometheusMetrics.format(), PrometheusText.parse)

/** The value of the one series with a name and these labels. */
const valueOf = (
  families: ReadonlyMap<string, PrometheusText.Family>,
  name: string,
  labels: Readonly<Record<string, string>>
) => {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ""))
  const samples = (family?.samples ?? []).filter(
    (sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
  )
  assert.lengthOf(samples, 1, name)
  return samples[0]?.value
}

/** Does something of everything with ids that no other call has used. */
const useAll = (cache: Cache.Cache["Service"], id: string) =>
  Effect.gen(function* () {
    const accounts = cache.entity(Accounts)
    const other = { u: `${id}-u`, c: `${id}-c` }
    yield* accounts.set({ u: id, c: id }, id)
    yield* accounts.get({ u: id, c: id })
    yield* accounts.get(other)
    yield* accounts.getOrLoad(other, Effect.succeed(id))
    yield* Effect.ignore(accounts.getOrLoad({ u: id, c: "down" }, Effect.fail(id)))
    yield* accounts.getMany([other])
    yield* cache.set(CacheKey.fromParts(["key", id]), id, { tags: [Tag.of("symbol", id)] })
    cache.peek(CacheKey.fromParts(["key", id]))
    yield* Effect.ignore(cache.set(CacheKey.fromParts(["bad", id]), () => id))
    yield* Effect.ignore(cache.deletePattern(`key:${id}*`))
    yield* cache.deleteTags([Tag.user(id), Tag.connection(other.c)])
  })

describe("Prometheus", () => {
  test(
    "reads what the cache has counted",
    Effect.fnUntraced(function* (cache) {
      const quotes = cache.entity(Market.Quotes)
      yield* Effect.ignore(quotes.getOrLoad("AAPL", Effect.fail("down")))
      yield* quotes.get("AAPL")
      yield* cache.set("a", 1)
      yield* cache.get("a")
      cache.peek("a")
      const families = yield* scraped
      const quote = { domain: "market", type: "quote" }
      const untyped = { domain: "untyped", type: "" }
      const value = (name: string, labels = {}) => valueOf(families, `tiercache_${name}`, labels)
      assert.strictEqual(value("misses_total", quote), 2)
      assert.strictEqual(value("load_errors_total", quote), 1)
      assert.strictEqual(value("hits_total", { ...untyped, tier: "l1" }), 2)
      assert.strictEqual(value("hits_total", { ...untyped, tier: "l2" }), 0)
      const getOrLoad = { ...quote, operation: "getOrLoad" }
      assert.strictEqual(value("operations_total", { ...getOrLoad, outcome: "error" }), 1)
      assert.strictEqual(value("operations_total", { ...getOrLoad, outcome: "success" }), 0)
      assert.strictEqual(value("operations_total", { ...untyped, operation: "get", outcome: "success" }), 1)
      assert.strictEqual(value("operations_total", { ...untyped, operation: "peek", outcome: "success" }), 1)
      assert.strictEqual(value("operation_duration_seconds_count", { ...quote, operation: "get" }), 1)
      assert.strictEqual(value("operation_duration_seconds_count", { ...untyped, operation: "set" }), 1)
      assert.strictEqual(value("l1_entries"), 1)
      assert.isAbove(value("l1_bytes") ?? 0, 0)
      assert.strictEqual(value("loads_in_flight"), 0)
      cache.resetMetrics()
      yield* cache.get("a")
      assert.strictEqual(valueOf(yield* scraped, "tiercache_hits_total", { ...untyped, tier: "l1" }), 3)
    })
  )

  it.effect("does not count again, at a reset, what the backend goes on counting", () =>
    Effect.gen(function* () {
      const caches = Memory.layer({ l1: { maxEntries: 2 } })
      yield* Effect.gen(function* () {
        const cache = yield* Cache.Cache
        for (const key of ["a", "b", "c"]) yield* cache.set(key, key)
        cache.resetMetrics()
        assert.strictEqual(valueOf(yield* scraped, "tiercache_l1_evictions_total", {}), 1)
        yield* cache.set("d", "d")
        assert.strictEqual(valueOf(yield* scraped, "tiercache_l1_evictions_total", {}), 2)
      }).pipe(Effect.provide(caches))
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  test(
    "has no more series for more ids, and no id in any",
    Effect.fnUntraced(function* (cache) {
      const seriesOf = (text: string) => text.split("\n").map((line) => line.replace(/ \S+$/, ""))
      yield* useAll(cache, "canary-0")
      const first = yield* PrometheusMetrics.format()
      for (let id = 1; id <= 1000; id++) yield* useAll(cache, `canary-${id}`)
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.string({ minLength: 1, maxLength: 300 }), (text) =>
            Effect.runPromise(useAll(cache, `canary-${text}`))
          ),
          { numRuns: 100 }
        )
      )
      const last = yield* PrometheusMetrics.format()
      assert.deepStrictEqual(seriesOf(last), seriesOf(first))
      assert.isFalse(last.includes("canary"))
      PrometheusText.parse(last)
    })
  )

  it("reads what promise users count, and nothing of a cache that is closed", async () => {
    const text = () => Effect.runPromise(PrometheusMetrics.format())
    const hits = async () => {
      const families = PrometheusText.parse(await text())
      return valueOf(families, "tiercache_hits_total", { domain: "promises", tier: "l1" })
    }
    const Things = Entity.make("promises", "thing", { key: { id: Schema.String }, value: Schema.Number })
    await using quiet = await createCache({ metrics: false })
    await quiet.entity(Things).set("a", 1)
    assert.isFalse((await text()).includes("promises"))
    const [one, other] = [await createCache(), await createCache()]
    for (const cache of [one, other]) await cache.entity(Things).set("a", 1)
    await one.entity(Things).get("a")
    await other.entity(Things).get("a")
    assert.strictEqual(await hits(), 2)
    await other.close()
    assert.strictEqual(await hits(), 2)
    await one.close()
    assert.isFalse((await text()).includes("promises"))
  })

  it.each([
    ["a sample of no family", "a_total 1\n"],
    ["no new line at the end", "# HELP a_total A.\n# TYPE a_total counter\na_total 1"],
    ["a counter that is not called total", "# HELP a A.\n# TYPE a counter\na 1\n"],
    ["a series twice", '# HELP a A.\n# TYPE a gauge\na{b="1"} 1\na{b="1"} 2\n'],
    ["a quote in a label", '# HELP a A.\n# TYPE a gauge\na{b="1"2"} 1\n'],
    [
      "buckets that fall",
      '# HELP a A.\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n'
    ],
    ["another unit", "# HELP a_millis A.\n# TYPE a_millis gauge\na_millis 1\n"]
  ])("would not be given %s without our noticing", (_, text) => {
    assert.throws(() => PrometheusText.parse(text))
  })
})

describe("OpenTelemetry", () => {
  test(
    "is sent what the cache has counted, with units",
    Effect.fnUntraced(function* (cache) {
      const bodies: Array<unknown> = []
      const client = HttpClient.make((request) =>
        Effect.sync(() => {
          if (request.body._tag === "Uint8Array") bodies.push(JSON.parse(new TextDecoder().decode(request.body.body)))
          return HttpClientResponse.fromWeb(request, new Response())
        })
      )
      const exporter = OtlpMetrics.layer({
        url: "http://collector.test/v1/metrics",
        resource: { serviceName: "test" },
        exportInterval: "1 second"
      }).pipe(Layer.provide(Layer.merge(OtlpSerialization.layerJson, Layer.succeed(HttpClient.HttpClient, client))))
      yield* cache.set("a", 1)
      cache.peek("a")
      yield* Effect.provide(TestClock.adjust("1 second"), exporter)
      const body = yield* Schema.decodeUnknownEffect(Exported)(bodies[0])
      const metrics = new Map(
        body.resourceMetrics.flatMap(({ scopeMetrics }) =>
          scopeMetrics.flatMap(({ metrics }) => metrics.map((metric) => [metric.name, metric] as const))
        )
      )
      const points = metrics.get("tiercache_hits_total")?.sum?.dataPoints ?? []
      const l1 = points.filter(({ attributes }) =>
        attributes.some(({ key, value }) => key === "tier" && value.stringValue === "l1")
      )
      assert.deepStrictEqual(
        l1.map(({ asDouble, asInt }) => Number(asInt ?? asDouble)),
        [1]
      )
      assert.strictEqual(metrics.get("tiercache_operation_duration_seconds")?.unit, "s")
      assert.strictEqual(metrics.get("tiercache_l1_bytes")?.unit, "By")
    })
  )
})

const Exported = Schema.Struct({
  resourceMetrics: Schema.Array(
    Schema.Struct({
      scopeMetrics: Schema.Array(
        Schema.Struct({
          metrics: Schema.Array(
            Schema.Struct({
              name: Schema.String,
              unit: Schema.String,
              sum: Schema.optional(
                Schema.Struct({
                  dataPoints: Schema.Array(
                    Schema.Struct({
                      asInt: Schema.optional(Schema.Union([Schema.Number, Schema.String])),
                      asDouble: Schema.optional(Schema.Number),
                      attributes: Schema.Array(
                        Schema.Struct({
                          key: Schema.String,
                          value: Schema.Struct({ stringValue: Schema.optional(Schema.String) })
                        })
                      )
                    })
                  )
                })
              )
            })
          )
        })
      )
    })
  )
})
