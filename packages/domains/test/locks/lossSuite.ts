/**
 * What becomes of a lock when somebody dies, or somebody takes it away.
 */
import { assert } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber } from "effect"
import * as Scripts from "../../src/internal/lockScripts.ts"
import * as Inspect from "./inspect.ts"
import * as Stage from "./Stage.ts"
import { LONG, SHORT, askAndDie, holding, waitersOf, type Test } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "a holder that is dead is succeeded when its lease ends",
    Effect.fnUntraced(function* (stage, name) {
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      yield* askAndDie(one, Stage.keyOf(name), 100)
      const next = yield* Effect.forkChild(other.lock.withLock(name, LONG)(Effect.succeed("mine")))
      assert.deepStrictEqual(yield* Stage.ended(stage, next), Exit.succeed("mine"))
    })
  )

  test(
    "waiters that are dead are passed over",
    Effect.fnUntraced(function* (stage, name) {
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const holder = yield* holding(one, name)
      yield* holder.held
      const key = Stage.keyOf(name)
      for (const owner of ["dead-1", "dead-2"]) yield* askAndDie(one, key, 100, { owner, waits: true })
      const next = yield* Effect.forkChild(other.lock.withLock(name, LONG)(Effect.succeed("mine")), {
        startImmediately: true
      })
      yield* Stage.until(
        stage,
        Effect.map(waitersOf(one, name), (count) => count === 3)
      )
      yield* holder.letGo
      assert.deepStrictEqual(yield* Stage.ended(stage, next), Exit.succeed("mine"))
    })
  )

  test(
    "a lock is renewed for as long as its section runs",
    Effect.fnUntraced(function* (stage, name) {
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const holder = yield* holding(one, name, SHORT)
      const { ensure, remaining } = yield* holder.held
      const seen: Array<number> = []
      // several times the TTL
      yield* Stage.until(
        stage,
        Effect.map(remaining, (left) => {
          const last = seen.at(-1) ?? Infinity
          const millis = Duration.toMillis(left)
          if (seen.length === 0 || millis > last) seen.push(Infinity)
          seen.push(millis)
          return seen.filter((value) => value === Infinity).length > 9
        })
      )
      yield* ensure
      assert.strictEqual(
        (yield* Effect.flip(other.lock.withLock(name, { wait: "0 seconds" })(Effect.void)))._tag,
        "LockHeld"
      )
      yield* holder.letGo
      assert.isTrue(Exit.isSuccess(yield* Stage.ended(stage, holder.fiber)))
    })
  )

  test(
    "a section whose lock was taken away is interrupted, and told how it ended",
    Effect.fnUntraced(function* (stage, name) {
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      let isCleanedUp = false
      const section = yield* Effect.forkChild(
        one.lock.withLock(
          name,
          SHORT
        )(
          Effect.ensuring(
            Effect.never,
            Effect.sync(() => (isCleanedUp = true))
          )
        ),
        { startImmediately: true }
      )
      yield* Stage.until(
        stage,
        Effect.map(Inspect.counts(one.backend, Stage.keyOf(name)), ({ holders }) => holders === 1)
      )
      yield* other.backend.delete(Stage.keyOf(name))
      const exit = yield* Stage.ended(stage, section)
      const error = yield* Effect.flip(exit)
      assert(error._tag === "LockLost")
      assert.strictEqual(error.phase, "section")
      assert(error.exit !== undefined)
      assert.isTrue(Exit.hasInterrupts(error.exit))
      assert.isTrue(isCleanedUp)
    })
  )

  test(
    "a lock that is lost at the end of its section is told with what the section returned",
    Effect.fnUntraced(function* (stage, name) {
      const one = yield* stage.join
      const section = one.lock.withLock(name, LONG)(Effect.as(one.backend.delete(Stage.keyOf(name)), "the result"))
      const error = yield* Effect.flip(section)
      assert(error._tag === "LockLost")
      assert.strictEqual(error.phase, "release")
      assert.deepStrictEqual(error.exit, Exit.succeed("the result"))
    })
  )

  test(
    "a waiter that is interrupted leaves its place to the next",
    Effect.fnUntraced(function* (stage, name) {
      const [one, two, three] = yield* Effect.all([stage.join, stage.join, stage.join])
      const holder = yield* holding(one, name)
      yield* holder.held
      const doomed = yield* Effect.forkChild(two.lock.withLock(name, LONG)(Effect.void), { startImmediately: true })
      yield* Stage.until(
        stage,
        Effect.map(waitersOf(one, name), (count) => count === 1)
      )
      const next = yield* Effect.forkChild(three.lock.withLock(name, LONG)(Effect.succeed("mine")), {
        startImmediately: true
      })
      yield* Stage.until(
        stage,
        Effect.map(waitersOf(one, name), (count) => count === 2)
      )
      yield* Fiber.interrupt(doomed)
      assert.strictEqual(yield* waitersOf(one, name), 1)
      yield* holder.letGo
      assert.deepStrictEqual(yield* Stage.ended(stage, next), Exit.succeed("mine"))
    })
  )

  test(
    "a command that is sent twice acquires once",
    Effect.fnUntraced(function* (stage, name) {
      const { backend } = yield* stage.join
      const key = Stage.keyOf(name)
      const ask = backend.run(Scripts.ask, [key], {
        owner: "mine",
        permits: 1,
        limit: 1,
        ttlMillis: 3_600_000,
        ticket: 0,
        waits: true,
        inTurn: true
      })
      const first = yield* ask
      assert.isTrue(first.isGranted)
      assert.deepStrictEqual(yield* ask, first)
      assert.deepStrictEqual(yield* Inspect.counts(backend, key), { holders: 1, waiters: 0 })
      const release = backend.run(Scripts.release, [key], { owner: "mine", limit: 1 })
      assert.strictEqual(yield* release, "held")
      const next = yield* backend.run(Scripts.ask, [key], {
        owner: "next",
        permits: 1,
        limit: 1,
        ttlMillis: 3_600_000,
        ticket: 0,
        waits: false,
        inTurn: true
      })
      assert.isTrue(next.isGranted)
      assert.strictEqual(yield* release, "nothing")
      assert.deepStrictEqual(yield* Inspect.counts(backend, key), { holders: 1, waiters: 0 })
    })
  )
}
