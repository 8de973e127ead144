import { type Cache, Metrics } from "@tiercache/core"
import { expectTypeOf, test } from "vitest"

declare const cache: Cache.Cache["Service"]

test("operations are those that there are", () => {
  const { domains, operations } = cache.metrics()
  expectTypeOf(operations.getOrLoad.count).toEqualTypeOf<number>()
  // @ts-expect-error -- counted as `get` or `getOrLoad`
  void operations.lookup
  // @ts-expect-error -- which domains there are, no type can tell
  void domains["market:quote"].hits
})

test("counters are changed by the cache alone", () => {
  const metrics = cache.metrics()
  // @ts-expect-error
  metrics.hits = 0
  // @ts-expect-error
  metrics.operations.get.errors = 0
})

test("a summary is made of all there is", () => {
  expectTypeOf(Metrics.summary(cache.metrics()).hit_rate).toEqualTypeOf<number>()
  // @ts-expect-error -- a domain does not know for how long it has been there
  void (() => Metrics.summary(cache.metrics().domains["market:quote"]))
})
