import { assert, describe, it } from "@effect/vitest"
import { Loader } from "@tiercache/core"
import { Effect } from "effect"

describe("Loader.toEffect", () => {
  it.effect(
    "is the Effect that is given, or that a function makes of what the cache has",
    Effect.fnUntraced(function* () {
      const given = Effect.succeed(1)
      assert.strictEqual(Loader.toEffect(given, { previous: 2 }), given)
      const made = Loader.toEffect(({ previous }: Loader.Context<number>) => Effect.succeed(previous), { previous: 2 })
      assert.strictEqual(yield* made, 2)
    })
  )

  it.effect(
    "is made of what the function says when it is run",
    Effect.fnUntraced(function* () {
      let calls = 0
      const count = () => {
        calls++
        return Effect.succeed(calls)
      }
      const loader = Loader.toEffect<number, number, never, never>(count, { previous: undefined })
      assert.strictEqual(calls, 0)
      assert.deepStrictEqual([yield* loader, yield* loader], [1, 2])
    })
  )

  it.effect(
    "is a defect if the function throws",
    Effect.fnUntraced(function* () {
      const broken = (): Effect.Effect<number> => {
        throw new Error("broken")
      }
      const exit = yield* Effect.exit(Loader.toEffect<number, number, never, never>(broken, { previous: undefined }))
      assert.include(String(exit), "broken")
    })
  )
})

describe("Loader.failed", () => {
  it("is told from any value, errors too", () => {
    const error = new Error("none")
    assert.strictEqual(Loader.failed(error).error, error)
    assert.instanceOf(Loader.failed(undefined), Loader.Failed)
    assert.notInstanceOf(error, Loader.Failed)
  })
})

describe("Loader.notModified", () => {
  it("is the same in two copies of this package", () => {
    assert.strictEqual(Loader.notModified, Symbol.for("@tiercache/core/Loader/notModified"))
  })
})
