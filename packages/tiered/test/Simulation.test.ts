import { assert, it } from "@effect/vitest"
import * as Schedule from "./simulation/Schedule.ts"

const SCHEDULES = process.env.TIERCACHE_TEST_FULL === "1" ? 10_000 : 1000
it("x", () => {
  const start = performance.now()
  const found = Schedule.search({ schedules: SCHEDULES })
  console.log(performance.now() - start)
  assert.strictEqual(found?.report, undefined)
})
