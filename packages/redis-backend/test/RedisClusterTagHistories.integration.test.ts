import { assert } from "@effect/vitest"
import type { CacheError } from "@tiercache/core"
import { RedisCluster } from "@tiercache/core/testing"
import { Effect, Exit, Fiber, Schedule } from "effect"
import * as fc from "fast-check"
import { type Backend, keysByTag, makeClusterBackend, onCluster, placesOf, putAll } from "./clusterTags.ts"
import { takeMany } from "./leasing.ts"

const RUNS = process.env.TIERCACHE_TEST_FULL === "1" ? 100 : 20

onCluster("the tags of a cluster, in random histories", (it) => {
  it.effect("are those of a model, whatever two processes do while slots move", () =>
    Effect.gen(function* () {
      const backends = [yield* makeClusterBackend({ maxKeysPerCommand: 3 }), yield* makeClusterBackend()] as const
      const context = yield* Effect.context<RedisCluster.RedisCluster>()
      const property = fc.asyncProperty(fc.array(step, { maxLength: 30, size: "max" }), (steps) =>
        Effect.runPromiseWith(context)(Effect.scoped(live(backends, steps)))
      )
      // no smaller history is looked for: whether it fails depends on when the slots move
      yield* Effect.promise(() => fc.assert(property, { numRuns: RUNS, endOnFailure: true }))
    })
  )
})

const TAGS = ["red", "blue"]
/** Some of them share a slot. */
const NAMES = ["a", "b", "c", "{one}a", "{one}b", "{one}c", "{two}a", "{two}b"]
const MOVED = ["a", "{one}", "{two}"]

const by = fc.constantFrom(0 as const, 1 as const)
const name = fc.constantFrom(...NAMES)
const names = fc.uniqueArray(name, { minLength: 1 })
const tags = fc.uniqueArray(fc.constantFrom(...TAGS))

const step = fc.oneof(
  fc.record({ op: fc.constant("set" as const), by, names, tags }),
  fc.record({ op: fc.constant("load" as const), by, name, tags }),
  fc.record({ op: fc.constant("delete" as const), by, names }),
  fc.record({ op: fc.constant("expire" as const), by, name }),
  fc.record({ op: fc.constant("deleteTags" as const), by, tags }),
  fc.record({ op: fc.constant("move" as const), name: fc.constantFrom(...MOVED) })
)

type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

/** For the moment at which the nodes do not agree yet who has a slot, which is longer on a machine that is busy. */
const persistently = <A>(operation: Effect.Effect<A, CacheError.CacheError>) =>
  Effect.retry(operation, {
    while: ({ reason }) => reason === "Unavailable",
    schedule: Schedule.spaced("20 millis"),
    times: 100
  })

/** Lives through a history, during which slots move, and looks what carries each tag after each step. */
const live = Effect.fnUntraced(function* (backends: readonly [Backend, Backend], steps: ReadonlyArray<Step>) {
  const { moveSlots } = yield* RedisCluster.RedisCluster
  const prefix = crypto.randomUUID()
  const of = (name: string) => (name.startsWith("{") ? `{${prefix}${name.slice(1)}` : `${prefix}${name}`)
  const model = new Map<string, ReadonlySet<string>>()
  const move = (name: string) => Effect.forkChild(Effect.flatMap(placesOf(of(name)), moveSlots))
  let moving = yield* move("a")
  const run = Effect.fnUntraced(function* (step: Step) {
    switch (step.op) {
      case "set": {
        const keys = step.names.map(of)
        assert.strictEqual(yield* persistently(putAll(backends[step.by], keys, step.tags.map(of))), keys.length)
        for (const key of keys) model.set(key, new Set(step.tags))
        return
      }
      case "load": {
        const [backend, key, tags] = [backends[step.by], of(step.name), step.tags.map(of)]
        const taking = takeMany(backend, [key], { when: "always", tags: new Map([[key, tags]]) })
        const { token } = yield* persistently(taking)
        yield* persistently(backend.leases.release([key], token))
        return
      }
      case "delete": {
        const keys = step.names.map(of)
        yield* persistently(backends[step.by].deleteMany(keys))
        for (const key of keys) model.delete(key)
        return
      }
      case "expire": {
        yield* persistently(backends[step.by].expire(of(step.name), "2 hours"))
        return
      }
      case "deleteTags": {
        const gone = [...model].filter(([, tags]) => step.tags.some((tag) => tags.has(tag))).map(([key]) => key)
        const deleting = backends[step.by].deleteTags(step.tags.map(of))
        const deleted = yield* Effect.exit(deleting)
        // one that has failed has deleted a part
        if (Exit.isSuccess(deleted)) assert.strictEqual(deleted.value, gone.length)
        else yield* persistently(deleting)
        for (const key of gone) model.delete(key)
        return
      }
      case "move": {
        yield* Fiber.join(moving)
        moving = yield* move(step.name)
      }
    }
  })
  const check = Effect.fnUntraced(function* (backend: Backend) {
    for (const tag of TAGS) {
      const expected = [...model].filter(([, tags]) => tags.has(tag)).map(([key]) => key)
      assert.deepStrictEqual(yield* persistently(keysByTag(backend, of(tag))), expected.toSorted())
    }
  })
  for (const step of steps) {
    yield* run(step)
    yield* Effect.forEach(backends, check)
  }
  yield* Fiber.join(moving)
  yield* Effect.forEach(backends, check)
  yield* backends[0].deleteTags(TAGS.map(of))
  yield* backends[0].deleteMany([...model.keys()])
})
