/**
 * Semaphores and fenced writes.
 */
import { assert } from "@effect/vitest"
import { Codec } from "@tiercache/core"
import { Deferred, Effect, Exit } from "effect"
import * as Inspect from "./inspect.ts"
import * as Stage from "./Stage.ts"
import { LONG, askAndDie, type Test } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "a semaphore has as many holders as it has permits",
    Effect.fnUntraced(function* (stage, name) {
      const processes = yield* Effect.all([stage.join, stage.join, stage.join])
      let inside = 0
      let most = 0
      const section = (process: Stage.Process) =>
        process.semaphore.withPermits(name, { limit: 3, ...LONG })(
          Effect.gen(function* () {
            most = Math.max(most, ++inside)
            assert.isAtMost(inside, 3)
            yield* Effect.sleep("20 millis")
            inside--
          })
        )
      const all = yield* Effect.forkChild(
        Effect.forEach(
          processes.flatMap((process) => Array.from({ length: 5 }, () => process)),
          section,
          { concurrency: "unbounded" }
        )
      )
      assert.isTrue(Exit.isSuccess(yield* Stage.ended(stage, all)))
      assert.strictEqual(most, 3)
    })
  )

  test(
    "who needs many permits is not overtaken by those who need few",
    Effect.fnUntraced(function* (stage, name) {
      const [one, two, three] = yield* Effect.all([stage.join, stage.join, stage.join])
      const letGo = yield* Deferred.make<void>()
      const order: Array<string> = []
      const options = { limit: 3, ...LONG }
      const holder = yield* Effect.forkChild(
        one.semaphore.withPermits(
          name,
          options
        )(
          Effect.andThen(
            Effect.sync(() => order.push("first")),
            Deferred.await(letGo)
          )
        ),
        { startImmediately: true }
      )
      yield* Stage.until(
        stage,
        Effect.sync(() => order.length === 1)
      )
      const key = `tradecore:semaphore:${name}`
      const queued = (count: number) => Effect.map(Inspect.counts(one.backend, key), ({ waiters }) => waiters === count)
      const many = yield* Effect.forkChild(
        two.semaphore.withPermits(name, { ...options, permits: 3 })(Effect.sync(() => order.push("many"))),
        { startImmediately: true }
      )
      yield* Stage.until(stage, queued(1))
      const few = yield* Effect.forkChild(
        three.semaphore.withPermits(name, options)(Effect.sync(() => order.push("few"))),
        { startImmediately: true }
      )
      yield* Stage.until(stage, queued(2))
      yield* Deferred.succeed(letGo, undefined)
      yield* Stage.ended(stage, holder)
      yield* Stage.ended(stage, many)
      yield* Stage.ended(stage, few)
      assert.deepStrictEqual(order, ["first", "many", "few"])
    })
  )

  test(
    "permits of a holder that is dead come back when its lease ends, in the store's time",
    Effect.fnUntraced(function* (stage, name) {
      const { backend, semaphore } = yield* stage.join
      const key = `tradecore:semaphore:${name}`
      for (const owner of ["dead-1", "dead-2"]) yield* askAndDie({ backend }, key, 100, { owner, limit: 2 })
      const next = yield* Effect.forkChild(
        semaphore.withPermits(name, { limit: 2, permits: 2, ...LONG })(Effect.succeed("mine"))
      )
      assert.deepStrictEqual(yield* Stage.ended(stage, next), Exit.succeed("mine"))
    })
  )

  test(
    "a fenced write is refused after one with a higher fence",
    Effect.fnUntraced(function* (stage, name) {
      const { fenced, lock } = yield* stage.join
      const write = (fence: number, value: unknown) => fenced.set(name, Codec.msgpack, value, { fence, ttl: "1 hour" })
      const fenceOf = lock.withLock(name)(({ fence }) => Effect.succeed(fence))
      const [older, newer] = [yield* fenceOf, yield* fenceOf]
      yield* write(older, { written: "first" })
      yield* write(older, { written: "again" })
      yield* write(newer, { written: "later" })
      const error = yield* Effect.flip(write(older, "too late"))
      assert(error._tag === "StaleFence")
      assert.deepStrictEqual([error.fence, error.newest], [older, newer])
      assert.deepStrictEqual(yield* fenced.get(name, Codec.msgpack), { written: "later" })
      assert.isUndefined(yield* fenced.get(`${name}:other`, Codec.msgpack))
    })
  )

  test(
    "a fence is remembered when its value is gone",
    Effect.fnUntraced(function* (stage, name) {
      const { fenced } = yield* stage.join
      yield* fenced.set(name, Codec.msgpack, 1, { fence: 2, ttl: "50 millis" })
      yield* Stage.until(
        stage,
        Effect.map(fenced.get(name, Codec.msgpack), (value) => value === undefined)
      )
      const late = fenced.set(name, Codec.msgpack, 2, { fence: 1, ttl: "1 hour" })
      assert.strictEqual((yield* Effect.flip(late))._tag, "StaleFence")
    })
  )
}
