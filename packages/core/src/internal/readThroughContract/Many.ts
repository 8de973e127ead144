/**
 * Loading many keys with one call.
 */
import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Entity from "../../Entity.ts"
import { PartialFailure } from "../../EntityCache.ts"
import * as Loader from "../../Loader.ts"
import { errorOf, LONG, reasonsIn, storeStale, type Test } from "./Subject.ts"

/** A loader that answers with what it makes of each id, and remembers what it was asked for. */
export const answering = <B>(answer: (id: string) => B) => {
  const asked: Array<ReadonlyArray<unknown>> = []
  const load = (missing: ReadonlyArray<unknown>) =>
    Effect.sync(() => {
      asked.push(missing)
      return missing.map((id) => [String(id), answer(String(id))] as const)
    })
  return { asked, load }
}

export const upper = (id: string) => id.toUpperCase()

const Pairs = Entity.make("rt", "pair", {
  key: { left: Schema.String, right: Schema.Int },
  value: Schema.String
})

export const register = (test: Test): void => {
  test(
    "what is missing of many is loaded with one call, in the order asked",
    Effect.fnUntraced(function* (subject) {
      const [a, b] = subject.processes
      yield* a.cache.set("b", "there", { ttl: LONG })
      const { asked, load } = answering(upper)
      const found = yield* a.cache.getManyOrLoad(["c", "b", "a"], load)
      assert.deepStrictEqual(
        [...found],
        [
          ["c", "C"],
          ["b", "there"],
          ["a", "A"]
        ]
      )
      assert.deepStrictEqual(asked, [["c", "a"]])
      assert.deepStrictEqual([...(yield* b.cache.getManyOrLoad(["a", "b", "c"], load)).values()], ["A", "there", "C"])
      assert.strictEqual(asked.length, 1)
      const { fill, get, getMany, take } = a.calls.counts()
      assert.deepStrictEqual([get, getMany, take, fill], [0, 1, 1, 1])
    })
  )

  test(
    "hits of many cost one read",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const ids = Array.from({ length: 20 }, (_, index) => `id:${index}`)
      yield* a.cache.getManyOrLoad(ids, answering(upper).load)
      yield* b.cache.getManyOrLoad(ids, () => Effect.die("not to be loaded"))
      const { getMany, ...others } = b.calls.counts()
      assert.isAtMost(getMany, 1)
      assert.deepStrictEqual(others, { get: 0, take: 0, fill: 0, renew: 0, release: 0 })
    })
  )

  test(
    "an empty list loads nothing, and ids may be repeated",
    Effect.fnUntraced(function* ({ processes: [a] }) {
      const { asked, load } = answering(upper)
      assert.strictEqual((yield* a.cache.getManyOrLoad([], load)).size, 0)
      assert.deepStrictEqual(asked, [])
      assert.deepStrictEqual(a.calls.counts(), { get: 0, getMany: 0, take: 0, fill: 0, renew: 0, release: 0 })
      const found = yield* a.cache.getManyOrLoad(["a", "b", "a"], load)
      assert.deepStrictEqual(
        [...found],
        [
          ["a", "A"],
          ["b", "B"]
        ]
      )
      assert.deepStrictEqual(asked, [["a", "b"]])
    })
  )

  test(
    "ids may be objects, equal ones different ones",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      const pairs = cache.entity(Pairs)
      const [one, same, two] = [
        { left: "l", right: 1 },
        { left: "l", right: 1 },
        { left: "l", right: 2 }
      ]
      const asked: Array<ReadonlyArray<unknown>> = []
      const load = (ids: ReadonlyArray<typeof one>) =>
        Effect.sync(() => {
          asked.push(ids)
          return ids.map(({ left, right }) => [{ left, right }, `${left}${right}`] as const)
        })
      const found = yield* pairs.getManyOrLoad([one, two, same], load)
      assert.deepStrictEqual([found.get(one), found.get(two), found.get(same)], ["l1", "l2", "l1"])
      assert.deepStrictEqual(asked, [
        [
          { left: "l", right: 1 },
          { left: "l", right: 2 }
        ]
      ])

      const [three, four] = [
        { left: "m", right: 3 },
        { left: "m", right: 3 }
      ]
      const error = yield* errorOf(pairs.getManyOrLoad([one, three, four], () => Effect.fail("down" as const)))
      assert(error instanceof PartialFailure)
      assert.deepStrictEqual([...error.values], [[one, "l1"]])
      assert.deepStrictEqual(
        [...error.failures],
        [
          [three, "down"],
          [four, "down"]
        ]
      )
    })
  )

  test(
    "an id that the loader leaves out has no value, and that may be remembered",
    Effect.fnUntraced(function* ({ processes: [a, b] }) {
      const asked: Array<ReadonlyArray<unknown>> = []
      const load = (missing: ReadonlyArray<unknown>) => Effect.sync(() => (asked.push(missing), [["a", 0] as const]))
      const options = { negativeTtl: LONG } as const
      for (const { cache } of [a, b]) {
        const found = yield* cache.getManyOrLoad(["a", "b"], load, options)
        assert.deepStrictEqual(
          [...found],
          [
            ["a", 0],
            ["b", undefined]
          ]
        )
      }
      assert.deepStrictEqual(asked, [["a", "b"]])
      yield* a.cache.getManyOrLoad(["c"], load)
      yield* a.cache.getManyOrLoad(["c"], load)
      assert.strictEqual(asked.length, 3)
    })
  )

  test(
    "what a loader answers beyond what it was asked for is ignored",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      const answers = [
        ["a", 1],
        ["nobody's", 2],
        ["", 3]
      ] as const
      const found = yield* cache.getManyOrLoad(["a"], () => Effect.succeed(answers))
      assert.deepStrictEqual([...found], [["a", 1]])
      assert.isUndefined(yield* cache.get("nobody's"))
    })
  )

  test(
    "of many values each may fail for itself",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      yield* cache.set("hit", "hit", { ttl: LONG })
      const load = (missing: ReadonlyArray<unknown>) =>
        Effect.succeed(
          missing.map(
            (id) => [id === "good" ? "good" : "bad", id === "good" ? 1 : Loader.failed("broken" as const)] as const
          )
        )
      const error = yield* errorOf(cache.getManyOrLoad(["hit", "good", "bad"], load))
      assert(error instanceof PartialFailure)
      assert.deepStrictEqual(
        [...error.values],
        [
          ["hit", "hit"],
          ["good", 1]
        ]
      )
      assert.deepStrictEqual([...error.failures], [["bad", "broken"]])
      assert.strictEqual(yield* cache.get("good"), 1, "what was loaded is stored")
      assert.strictEqual(yield* cache.getOrLoad("bad", Effect.succeed("next")), "next")
    })
  )

  test(
    "a call that fails fails what it was to load, and not the hits",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      yield* cache.set("hit", false, { ttl: LONG })
      const error = yield* errorOf(cache.getManyOrLoad(["a", "hit", "b"], () => Effect.fail("down" as const)))
      assert(error instanceof PartialFailure)
      assert.deepStrictEqual([...error.values], [["hit", false]])
      assert.deepStrictEqual(
        [...error.failures],
        [
          ["a", "down"],
          ["b", "down"]
        ]
      )
      const exit = yield* Effect.exit(cache.getManyOrLoad(["a"], () => Effect.die("a defect")))
      assert.include(String(exit), "a defect")
    })
  )

  test(
    "stale values of many are served by the same rules",
    Effect.fnUntraced(function* (subject) {
      yield* storeStale(subject, ["a", "b"], "stale")
      const [{ cache }] = subject.processes
      const down = () => Effect.fail("down" as const)
      const found = yield* cache.getManyOrLoad(["a", "b"], down, { grace: LONG })
      assert.deepStrictEqual(
        [...found],
        [
          ["a", "stale"],
          ["b", "stale"]
        ]
      )
      const error = yield* errorOf(cache.getManyOrLoad(["a", "c"], down))
      assert.deepStrictEqual(reasonsIn(error), ["LoadFailed", "down"])
    })
  )

  test(
    "many values that cannot all be stored fail for those",
    Effect.fnUntraced(function* ({ processes: [{ cache }] }) {
      const answers = [
        ["a", 1],
        ["b", Symbol("none")]
      ] as const
      const error = yield* errorOf(cache.getManyOrLoad(["a", "b"], () => Effect.succeed(answers)))
      assert.deepStrictEqual(reasonsIn(error), ["Encode"])
      assert.strictEqual(yield* cache.get("a"), 1)
      assert.strictEqual(yield* cache.getOrLoad("b", Effect.succeed(2)), 2)
    })
  )
}
