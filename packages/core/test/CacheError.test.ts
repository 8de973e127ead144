import { inspect } from "node:util"
import { CacheError } from "@tiercache/core"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schema } from "effect"

const error = CacheError.make("set", "Encode", "this value cannot be stored: a function")

describe("CacheError", () => {
  it("is an Error that can be read", () => {
    assert.instanceOf(error, Error)
    assert.strictEqual(error.name, "CacheError")
    assert.strictEqual(error._tag, "CacheError")
    assert.strictEqual(error.message, "this value cannot be stored: a function")
    assert.match(String(error), /CacheError.*this value cannot be stored: a function/)
    assert.match(inspect(error), /Encode/)
  })

  it("has nothing in it but what happened", () => {
    assert.sameMembers(Object.keys(Schema.encodeSync(CacheError.CacheError)(error)), [
      "_tag",
      "message",
      "operation",
      "reason"
    ])
  })

  it("survives JSON", () => {
    const text = JSON.stringify(Schema.encodeSync(CacheError.CacheError)(error))
    const back = Schema.decodeUnknownSync(CacheError.CacheError)(JSON.parse(text))
    assert.isTrue(CacheError.isCacheError(back))
    assert.deepInclude(back, { operation: "set", reason: "Encode", message: error.message })
  })

  it.effect("is caught by its tag", () =>
    Effect.gen(function* () {
      const caught = yield* Effect.fail(error).pipe(
        Effect.catchTag("CacheError", ({ reason }) => Effect.succeed(reason))
      )
      assert.strictEqual(caught, "Encode")
    })
  )

  it("is told apart from what looks like it", () => {
    assert.isTrue(CacheError.isCacheError(error))
    for (const other of [
      new Error("x"),
      { _tag: error._tag, reason: error.reason, operation: error.operation, message: error.message },
      null,
      undefined,
      "CacheError"
    ]) {
      assert.isFalse(CacheError.isCacheError(other))
    }
  })
})

describe("CacheError.attempt", () => {
  it.effect("succeeds with what is returned", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* CacheError.attempt(() => 5), 5)
    })
  )

  it.effect("fails with a CacheError that is thrown", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(
        CacheError.attempt(() => {
          throw error
        })
      )
      assert.strictEqual(failure, error)
    })
  )

  it.effect("dies of anything else", () =>
    Effect.gen(function* () {
      for (const thrown of [new TypeError("a bug"), "text", undefined]) {
        const exit = yield* Effect.exit(
          CacheError.attempt(() => {
            throw thrown
          })
        )
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause) && !Cause.hasFails(exit.cause))
      }
    })
  )

  it.effect("does nothing before it runs, and everything again each time", () =>
    Effect.gen(function* () {
      let calls = 0
      const attempt = CacheError.attempt(() => ++calls)
      assert.strictEqual(calls, 0)
      assert.deepStrictEqual([yield* attempt, yield* attempt], [1, 2])
    })
  )
})
