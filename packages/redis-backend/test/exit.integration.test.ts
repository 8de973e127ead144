import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"

const script = fileURLToPath(new URL("./processes/closes.ts", import.meta.url))

/** Runs the process to its end, which it has to find by itself. */
const run = (...args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number | string; readonly output: string }>((resume) => {
    const child = execFile(process.execPath, [script, ...args], (error, stdout, stderr) => {
      resume(Effect.succeed({ code: error?.code ?? 0, output: stdout + stderr }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const clean = { code: 0, output: "closed []" }

describe("a process that closes its backend ends by itself, with no timer or socket left", () => {
  it.live.each(["healthy", "frozen-before", "frozen-in-use", "lent"])("on a server: %s", (mode) =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      assert.deepStrictEqual(yield* run(mode, server.url, `${server.pid()}`), clean)
    })
  )

  it.live("on a port that refuses", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run("refused", "redis://127.0.0.1:1"), clean)
    })
  )
})
