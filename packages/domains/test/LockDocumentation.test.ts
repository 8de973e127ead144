import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const root = new URL("../../../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")

const files = new Map(
  [
    "packages/domains/test",
    "packages/domains/test/locks",
    "packages/domains/test/internal",
    "packages/redis-backend/test",
    "packages/tiercache/test"
  ].flatMap((folder) => readdirSync(new URL(folder, root)).map((file) => [file, `${folder}/${file}`] as const))
)

/** `File.test.ts`: title, as the table names tests. */
const named = [...read("docs/locks.md").matchAll(/^\|.*\| `([\w.]+\.ts)`(?: in \[[^\]]+\]\([^)]*\))?: ([^|]+)/gm)]

describe("docs/locks.md", () => {
  it("names tests", () => {
    assert.isAbove(named.length, 40)
  })

  it.each(named.map(([, file = "", title = ""]) => [file, title.trim()] as const))(
    "names a test that exists: %s, %s",
    (file, title) => {
      assert.include(read(files.get(file) ?? file), title)
    }
  )
})
