import { assert, it } from "@effect/vitest"
import { CacheBackend, CacheError, Script } from "@tiercache/core"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Duration, Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"

interface State {
  readonly list: ReadonlyArray<number>
}

type Body<Reply> = (slots: Script.Slots<State>, now: number) => Reply

/** Runs a reducer over the keys "0" and "1". */
const run = <Reply>(body: Body<Reply>, type = "lists", keys: ReadonlyArray<string> = ["0", "1"]) =>
  CacheBackend.CacheBackend.use((backend) =>
    backend.run(
      Script.make<State, undefined, Reply>({
        name: "body",
        type,
        lua: "",
        args: () => [],
        reply: () => {
          throw CacheError.make("run", "Decode", "only the reducer runs")
        },
        reducer: (slots, _, now) => body(slots, now)
      }),
      keys,
      undefined
    )
  )

const both: Body<ReadonlyArray<State | undefined>> = (slots) => [slots.get(0), slots.get(1)]

const test = <E>(name: string, body: () => Effect.Effect<void, E, CacheBackend.CacheBackend>) =>
  it.effect(name, () => Effect.provide(body(), MemoryBackend.layer()))

describe("scripts in memory", () => {
  test(
    "see what they wrote themselves",
    Effect.fnUntraced(function* () {
      const seen = yield* run((slots) => {
        slots.set(0, { list: [1] }, 1000)
        const written = slots.get(0)
        slots.delete(0)
        return [written, slots.get(0)]
      })
      assert.deepStrictEqual(seen, [{ list: [1] }, undefined])
    })
  )

  test(
    "see one state where the same key is given twice",
    Effect.fnUntraced(function* () {
      const seen = yield* run(
        (slots) => {
          slots.set(0, { list: [1] }, 1000)
          return slots.get(1)
        },
        "lists",
        ["same", "same"]
      )
      assert.deepStrictEqual(seen, { list: [1] })
    })
  )

  test(
    "write all or nothing, whatever the reducer throws",
    Effect.fnUntraced(function* () {
      yield* run((slots) => slots.set(0, { list: [1] }, 1000))
      const writing =
        (error: unknown): Body<void> =>
        (slots) => {
          slots.delete(0)
          slots.set(1, { list: [2] }, 1000)
          throw error
        }
      const refused = CacheError.make("run", "Unsupported", "no")
      assert.strictEqual(yield* Effect.flip(run(writing(refused))), refused)
      assert.isTrue(Exit.hasDies(yield* Effect.exit(run(writing(new Error("a bug"))))))
      assert.deepStrictEqual(yield* run(both), [{ list: [1] }, undefined])
    })
  )

  test(
    "cannot change a state in place",
    Effect.fnUntraced(function* () {
      yield* run((slots) => slots.set(0, { list: [1] }, 1000))
      const changing: Body<boolean> = (slots) => {
        const state = slots.get(0)
        return state !== undefined && Reflect.set(state.list, 0, 2)
      }
      assert.isFalse(yield* run(changing))
      assert.deepStrictEqual(yield* run(both), [{ list: [1] }, undefined])
    })
  )

  test(
    "get the monotonic time in microseconds",
    Effect.fnUntraced(function* () {
      const now = run((_, now) => now)
      const start = yield* now
      yield* TestClock.adjust("1500 micros")
      assert.strictEqual((yield* now) - start, 1500)
    })
  )

  test(
    "keep the deadline of a key, or have none",
    Effect.fnUntraced(function* () {
      const { ttl } = yield* CacheBackend.CacheBackend
      yield* run((slots) => slots.set(0, { list: [] }))
      assert.deepStrictEqual(yield* ttl("0"), Duration.infinity)
      yield* run((slots) => slots.set(0, { list: [] }, 1000))
      yield* TestClock.adjust("400 millis")
      yield* run((slots) => slots.set(0, { list: [1] }))
      assert.deepStrictEqual(yield* ttl("0"), Duration.millis(600))
      yield* TestClock.adjust("600 millis")
      assert.deepStrictEqual(yield* run(both), [undefined, undefined])
    })
  )

  test(
    "take a TTL of nothing as a delete, and refuse one that is no number",
    Effect.fnUntraced(function* () {
      yield* run((slots) => slots.set(0, { list: [1] }, 1000))
      assert.strictEqual((yield* Effect.flip(run((slots) => slots.set(0, { list: [2] }, NaN)))).reason, "InvalidOption")
      assert.deepStrictEqual(yield* run(both), [{ list: [1] }, undefined])
      yield* run((slots) => slots.set(0, { list: [2] }, 0))
      assert.deepStrictEqual(yield* run(both), [undefined, undefined])
    })
  )

  test(
    "touch declared keys only",
    Effect.fnUntraced(function* () {
      assert.strictEqual((yield* Effect.flip(run((slots) => slots.get(2)))).reason, "InvalidOption")
    })
  )

  test(
    "share keys with scripts of the same type, and with no other",
    Effect.fnUntraced(function* () {
      yield* run((slots) => slots.set(1, { list: [1] }, 1000))
      assert.strictEqual((yield* Effect.flip(run(both, "other"))).reason, "WrongType")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* run(both, "other"), [undefined, undefined])
    })
  )
})
