import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")

/** `File.test.ts`: title, as the table of the documentation names tests. */
const named = [...read("../../../docs/rate-limits.md").matchAll(/`((?:rateLimits\/)?\w[\w.]+\.ts)`: ([^|\n]+)\|/g)].map(
  ([, file = "", title = ""]) => [file, title.trim()] as const
)

describe("docs/rate-limits.md", () => {
  it("names a test for each statement", () => {
    assert.isAbove(named.length, 20)
  })

  it.each(named)("names a test that exists: %s, %s", (file, title) => {
    assert.include(read(file), title)
  })
})
