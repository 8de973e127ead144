/**
 * What a hit in L1 allocates. A guard against regressions that no noise of the machine hides: time is measured by `pnpm bench`.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, layer } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"

/**
 * Bytes at most, which another version of V8 may need a few more of. `peek` allocates nothing. Of an awaited hit, some 100 bytes are
 * its promise, and as many what `await` itself needs.
 */
const LIMITS = { peek: 8, "await get": 360, "await getOrLoad": 360, "yield* get": 440 } as const

const PROGRAM = fileURLToPath(new URL("./processes/allocations.ts", import.meta.url))
const FLAGS = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"]

layer(RedisServer.layer(), { excludeTestServices: true })("a hit in L1", (it) => {
  it.effect("allocates no more than it has to", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const { stdout } = yield* Effect.promise(() => promisify(execFile)(process.execPath, [...FLAGS, PROGRAM, url]))
      const bytes: Record<string, number> = JSON.parse(stdout)
      for (const [way, limit] of Object.entries(LIMITS)) assert.isAtMost(bytes[way] ?? NaN, limit, way)
    })
  )
})
