import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Running from "../../src/internal/running.ts"

const make = Effect.map(Effect.context(), Running.make)

describe("what a close waits for", () => {
  it.effect("is nothing if no write is under way", () =>
    Effect.gen(function* () {
      const { run, settled } = yield* make
      assert.isTrue(yield* Effect.promise(settled))
      const reading = yield* Deferred.make<string>()
      const read = run(Deferred.await(reading))
      assert.isTrue(yield* Effect.promise(settled))
      yield* Deferred.succeed(reading, "read")
      assert.strictEqual(yield* Effect.promise(() => read), "read")
    })
  )

  it.effect("is every write, whether it succeeds, fails or is aborted", () =>
    Effect.gen(function* () {
      const { runWrite, settled } = yield* make
      const [one, other] = [yield* Deferred.make<string>(), yield* Deferred.make<never, string>()]
      const abort = new AbortController()
      const writes = [
        runWrite(Deferred.await(one)),
        runWrite(Deferred.await(other)).catch((error: unknown) => error),
        runWrite(Effect.never, { signal: abort.signal }).catch((error: unknown) => error)
      ]
      let isSettled = false
      const close = yield* Effect.forkChild(
        Effect.map(Effect.promise(settled), (all) => (isSettled = all)),
        { startImmediately: true }
      )
      const reason = new Error("enough")
      for (const step of [
        Deferred.succeed(one, "written"),
        Deferred.fail(other, "refused"),
        Effect.sync(() => abort.abort(reason))
      ]) {
        yield* TestClock.adjust("1 second")
        assert.isFalse(isSettled)
        yield* step
      }
      assert.isTrue(yield* Fiber.join(close))
      assert.deepStrictEqual(yield* Effect.promise(() => Promise.all(writes)), ["written", "refused", reason])
    })
  )

  it.effect("is not a write that does not end", () =>
    Effect.gen(function* () {
      const { runWrite, settled } = yield* make
      void runWrite(Effect.never)
      const close = yield* Effect.forkChild(Effect.promise(settled), { startImmediately: true })
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(close.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.isFalse(yield* Fiber.join(close))
    })
  )

  it.effect("is not a write that was aborted before it began", () =>
    Effect.gen(function* () {
      const { runWrite, settled } = yield* make
      const reason = new Error("never mind")
      const write = runWrite(Effect.never, { signal: AbortSignal.abort(reason) })
      assert.strictEqual(yield* Effect.promise(() => write.catch((error: unknown) => error)), reason)
      assert.isTrue(yield* Effect.promise(settled))
    })
  )
})
