/**
 * Reading through the cache as tests, for any backend.
 *
 * **Example**
 *
 * ```ts
 * import { ReadThroughTest } from "@tiercache/core/testing"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer } from "effect"
 *
 * const fleet = Layer.effect(
 *   ReadThroughTest.Fleet,
 *   Effect.gen(function* () {
 *     const shared = yield* MemoryBackend.makeShared()
 *     const made = yield* Effect.forEach(["a", "b", "c"], (origin) => MemoryBackend.make(shared, origin))
 *     return { backends: made.map(({ backend }) => backend) }
 *   })
 * )
 * ReadThroughTest.suite("reading through MemoryBackend", fleet, { clock: "test" })
 * ```
 */
import { layer as withLayer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import * as fc from "fast-check"
import * as BackingOff from "../internal/readThroughContract/BackingOff.ts"
import * as Counting from "../internal/readThroughContract/Counting.ts"
import * as Finding from "../internal/readThroughContract/Finding.ts"
import * as Keeping from "../internal/readThroughContract/Keeping.ts"
import * as Histories from "../internal/readThroughContract/Histories.ts"
import * as History from "../internal/readThroughContract/History.ts"
import * as Joining from "../internal/readThroughContract/Joining.ts"
import * as Leaving from "../internal/readThroughContract/Leaving.ts"
import * as Many from "../internal/readThroughContract/Many.ts"
import * as Refreshing from "../internal/readThroughContract/Refreshing.ts"
import * as Sharing from "../internal/readThroughContract/Sharing.ts"
import * as Staleness from "../internal/readThroughContract/Staleness.ts"
import * as Subject from "../internal/readThroughContract/Subject.ts"
import * as Superseding from "../internal/readThroughContract/Superseding.ts"
import * as Unmodified from "../internal/readThroughContract/Unmodified.ts"

export { Fleet } from "../internal/readThroughContract/Subject.ts"

export interface Options {
  /** `test` if Effect's clock moves the backends' time, `live` if they have a clock of their own, as a server has. */
  readonly clock: Subject.ClockKind
}

/**
 * Registers the tests, in a `describe` block.
 *
 * **Details**
 *
 * The fleet is built once for all tests; each test has caches and keys of its own. What moves the time or loses messages is tested
 * on a test clock only.
 */
export const suite = <E>(name: string, fleet: Layer.Layer<Subject.Fleet, E>, { clock }: Options): void => {
  withLayer(fleet, { excludeTestServices: clock === "live" })(name, (it) => {
    const test: Subject.Test = (name, body, options) => {
      if (options?.needs !== undefined && clock !== "test") return
      it.effect(name, () => Effect.flatMap(Subject.make(clock), body))
    }
    Finding.register(test)
    Keeping.register(test)
    Sharing.register(test)
    BackingOff.register(test)
    Superseding.register(test)
    Leaving.register(test)
    Staleness.register(test)
    Refreshing.register(test)
    Unmodified.register(test)
    Many.register(test)
    Joining.register(test)
    Counting.register(test)
  })
}

export interface CheckOptions {
  /** How many histories, 300 unless given. */
  readonly runs?: number | undefined
  /** Repeats the histories of an earlier check, which printed it when it failed. */
  readonly seed?: number | undefined
}

const DEFAULT_RUNS = 300

/**
 * Lives through random histories of callers, interruptions, slow, failing and hanging loaders, writes, and caches that close, on a
 * test clock. Whatever happens, no key is loaded twice at once while its lease is there, nobody gets what was replaced before he
 * asked, everybody is answered, and nothing is left behind.
 */
export const check = Effect.fnUntraced(function* (options?: CheckOptions) {
  const context = yield* Effect.context<Subject.Fleet>()
  const property = fc.asyncProperty(History.arbitrary, (history) =>
    Effect.runPromiseWith(context)(Histories.live(history))
  )
  const seed = options?.seed === undefined ? {} : { seed: options.seed }
  yield* Effect.promise(() => fc.assert(property, { numRuns: options?.runs ?? DEFAULT_RUNS, ...seed }))
})
