import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { markdown } from "../../../scripts/configuration.ts"

describe("docs/configuration.md", () => {
  it("is current: pnpm docs:configuration writes it", () => {
    assert.strictEqual(readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8"), markdown)
  })
})
