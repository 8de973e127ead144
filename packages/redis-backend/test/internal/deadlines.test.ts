import { assert, describe, it } from "@effect/vitest"
import * as RedisClock from "../../src/RedisClock.ts"
import * as deadlines from "../../src/internal/deadlines.ts"

describe("deadlines by the clock of this process", () => {
  it("keep their distance while the clock is corrected", () => {
    let corrected = 0
    const clock = RedisClock.fromTime(
      () => 0,
      () => 1000 * ++corrected
    )
    assert.deepStrictEqual(deadlines.toMonotonic(clock, { freshUntil: 1000, goneAfter: 1000 }), {
      freshUntil: 999,
      goneAfter: 999
    })
  })
})
