/**
 * What happens at the same time in several processes, over real connections that are slow.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type * as Orders from "./faults/Orders.ts"
import * as RefillRace from "./faults/RefillRace.ts"
import * as SharedClock from "./faults/SharedClock.ts"
import * as Stage from "./faults/Stage.ts"
import { makeRandom } from "./faults/Workload.ts"

type Steps = (typeof Orders.Script.Type)["steps"]

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `k:${index}`)

const millisBetween = (random: () => number, least: number, most: number) => () =>
  `${Math.round(least + random() * (most - least))} millis` as const

describe.each(Stage.SEEDS)(
  "races between processes, seed %i",
  { concurrent: true, timeout: Stage.PATIENCE_MILLIS },
  (seed) => {
    it.live(
      "a refill that a write of this or another process overtook is not kept",
      Effect.fnUntraced(function* () {
        const rounds = Array.from({ length: 10 }, (_, round) => numbered(160).map((key) => `${round}:${key}`))
        const { judge, members } = yield* Stage.make({
          names: ["reader", "writer"],
          keys: rounds.flat(),
          keysPerMember: 0,
          seed
        })
        const [reader, writer] = Stage.two(members)
        const random = makeRandom(seed)
        yield* reader.commands.delay(millisBetween(random, 50, 200), "toClient")
        // a busy machine may lead to rounds in which nothing met
        let refused = 0
        for (const keys of rounds)
          if (refused < Stage.outage(80, 600)) refused = yield* RefillRace.run({ reader, writer, keys, random })
        assert.isAtLeast(refused, 80)
        yield* reader.commands.pass()
        yield* judge()
      })
    )

    it.live(
      "an own write that races with a foreign one leaves what the store has",
      Effect.fnUntraced(function* () {
        const keys = numbered(100)
        const { all, judge } = yield* Stage.make({ names: ["a", "b"], keys, keysPerMember: 0, seed })
        const random = makeRandom(seed)
        for (let round = 0; round < 3; round++) {
          yield* all(({ bus, commands }, index) =>
            Effect.andThen(
              commands.delay(millisBetween(random, 10, index === 0 ? 100 : 40), "toClient"),
              bus.delay(millisBetween(random, 0, 60), "toClient")
            )
          )
          const start = SharedClock.now() + RefillRace.LEAD_MILLIS
          const stepsOf = (): Steps =>
            keys.flatMap((key) => [
              {
                at: start + random() * 30,
                operation: random() < 0.25 ? { _tag: "Delete", key } : { _tag: "Set", key, push: random() < 0.5 }
              },
              { at: start + random() * 60, operation: { _tag: "Get", key } }
            ])
          yield* all((member) => member.order({ _tag: "Script", steps: stepsOf() }))
        }
        yield* all(({ bus, commands }) => Effect.andThen(bus.pass(), commands.pass()))
        yield* judge()
      })
    )

    it.live(
      "pushed values of concurrent writers converge",
      Effect.fnUntraced(function* () {
        const keys = numbered(12)
        const { all, judge, members } = yield* Stage.make({ names: ["a", "b", "c"], keys, keysPerMember: 0, seed })
        const random = makeRandom(seed)
        yield* all((member, index) => member.bus.delay(millisBetween(random, 0, 10 * index), "toClient"))
        yield* all((member) => member.load({ writes: keys, writeEveryMillis: 8, pushShare: 1, deleteShare: 0.05 }))
        yield* Effect.sleep(Stage.outage(1500, 10_000))
        yield* Stage.until(members, ({ updated }) => updated > 20)
        yield* all((member) => Effect.andThen(member.order({ _tag: "Stop" }), member.bus.pass()))
        yield* judge()
      })
    )
  }
)
