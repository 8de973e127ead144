import { Effect } from "effect"
import * as Stage from "./faults/Stage.ts"
const t0 = performance.now()
const log = (s: string) =>
  Effect.sync(() =>
    console.log(
      s,
      Math.round(performance.now() - t0),
      "cpu",
      Math.round(process.cpuUsage().user / 1000 + process.cpuUsage().system / 1000)
    )
  )
await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      yield* log("start")
      const { all, judge, members } = yield* Stage.make({ names: ["a", "b", "c"], seed: 1 })
      yield* log("made")
      yield* all((m) => m.load())
      yield* Effect.sleep(3000)
      yield* log("loaded 3s")
      const v = yield* judge()
      console.log(v.summary)
      yield* log("judged")
    })
  )
)
console.log("exit", Math.round(performance.now() - t0), process.resourceUsage().userCPUTime / 1e6)
