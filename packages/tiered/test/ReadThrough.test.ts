import { it } from "@effect/vitest"
import { ReadThroughTest } from "@tiercache/core/testing"
import { Effect, Layer } from "effect"
import { makeFleet } from "./support.ts"

const fleet = Layer.effect(
  ReadThroughTest.Fleet,
  Effect.gen(function* () {
    const { bus, join } = yield* makeFleet
    const members = yield* Effect.forEach(["a", "b", "c"], (origin) => join(origin))
    const lossy = Effect.acquireRelease(
      Effect.sync(() => bus.setFaults({ drop: () => true })),
      () => Effect.sync(() => bus.setFaults({}))
    )
    return { backends: members.map(({ backend }) => backend), lossy }
  })
)

ReadThroughTest.suite("reading through TieredBackend over memory", fleet, { clock: "test" })

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 150 : 20

it.effect("reading through keeps its promises in random histories", () =>
  ReadThroughTest.check({ runs: RUNS }).pipe(Effect.provide(fleet))
)
