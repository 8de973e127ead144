/**
 * Who gets a lock, and when.
 */
import { assert } from "@effect/vitest"
import { LockError } from "@tiercache/domains"
import { Effect, Exit, type Fiber } from "effect"
import * as Stage from "./Stage.ts"
import { LONG, holding, waitersOf, type Test } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "a lock has one holder at a time, and its fence grows",
    Effect.fnUntraced(function* (stage, name) {
      const processes = yield* Effect.all([stage.join, stage.join, stage.join])
      const fences: Array<number> = []
      let inside = 0
      const section = (process: Stage.Process) =>
        process.lock.withLock(
          name,
          LONG
        )((lock) =>
          Effect.gen(function* () {
            assert.strictEqual(++inside, 1)
            fences.push(lock.fence)
            yield* Effect.yieldNow
            yield* lock.ensure
            assert.strictEqual(--inside, 0)
          })
        )
      const all = yield* Effect.forkChild(
        Effect.forEach(
          processes.flatMap((process) => [process, process, process, process]),
          section,
          { concurrency: "unbounded" }
        )
      )
      assert.isTrue(Exit.isSuccess(yield* Stage.ended(stage, all)))
      assert.strictEqual(fences.length, 12)
      assert.strictEqual(new Set(fences).size, 12)
      assert.deepStrictEqual(
        fences,
        fences.toSorted((a, b) => a - b)
      )
    })
  )

  test(
    "those who wait are served in the order in which they came",
    Effect.fnUntraced(function* (stage, name) {
      const first = yield* stage.join
      const holder = yield* holding(first, name)
      yield* holder.held
      const order: Array<number> = []
      const waiters: Array<Fiber.Fiber<unknown, unknown>> = []
      for (let index = 0; index < 5; index++) {
        const process = yield* stage.join
        const wait = process.lock.withLock(name, LONG)(Effect.sync(() => order.push(index)))
        waiters.push(yield* Effect.forkChild(wait, { startImmediately: true }))
        yield* Stage.until(
          stage,
          Effect.map(waitersOf(first, name), (count) => count === index + 1)
        )
      }
      yield* holder.letGo
      for (const waiter of waiters) yield* Stage.ended(stage, waiter)
      assert.deepStrictEqual(order, [0, 1, 2, 3, 4])
    })
  )

  test(
    "nobody gets a lock twice while another waits once",
    Effect.fnUntraced(function* (stage, name) {
      const processes = yield* Effect.forEach(Array.from({ length: 16 }), () => stage.join, {
        concurrency: "unbounded"
      })
      const grants: Array<number> = []
      const rounds = processes.map((process, index) => {
        // the others have asked when it gives the lock back, however many steps a fiber takes before it lets others run
        const section = Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => grants.push(index))
        )
        return Effect.repeat(process.lock.withLock(name, LONG)(section), { times: 19 })
      })
      const all = yield* Effect.forkChild(Effect.all(rounds, { concurrency: "unbounded" }))
      yield* Stage.ended(stage, all)
      assert.strictEqual(grants.length, 320)
      for (const index of processes.keys()) {
        const turns = grants.flatMap((grant, turn) => (grant === index ? [turn] : []))
        const gaps = turns.slice(1).map((turn, n) => turn - (turns[n] ?? 0))
        // twice as many as there are: a process may come back before another has asked for the first time
        assert.isAtMost(Math.max(...gaps), 32)
      }
    })
  )

  test(
    "who does not wait is told at once, and leaves nothing behind",
    Effect.fnUntraced(function* (stage, name) {
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const holder = yield* holding(one, name)
      yield* holder.held
      const error = yield* Effect.flip(other.lock.withLock(name, { wait: "0 seconds" })(Effect.void))
      assert.deepStrictEqual(error, new LockError.LockHeld({ lock: name }))
      // what loggers print: of which kind it is, and no id
      assert.strictEqual(String(error), "LockHeld: others had the lock for all the time to wait")
      assert.strictEqual(yield* waitersOf(one, name), 0)
      yield* holder.letGo
      yield* Stage.ended(stage, holder.fiber)
      assert.isAbove(yield* other.lock.withLock(name, { wait: "0 seconds" })(({ fence }) => Effect.succeed(fence)), 0)
    })
  )

  test(
    "who has waited for long enough is told, and leaves nothing behind",
    Effect.fnUntraced(function* (stage, name) {
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const holder = yield* holding(one, name)
      yield* holder.held
      const waits = yield* Effect.forkChild(
        Effect.all(
          [1, 2].map(() => Effect.flip(other.lock.withLock(name, { wait: "100 millis" })(Effect.void))),
          {
            concurrency: "unbounded"
          }
        )
      )
      const exit = yield* Stage.ended(stage, waits)
      assert(Exit.isSuccess(exit))
      assert.deepStrictEqual(
        exit.value.map(({ _tag }) => _tag),
        ["LockHeld", "LockHeld"]
      )
      assert.strictEqual(yield* waitersOf(one, name), 0)
      assert.strictEqual(other.lock.waiting(), 0)
    })
  )
}
