import { it } from "@effect/vitest"
import { ReadThroughTest } from "@tiercache/core/testing"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Effect, Layer } from "effect"

const fleet = Layer.effect(
  ReadThroughTest.Fleet,
  Effect.gen(function* () {
    const shared = yield* MemoryBackend.makeShared()
    const made = yield* Effect.forEach(["a", "b", "c"], (origin) => MemoryBackend.make(shared, origin))
    const lossy = Effect.acquireRelease(
      Effect.sync(() => shared.bus.setFaults({ drop: () => true })),
      () => Effect.sync(() => shared.bus.setFaults({}))
    )
    return { backends: made.map(({ backend }) => backend), lossy }
  })
)

ReadThroughTest.suite("reading through MemoryBackend", fleet, { clock: "test" })

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 3000 : 100

it.effect("reading through keeps its promises in random histories", () =>
  ReadThroughTest.check({ runs: RUNS }).pipe(Effect.provide(fleet))
)
