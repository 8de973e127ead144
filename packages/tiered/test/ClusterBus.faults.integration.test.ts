/**
 * What happens to coherent caches when the way to a node of a cluster is slow, cut or silent.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ClusterNetwork from "./faults/ClusterNetwork.ts"
import * as RefillRace from "./faults/RefillRace.ts"
import * as SharedClock from "./faults/SharedClock.ts"
import * as Stage from "./faults/Stage.ts"
import * as Topology from "./faults/Topology.ts"
import { makeRandom } from "./faults/Workload.ts"

const A_WHILE = "400 millis"

interface Options {
  readonly names: readonly [string, string]
  readonly seed: number
  readonly keys?: ReadonlyArray<string>
}

const setup = Effect.fnUntraced(function* (options: Options) {
  const { addresses, primaries } = yield* ClusterNetwork.make
  const topology = yield* Topology.make({ redis: { cluster: addresses }, ...options })
  const [first, ...others] = yield* primaries
  assert(first !== undefined && others.length > 0)
  return { first, ways: [first, ...others], ...topology }
})

describe.each(Stage.SEEDS)(
  "ways to a cluster, seed %i",
  { concurrent: true, timeout: Stage.PATIENCE_MILLIS },
  (seed) => {
    it.live(
      "that are slow: a refill that a write of this or another process overtook is not kept",
      Effect.fnUntraced(function* () {
        const rounds = Array.from({ length: 10 }, (_, round) =>
          Array.from({ length: 160 }, (_, index) => `${round}:k:${index}`)
        )
        const { judge, members, ways } = yield* setup({ names: ["reader", "writer"], seed, keys: rounds.flat() })
        const [reader, writer] = members
        assert(reader !== undefined && writer !== undefined)
        const random = makeRandom(seed)
        yield* Effect.forEach(ways, ({ commands }) =>
          commands.delay(() => `${Math.round(50 + random() * 150)} millis`, "toClient")
        )
        // a busy machine may lead to rounds in which nothing met
        let refused = 0
        for (const keys of rounds) {
          if (refused < Stage.outage(80, 600)) refused = yield* RefillRace.run({ reader, writer, keys, random })
        }
        assert.isAtLeast(refused, 80)
        yield* Effect.forEach(ways, ({ commands }) => commands.pass())
        yield* judge
      })
    )

    it.live(
      "on which the bus of one primary, and then of all, is cut again and again",
      Effect.fnUntraced(function* () {
        const { all, first, judge, members, ways } = yield* setup({ names: ["a", "b"], seed })
        yield* all((member) => member.load())
        for (const cut of [[first], ways]) {
          yield* Effect.sleep(A_WHILE)
          const before = yield* Effect.forEach(members, ({ stats }) => stats)
          yield* Effect.forEach(cut, ({ bus }) => bus.cut).pipe(
            Effect.delay("50 millis"),
            Effect.forever,
            Effect.timeoutOption(Stage.outage(1000, 2000))
          )
          yield* Stage.until(members, Stage.isTrusting)
          const after = yield* Effect.forEach(members, ({ stats }) => stats)
          const emptied = after.map(
            ({ epochs }, index) => (epochs["connected"] ?? 0) - (before[index]?.epochs["connected"] ?? 0)
          )
          for (const times of emptied) assert.isAtLeast(times, 1)
        }
        yield* Effect.sleep(A_WHILE)
        yield* judge
      })
    )

    it.live(
      "on which the bus of one primary is silent",
      Effect.fnUntraced(function* () {
        const { all, first, judge, members } = yield* setup({ names: ["a", "b"], seed })
        yield* all((member) => member.load())
        yield* Effect.sleep(A_WHILE)
        yield* first.bus.drop()
        const silentAt = SharedClock.now()
        yield* Effect.sleep(Stage.outage(2000, 5000))
        const healedAt = SharedClock.now()
        yield* first.bus.pass()
        yield* Stage.until(members, ({ state, trustLapses }) => state === "trusted" && trustLapses > 0)
        yield* Effect.sleep(A_WHILE)
        const { history } = yield* judge
        const reads = history.operations.filter(
          ({ op, result, start }) =>
            op === "read" && result === "found" && start > silentAt + Stage.BOUND_MILLIS && start < healedAt
        )
        assert.isAbove(reads.length, 0)
        assert.deepEqual(
          reads.filter((read) => read.op === "read" && read.tier === "l1"),
          []
        )
      })
    )
  }
)
