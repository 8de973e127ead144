import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const root = new URL("../../../", import.meta.url)
const page = readFileSync(new URL("docs/compared-with-python.md", root), "utf8")

/** The last cell of each row: a file, and the title of a test in it. */
const named = [...page.matchAll(/\| `(packages\/[^`]+)`(?:: ([^|\n]+))?\s*\|$/gm)].map(
  ([, file = "", title = ""]) => [file, title.trim()] as const
)

describe("docs/compared-with-python.md", () => {
  it("names what shows each of its rows", () => {
    assert.lengthOf(named, 30)
  })

  it.each(named)("names what exists: %s, %s", (file, title) => {
    assert.isTrue(existsSync(new URL(file, root)))
    assert.include(readFileSync(new URL(file, root), "utf8"), title)
  })
})
