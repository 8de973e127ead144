/**
 * What happens to coherent caches when the primary of a Sentinel group fails.
 */
import { assert, describe, it } from "@effect/vitest"
import { RedisSentinel } from "@tiercache/core/testing"
import { Effect } from "effect"
import * as Stage from "./faults/Stage.ts"
import * as Topology from "./faults/Topology.ts"

const A_WHILE = "400 millis"

const setup = Effect.fnUntraced(function* (seed: number) {
  const group = yield* RedisSentinel.make()
  const redis = { sentinels: group.addresses, name: group.name }
  const topology = yield* Topology.make({ redis, names: ["a", "b"], seed })
  yield* topology.all((member) => member.load())
  yield* Effect.sleep(A_WHILE)
  return { ...group, topology }
})

describe.each(Stage.SEEDS)(
  "a Sentinel group, seed %i",
  { concurrent: true, timeout: Stage.PATIENCE_MILLIS },
  (seed) => {
    it.live(
      "of which the primary is killed",
      Effect.fnUntraced(function* () {
        const { primary, replaced, topology } = yield* setup(seed)
        const old = yield* primary
        const outage = yield* Topology.outage(topology, old.kill, replaced(old))
        yield* Effect.sleep(A_WHILE)
        const { history, stats } = yield* topology.judge
        if (Stage.isFull) yield* Effect.log("sentinel, killed", Topology.figuresOf(history, outage))
        for (const { epochs } of Object.values(stats)) assert.isAtLeast(epochs["connected"] ?? 0, 2)
      })
    )

    it.live(
      "of which the primary is frozen, replaced, and goes on as if it was one",
      Effect.fnUntraced(function* () {
        const { primary, replaced, topology } = yield* setup(seed)
        const old = yield* primary
        const outage = yield* Topology.outage(topology, old.pause, replaced(old))
        yield* Effect.sleep(A_WHILE)
        yield* old.resume
        yield* Effect.sleep(Stage.outage(1000, 15_000))
        const { history, stats } = yield* topology.judge
        if (Stage.isFull) yield* Effect.log("sentinel, frozen", Topology.figuresOf(history, outage))
        for (const { epochs } of Object.values(stats)) assert.isAtLeast(epochs["connected"] ?? 0, 2)
      })
    )
  }
)
