/**
 * Processes whose wall clocks are hours apart. This takes `faketime` (Debian: `apt-get install faketime`); `Coherence.test.ts`
 * shows the same in one process.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Stage from "./faults/Stage.ts"

describe("wall clocks", { timeout: Stage.PATIENCE_MILLIS }, () => {
  it.live(
    "an hour apart in either direction change nothing",
    Effect.fnUntraced(function* () {
      const names = ["ahead", "behind", "right"]
      const wallClocks = { ahead: "+1h", behind: "-1h" }
      const { all, judge } = yield* Stage.make({ names, seed: 1, wallClocks })
      yield* all((member) => member.load())
      yield* Effect.sleep("3 seconds")
      const { summary } = yield* judge()
      assert.isAbove(summary.l1Hits, 100)
    })
  )
})
