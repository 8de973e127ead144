import { assert, describe, it } from "vitest"
import * as RedisStage from "../src/RedisStage.ts"

const OPTIONS = { symbols: ["AAPL"], seconds: 1, readers: 1, rate: 1, json: true }

describe("RedisStage.open", () => {
  it.each([
    ["redis://127.0.0.1:1", /ECONNREFUSED/],
    ["http://user:secret@127.0.0.1", /redis:\/\//],
    ["redis://user:secret@127.0.0.1:99999", /redis:\/\//]
  ])("says in one line that it cannot use %s", async (url, reason) => {
    const opening = RedisStage.open(url, OPTIONS, new Map())
    const message = await opening.then(
      () => "it opened",
      (error: unknown) => (error instanceof Error ? error.message : "no error")
    )
    assert.match(message, reason)
    assert.notMatch(message, /\n|secret/)
  })
})
