/**
 * The contract of `CacheBackend` as tests, for any backend.
 *
 * **Example**
 *
 * ```ts
 * import { CacheBackendTest } from "@tiercache/core/testing"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 *
 * CacheBackendTest.suite("MemoryBackend", MemoryBackend.layer(), { clock: "test" })
 * ```
 */
import { assert, layer as withLayer } from "@effect/vitest"
import { Effect, type Layer, Stream } from "effect"
import * as CacheBackend from "../CacheBackend.ts"
import type * as CacheError from "../CacheError.ts"
import * as Changes from "../internal/contract/Changes.ts"
import * as Counters from "../internal/contract/Counters.ts"
import * as Expiry from "../internal/contract/Expiry.ts"
import * as Grace from "../internal/contract/Grace.ts"
import * as LeasedKeys from "../internal/contract/LeasedKeys.ts"
import * as LeaseEnds from "../internal/contract/LeaseEnds.ts"
import * as LeaseMessages from "../internal/contract/LeaseMessages.ts"
import * as Leases from "../internal/contract/Leases.ts"
import * as Loading from "../internal/contract/Loading.ts"
import * as Scans from "../internal/contract/Scans.ts"
import * as Scripts from "../internal/contract/Scripts.ts"
import * as Subject from "../internal/contract/Subject.ts"
import * as TaggedLoads from "../internal/contract/TaggedLoads.ts"
import * as Tags from "../internal/contract/Tags.ts"
import * as Values from "../internal/contract/Values.ts"
import * as Writes from "../internal/contract/Writes.ts"

export interface Options {
  /** `test` if Effect's clock moves the backend's time, `live` if the backend has a clock of its own, as a server has. */
  readonly clock: Subject.ClockKind
}

/**
 * Registers the tests, in a `describe` block.
 *
 * **Details**
 *
 * The layer is built once for all tests; each test uses keys of its own, so a shared server needs no flush. What the backend
 * declares as unsupported is tested to fail with `Unsupported`. On a live clock nothing depends on how fast the
 * machine is: tests wait for conditions.
 */
export const suite = <E>(name: string, layer: Layer.Layer<CacheBackend.CacheBackend, E>, options: Options): void => {
  withLayer(layer, { excludeTestServices: options.clock === "live" })(name, (it) => {
    const test: Subject.Test = (name, body, feature) => {
      it.effect(
        name,
        Effect.fnUntraced(function* () {
          const subject = yield* Subject.make(options.clock)
          const isLacking = feature !== undefined && subject.backend.unsupported.has(feature)
          yield* isLacking ? lacks(subject, feature) : body(subject)
        })
      )
    }
    Values.register(test)
    Writes.register(test)
    Expiry.register(test)
    Scans.register(test)
    Counters.register(test)
    Scripts.register(test)
    Changes.register(test)
    Grace.register(test)
    Leases.register(test)
    LeasedKeys.register(test)
    LeaseEnds.register(test)
    LeaseMessages.register(test)
    Tags.register(test)
    TaggedLoads.register(test)
  })
}

const lacks = (subject: Subject.Subject, feature: CacheBackend.Feature) =>
  Effect.map(Subject.reasonOf(use(subject, feature)), (reason) => assert.strictEqual(reason, "Unsupported"))

const use = (
  subject: Subject.Subject,
  feature: CacheBackend.Feature
): Effect.Effect<unknown, CacheError.CacheError> => {
  const { backend, key } = subject
  switch (feature) {
    case "increment":
      return backend.increment(key("a"), { ttl: Subject.LONG })
    case "expire":
      return backend.expire(key("a"), Subject.LONG)
    case "run":
      return backend.run(Scripts.counter, [key("a")], { limit: 1, ttlMillis: 1000 })
    case "leases":
      return Loading.take(subject, key("a"))
    case "tags":
      return backend.deleteTags([key("a")])
    default:
      return Stream.runDrain(backend.changes)
  }
}
