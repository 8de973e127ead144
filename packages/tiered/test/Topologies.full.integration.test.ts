/**
 * One failure after the other, at random, for a minute.
 */
import { assert, describe, it } from "@effect/vitest"
import { RedisCluster, RedisSentinel } from "@tiercache/core/testing"
import { Effect } from "effect"
import * as Stage from "./faults/Stage.ts"
import * as Topology from "./faults/Topology.ts"
import { makeRandom } from "./faults/Workload.ts"

const A_WHILE = "400 millis"
const ROUNDS = 12
const NAMES = ["a", "b", "c"]

const pick = <A>(random: () => number, items: ReadonlyArray<A>): A => {
  const item = items[Math.floor(random() * items.length)]
  assert(item !== undefined)
  return item
}

describe.each(Stage.SEEDS)("at random, seed %i", { timeout: Stage.PATIENCE_MILLIS }, (seed) => {
  it.live(
    "the nodes of a cluster die, freeze, change places and exchange slots",
    Effect.fnUntraced(function* () {
      const cluster = yield* RedisCluster.make()
      const { failover, moveSlots, primaries, primaryOf, replicasOf, settled } = cluster
      const topology = yield* Topology.make({ redis: { cluster: cluster.addresses }, names: NAMES, seed })
      const { all, judge, members, primaryLost } = topology
      const random = makeRandom(seed)
      const somePrimary = Effect.map(primaries, (nodes) => pick(random, nodes))

      const kill = Effect.gen(function* () {
        const node = yield* somePrimary
        yield* Topology.outage(topology, node.kill, settled)
        yield* node.restart
      })
      const freeze = Effect.gen(function* () {
        const node = yield* somePrimary
        const isReplaced = Effect.map(primaries, (nodes) => !nodes.includes(node))
        const replaced = Effect.repeat(Effect.delay(isReplaced, "20 millis"), { until: (holds) => holds })
        yield* Topology.outage(topology, node.pause, Effect.asVoid(replaced))
        yield* primaryLost
        yield* node.resume
      })
      const changePlaces = Effect.gen(function* () {
        const node = yield* somePrimary
        yield* failover(pick(random, yield* replicasOf(node)))
      })
      const exchange = Effect.gen(function* () {
        for (let times = 0; times < 5; times++) {
          const key = pick(random, pick(random, members).keys)
          const from = yield* primaryOf(key)
          const others = (yield* primaries).filter((node) => node !== from)
          const slot = Number(yield* from.ask("CLUSTER", "KEYSLOT", key))
          yield* moveSlots({ from, to: pick(random, others), first: slot, last: slot })
        }
      })

      yield* all((member) => member.load())
      for (let round = 0; round < ROUNDS; round++) {
        yield* Effect.sleep(A_WHILE)
        yield* pick(random, [kill, freeze, changePlaces, exchange])
        yield* settled
        yield* Stage.until(members, Stage.isTrusting)
      }
      yield* judge
    })
  )

  it.live(
    "the servers of a Sentinel group die, freeze and change places",
    Effect.fnUntraced(function* () {
      const { addresses, failover, name, primary, replaced } = yield* RedisSentinel.make({ replicas: 2 })
      const topology = yield* Topology.make({ redis: { sentinels: addresses, name }, names: NAMES, seed })
      const { all, judge, losing, members } = topology
      const random = makeRandom(seed)

      const kill = Effect.gen(function* () {
        const old = yield* primary
        yield* Topology.outage(topology, old.kill, replaced(old))
        yield* old.restart
      })
      const freeze = Effect.gen(function* () {
        const old = yield* primary
        yield* Topology.outage(topology, old.pause, replaced(old))
        yield* old.resume
      })
      // long enough that it is replaced, although it is well again by then
      const stall = Effect.gen(function* () {
        const old = yield* primary
        yield* old.pause
        yield* Effect.sleep("1300 millis")
        yield* old.resume
        yield* Effect.sleep("4 seconds")
      })
      // from the promotion of the new primary until the sentinels announce it, the old one is written to
      const changePlaces = losing(failover)

      yield* all((member) => member.load())
      for (let round = 0; round < ROUNDS / 2; round++) {
        yield* Effect.sleep(A_WHILE)
        yield* pick(random, [kill, freeze, stall, changePlaces])
        yield* Stage.until(members, Stage.isTrusting)
        // until then, sentinels make no replica of what has come back
        yield* Effect.sleep("10 seconds")
      }
      yield* judge
    })
  )
})
