/** Starts a server, tells its process id, and waits to be killed. */
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"

const program = Effect.gen(function* () {
  const server = yield* RedisServer.make()
  process.stdout.write(`${server.pid()}\n`)
  return yield* Effect.never
})

void Effect.runPromise(Effect.scoped(program))
