import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const root = new URL("../../../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")

/** `File.test.ts`: title, as the tables of the documentation name tests. */
const named = [
  ...read("docs/coherence.md").matchAll(/`([\w.]+\.test\.ts)`(?: in \[([\w/]+)\]\([^)]*\))?(?:: ([^|;]+))?/g)
]

describe("docs/coherence.md", () => {
  it("names tests", () => {
    assert.isAbove(named.length, 20)
  })

  it.each(named.map(([, file, folder, title]) => [file, title?.trim(), folder] as const))(
    "names a test that exists: %s, %s",
    (file, title, folder) => {
      const source = read(`${folder ?? "packages/tiered/test"}/${file}`)
      if (title !== undefined) assert.include(source, title)
    }
  )
})
