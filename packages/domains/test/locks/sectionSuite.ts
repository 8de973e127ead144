/**
 * What runs under a lock.
 */
import { assert } from "@effect/vitest"
import { type CacheError } from "@tiercache/core"
import { LockError } from "@tiercache/domains"
import { Duration, Effect, Exit, Fiber, Result } from "effect"
import * as Stage from "./Stage.ts"
import { LONG, holding, type Test } from "./Subject.ts"

export const register = (test: Test): void => {
  test(
    "a section that fails fails with that, and gives the lock back",
    Effect.fnUntraced(function* (stage, name) {
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      assert.strictEqual(yield* Effect.flip(one.lock.withLock(name, LONG)(Effect.fail("no"))), "no")
      const defect = yield* Effect.exit(one.lock.withLock(name, LONG)(Effect.die("a bug")))
      assert.isTrue(Exit.hasDies(defect))
      assert.isTrue(yield* other.lock.withLock(name, { wait: "0 seconds" })(({ isLocked }) => Effect.succeed(isLocked)))
    })
  )

  test(
    "a section that is interrupted gives the lock to the next",
    Effect.fnUntraced(function* (stage, name) {
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const holder = yield* holding(one, name)
      yield* holder.held
      const next = yield* Effect.forkChild(other.lock.withLock(name, LONG)(Effect.succeed("mine")))
      yield* Fiber.interrupt(holder.fiber)
      assert.deepStrictEqual(yield* Stage.ended(stage, next), Exit.succeed("mine"))
    })
  )

  test(
    "a nested section is a defect, unless it asks to be let in",
    Effect.fnUntraced(function* (stage, name) {
      const { lock } = yield* stage.join
      const nested = lock.withLock(name, LONG)(lock.withLock(name, LONG)(Effect.void))
      const exit = yield* Effect.exit(nested)
      const defect = Exit.findDefect(exit)
      assert(Result.isSuccess(defect))
      assert.deepStrictEqual(defect.success, new LockError.LockReentered({ lock: name }))
      const fences = lock.withLock(
        name,
        LONG
      )((outer) =>
        lock.withLock(name, { reentrant: true })((inner) =>
          // an operator that forks does not leave the section
          Effect.map(
            Effect.timeout(
              lock.withLock(name, { reentrant: true })(({ fence }) => Effect.succeed(fence)),
              "1 minute"
            ),
            (innermost) => [outer.fence === inner.fence, outer.fence === innermost]
          )
        )
      )
      assert.deepStrictEqual(yield* fences, [true, true])
      // after the section, there is nothing to be let in to
      assert.isAbove(yield* lock.withLock(name, { reentrant: true })(({ fence }) => Effect.succeed(fence)), 0)
    })
  )

  test(
    "a lock is kept until its scope closes",
    Effect.fnUntraced(function* (stage, name) {
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const isFree = Effect.map(
        Effect.exit(other.lock.withLock(name, { wait: "0 seconds" })(Effect.void)),
        Exit.isSuccess
      )
      const kept = yield* Effect.scoped(
        Effect.gen(function* () {
          const lock = yield* one.lock.acquire(name, LONG)
          yield* lock.ensure
          assert.isFalse(yield* isFree)
          return lock
        })
      )
      assert.isTrue(yield* isFree)
      assert.strictEqual((yield* Effect.flip(kept.ensure))._tag, "LockLost")
      assert.strictEqual((yield* Effect.flip(kept.lost))._tag, "LockLost")
      assert.isTrue(Duration.isZero(yield* kept.remaining))
    })
  )

  test(
    "distinct names are distinct locks, whatever is in them",
    Effect.fnUntraced(function* (stage, name) {
      const { lock } = yield* stage.join
      const hostile = [
        "{a}",
        "a}",
        "{a",
        "*",
        "[a-z]",
        "ü",
        "\u0000",
        "a:b",
        "a%3Ab",
        "x".repeat(10_000),
        `${"x".repeat(9_999)}y`
      ]
      const within = hostile.reduceRight<
        Effect.Effect<number, LockError.LockHeld | LockError.LockLost | CacheError.CacheError>
      >((inner, part) => lock.withLock(`${name}:${part}`, { wait: "0 seconds" })(inner), Effect.succeed(hostile.length))
      assert.strictEqual(yield* within, hostile.length)
      const empty = yield* Effect.flip(lock.withLock("")(Effect.void))
      assert(empty._tag === "CacheError")
      assert.strictEqual(empty.reason, "InvalidKey")
    })
  )

  test(
    "options out of their range are refused",
    Effect.fnUntraced(function* (stage, name) {
      const { lock, semaphore } = yield* stage.join
      const refusals = [
        lock.withLock(name, { ttl: "49 millis" })(Effect.void),
        lock.withLock(name, { ttl: "0 seconds" })(Effect.void),
        lock.withLock(name, { wait: "-1 seconds" })(Effect.void),
        semaphore.withPermits(name, { limit: 0 })(Effect.void),
        semaphore.withPermits(name, { limit: 1.5 })(Effect.void),
        semaphore.withPermits(name, { limit: 2, permits: 3 })(Effect.void)
      ]
      for (const refused of refusals) {
        const error = yield* Effect.flip(refused)
        assert(error._tag === "CacheError")
        assert.strictEqual(error.reason, "InvalidOption")
      }
    })
  )
}
