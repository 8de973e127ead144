import { it } from "@effect/vitest"
import { CacheBackendTest, CacheModel } from "@tiercache/core/testing"
import { Effect } from "effect"
import { layer } from "./support.ts"

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 2500 : 300

CacheBackendTest.suite("TieredBackend over memory", layer, { clock: "test" })

it.effect("lives through random histories as the model does", () =>
  CacheModel.check({ clock: "test", runs: RUNS }).pipe(Effect.provide(layer))
)
