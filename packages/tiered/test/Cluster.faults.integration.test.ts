/**
 * What happens to coherent caches when the nodes of a cluster fail, and when slots move.
 */
import { assert, describe, it } from "@effect/vitest"
import { RedisCluster } from "@tiercache/core/testing"
import { Effect } from "effect"
import * as Stage from "./faults/Stage.ts"
import * as Topology from "./faults/Topology.ts"

const A_WHILE = "400 millis"

const setup = Effect.fnUntraced(function* (seed: number, commandTimeoutMillis?: number) {
  const cluster = yield* RedisCluster.make()
  const redis = { cluster: cluster.addresses }
  const topology = yield* Topology.make({ redis, names: ["a", "b"], seed, commandTimeoutMillis })
  yield* topology.all((member) => member.load())
  yield* Effect.sleep(A_WHILE)
  return { ...cluster, topology }
})

describe.each(Stage.SEEDS)("a cluster, seed %i", { concurrent: true, timeout: Stage.PATIENCE_MILLIS }, (seed) => {
  it.live(
    "of which a primary is killed, and comes back as a replica",
    Effect.fnUntraced(function* () {
      const { primaryOf, settled, topology } = yield* setup(seed)
      const primary = yield* primaryOf("a:0")
      const outage = yield* Topology.outage(topology, primary.kill, settled)
      yield* Effect.sleep(A_WHILE)
      yield* primary.restart
      yield* Effect.sleep(A_WHILE)
      const { history, stats } = yield* topology.judge
      if (Stage.isFull) yield* Effect.log("cluster, killed", Topology.figuresOf(history, outage))
      // emptied since the start, by the failover
      for (const { epochs } of Object.values(stats)) assert.isAtLeast(epochs["connected"] ?? 0, 2)
    })
  )

  it.live(
    "of which a primary is frozen, replaced, and goes on",
    Effect.fnUntraced(function* () {
      const { primaryOf, settled, topology } = yield* setup(seed)
      const primary = yield* primaryOf("a:0")
      const replaced = Effect.repeat(Effect.delay(primaryOf("a:0"), "20 millis"), { until: (now) => now !== primary })
      const outage = yield* Topology.outage(topology, primary.pause, Effect.asVoid(replaced))
      yield* Effect.sleep(A_WHILE)
      yield* topology.primaryLost
      yield* primary.resume
      yield* settled
      yield* Effect.sleep(A_WHILE)
      const { history, stats } = yield* topology.judge
      if (Stage.isFull) yield* Effect.log("cluster, frozen", Topology.figuresOf(history, outage))
      for (const { epochs } of Object.values(stats)) assert.isAtLeast(epochs["connected"] ?? 0, 2)
    })
  )

  it.live(
    "of which slots move back and forth",
    Effect.fnUntraced(function* () {
      // so that what fails is not just slow, as all is on a busy machine
      const { moveSlots, primaries, primaryOf, topology } = yield* setup(seed, 5000)
      for (let round = 0; round < Stage.outage(2, 10); round++) {
        for (const { keys } of topology.members) {
          for (const key of keys.slice(0, 4)) {
            const from = yield* primaryOf(key)
            const to = (yield* primaries).find((node) => node !== from)
            assert(to !== undefined)
            const slot = Number(yield* from.ask("CLUSTER", "KEYSLOT", key))
            yield* moveSlots({ from, to, first: slot, last: slot })
          }
        }
        yield* Stage.until(topology.members, Stage.isTrusting)
      }
      const { stats, summary } = yield* topology.judge
      // every command has found its way
      assert.strictEqual(summary.failedReads + summary.failedWrites, 0)
      // nothing is lost, so L1 is not emptied
      for (const { epochs } of Object.values(stats)) assert.strictEqual(epochs["connected"], 1)
    })
  )
})
