/**
 * What can happen to a process itself.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Stage from "./faults/Stage.ts"
import { makeRandom } from "./faults/Workload.ts"

const A_WHILE = "400 millis"

describe.each(Stage.SEEDS)("processes, seed %i", { concurrent: true, timeout: Stage.PATIENCE_MILLIS }, (seed) => {
  it.live(
    "a reader that is stopped serves nothing old when it goes on",
    Effect.fnUntraced(function* () {
      const { all, judge, members } = yield* Stage.make({ names: ["reader", "writer"], seed })
      const [reader] = Stage.two(members)
      yield* all((member) => member.load({ readEveryMillis: 5 }))
      yield* Effect.sleep(A_WHILE)
      for (let round = 0; round < 2; round++) {
        yield* Stage.until(members, Stage.isTrusting)
        yield* reader.pause
        yield* Effect.sleep(Stage.outage(1200, 3000))
        yield* reader.resume
        yield* Effect.sleep(A_WHILE)
      }
      const { stats } = yield* judge()
      assert.isAtLeast(stats["reader"]?.trustLapses ?? 0, 2)
    })
  )

  it.live(
    "a reader whose event loop was blocked serves nothing old afterwards",
    Effect.fnUntraced(function* () {
      const { all, judge, keys, members } = yield* Stage.make({ names: ["reader", "writer"], seed })
      const [reader] = Stage.two(members)
      yield* all((member) => member.load())
      yield* Effect.sleep(A_WHILE)
      for (let round = 0; round < 2; round++) {
        yield* Stage.until(members, Stage.isTrusting)
        yield* reader.order({ _tag: "Block", millis: Stage.outage(1000, 3000), reads: keys })
        yield* Effect.sleep(A_WHILE)
      }
      const { stats } = yield* judge()
      assert.isAtLeast(stats["reader"]?.trustLapses ?? 0, 2)
    })
  )

  it.live(
    "a writer that is killed at any moment leaves nothing behind",
    Effect.fnUntraced(function* () {
      const waves = Stage.outage(2, 8)
      const doomed = Array.from({ length: waves * 2 }, (_, index) => `doomed-${index}`)
      const keys = doomed.flatMap((name) => [`${name}:0`, `${name}:1`, `${name}:2`])
      const stage = yield* Stage.make({ names: ["reader-1", "reader-2"], keys, seed })
      const random = makeRandom(seed)
      yield* stage.all((member) => member.load())
      const die = (name: string) =>
        Effect.gen(function* () {
          const writer = yield* stage.join(name)
          yield* writer.commands.delay(() => `${Math.round(random() * 10)} millis`)
          yield* writer.load({ writes: [`${name}:0`, `${name}:1`, `${name}:2`], writeEveryMillis: 0 })
          yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => writer.acknowledged().length > 0 })
          yield* Effect.sleep(random() * 150)
          yield* writer.kill
          return writer.acknowledged()
        })
      const known = yield* Effect.forEach(doomed, die, { concurrency: 2 })
      yield* Effect.sleep(A_WHILE)
      const { history } = yield* stage.judge(known.flat())
      assert.isTrue(history.finals.some(({ key, fresh }) => key.startsWith("doomed") && fresh !== undefined))
    })
  )
})
