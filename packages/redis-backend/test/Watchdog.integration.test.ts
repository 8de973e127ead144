/**
 * Time-outs of commands when it is this process that was slow.
 */
import { assert, layer } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect, Fiber } from "effect"
import { get, makeBackend, set, uniqueKey } from "./support.ts"

const COMMAND_MILLIS = 200

const standStill = (millis: number) =>
  Effect.sync(() => {
    const end = performance.now() + millis
    while (performance.now() < end) {
      // on purpose
    }
  })

layer(RedisServer.layer(), { excludeTestServices: true })("a process that stood still", (it) => {
  it.effect("has the answer that came meanwhile, and its connection", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const backend = yield* makeBackend({ url, commandTimeout: `${COMMAND_MILLIS} millis`, circuitBreaker: false })
      const key = uniqueKey("k")
      yield* Effect.eventually(set(backend, key, 1))
      const reading = yield* Effect.forkChild(get(backend, key), { startImmediately: true })
      // the command has left, and its answer is not read; longer than a connection may be silent
      yield* Effect.promise(() => new Promise((resolve) => process.nextTick(() => process.nextTick(resolve))))
      yield* standStill(4 * COMMAND_MILLIS)
      assert.strictEqual(yield* Fiber.join(reading), 1)
      assert.strictEqual(yield* get(backend, key), 1)
    })
  )
})
