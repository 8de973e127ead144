/**
 * What becomes of locks when the store is away, or its answers are lost, in virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import { type CacheBackend, CacheError } from "@tiercache/core"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Scripts from "../src/internal/lockScripts.ts"
import { around, counting, isFree } from "./locks/faulty.ts"
import * as Inspect from "./locks/inspect.ts"
import * as Stage from "./locks/Stage.ts"

const NAME = "a"
const KEY = Stage.keyOf(NAME)
const NOW = { startImmediately: true } as const
const AT_ONCE = { wait: "0 seconds" } as const
const UNLOCKED = { wait: "0 seconds", onUnavailable: "run-unlocked" } as const

const unavailable = CacheError.make("run", "Unavailable", "the store is away")
const timeout = CacheError.make("run", "Timeout", "the store did not answer")
const refused = CacheError.make("run", "Refused", "no")
const wrongType = CacheError.make("run", "WrongType", "something else")

const away = (state: { isAway: boolean }, error = unavailable) =>
  around((command) => Effect.suspend(() => (state.isAway ? Effect.fail(error) : command)))

describe("a store that is away", () => {
  it.effect(
    "is asked again for as long as one waits, and then the error is told",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const counter = { commands: 0 }
      const { lock } = yield* stage.joinWith((backend) => counting(counter)(away({ isAway: true })(backend)))
      const waits = yield* Effect.forkChild(Effect.flip(lock.withLock(NAME, { wait: "1 second" })(Effect.void)))
      yield* TestClock.adjust("1100 millis")
      assert.deepStrictEqual(yield* Fiber.join(waits), unavailable)
      assert.isAtMost(counter.commands, 15)
      assert.deepStrictEqual(yield* Effect.flip(lock.withLock(NAME, AT_ONCE)(Effect.void)), unavailable)
    })
  )

  it.effect(
    "and comes back, gives the lock to who waits",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const state = { isAway: true }
      const { lock } = yield* stage.joinWith(away(state))
      const waits = yield* Effect.forkChild(lock.withLock(NAME, { wait: "10 seconds" })(Effect.succeed("mine")))
      yield* TestClock.adjust("3 seconds")
      state.isAway = false
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* Fiber.join(waits), "mine")
    })
  )

  it.effect(
    "lets a section run without the lock, if it may",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      for (const error of [unavailable, timeout, refused]) {
        const { lock } = yield* stage.joinWith(away({ isAway: true }, error))
        const seen = yield* lock.withLock(
          NAME,
          UNLOCKED
        )((held) => Effect.as(held.ensure, { isLocked: held.isLocked, fence: held.fence }))
        assert.deepStrictEqual(seen, { isLocked: false, fence: 0 })
        assert.isFalse((yield* Effect.scoped(lock.acquire(NAME, UNLOCKED))).isLocked)
      }
    })
  )

  it.effect(
    "does not let it run if others have the lock, or something else is under its key",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const foreign = yield* stage.joinWith(away({ isAway: true }, wrongType))
      assert.deepStrictEqual(yield* Effect.flip(foreign.lock.withLock(NAME, UNLOCKED)(Effect.void)), wrongType)
      const held = one.lock.withLock(NAME)(Effect.flip(other.lock.withLock(NAME, UNLOCKED)(Effect.void)))
      assert.strictEqual((yield* held)._tag, "LockHeld")
    })
  )

  it.effect(
    "for longer than the lease, has the section interrupted before others can have the lock",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const state = { isAway: false }
      const [one, other] = yield* Effect.all([stage.joinWith(away(state)), stage.join])
      const now = yield* Effect.clockWith((clock) => Effect.succeed(() => clock.currentTimeMillisUnsafe()))
      const start = now()
      let interruptedAt = NaN
      let grantedAt = NaN
      const forever = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interruptedAt = now())))
      const section = yield* Effect.forkChild(Effect.flip(one.lock.withLock(NAME, { ttl: "1 second" })(forever)), NOW)
      yield* TestClock.adjust("2 seconds")
      state.isAway = true
      const next = yield* Effect.forkChild(
        other.lock.withLock(NAME, { wait: "forever" })(Effect.sync(() => (grantedAt = now())))
      )
      yield* Stage.ended(stage, next)
      assert.strictEqual((yield* Fiber.join(section))._tag, "LockLost")
      assert.isBelow(interruptedAt, grantedAt)
      // the last renewal is at most a third of the lease old
      assert.isAtLeast(interruptedAt - start, 2600)
    })
  )

  it.effect(
    "and carries out a request after its release, keeps nobody out when that can happen no more",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const scope = yield* Effect.scope
      for (const wait of ["0 seconds", "1 second"] as const) {
        let isLate = true
        const { backend, lock } = yield* stage.joinWith((backend) => ({
          ...around((command, script) => {
            if (!isLate || script !== Scripts.ask.name) return command
            isLate = false
            return Effect.andThen(Effect.forkIn(Effect.delay(command, "300 millis"), scope), Effect.fail(unavailable))
          })(backend),
          lateMillis: 500
        }))
        const section = yield* Effect.forkChild(Effect.exit(lock.withLock(NAME, { ttl: "1 hour", wait })(Effect.void)))
        yield* TestClock.adjust("200 millis")
        assert.strictEqual(Exit.isSuccess(yield* Fiber.join(section)), wait === "1 second")
        assert.isTrue(yield* isFree(backend, NAME))
        yield* TestClock.adjust("150 millis")
        assert.isFalse(yield* isFree(backend, NAME))
        yield* TestClock.adjust("151 millis")
        assert.isTrue(yield* isFree(backend, NAME))
      }
    })
  )

  it.effect(
    "for a moment, costs a lock nothing",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const state = { isAway: false }
      const { lock } = yield* stage.joinWith(away(state, timeout))
      const section = yield* Effect.forkChild(lock.withLock(NAME, { ttl: "1 second" })(Effect.sleep("10 seconds")), NOW)
      for (let n = 0; n < 15; n++) {
        state.isAway = n % 2 === 0
        yield* TestClock.adjust("500 millis")
      }
      state.isAway = false
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(section)))
    })
  )
})

describe("answers that are lost", () => {
  /** The first command of a script is executed, and its answer lost. */
  const losing = (lost: string) => {
    let isLost = false
    return around((command, script) =>
      Effect.suspend(() => {
        if (script !== lost || isLost) return command
        isLost = true
        return Effect.andThen(command, Effect.fail(timeout))
      })
    )
  }

  it.effect(
    "of asking: the lock is had once, and without waiting for its own lease",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const { backend, lock } = yield* stage.joinWith(losing(Scripts.ask.name))
      const section = yield* Effect.forkChild(
        lock.withLock(NAME, { ttl: "1 hour", wait: "2 hours" })(() => Inspect.counts(backend, KEY))
      )
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(yield* Fiber.join(section), { holders: 1, waiters: 0 })
      assert.isTrue(yield* isFree(backend, NAME))
    })
  )

  it.effect(
    "of asking without waiting: what may have been granted is given back",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const { backend, lock } = yield* stage.joinWith(losing(Scripts.ask.name))
      assert.deepStrictEqual(yield* Effect.flip(lock.withLock(NAME, AT_ONCE)(Effect.void)), timeout)
      assert.isTrue(yield* isFree(backend, NAME))
    })
  )

  it.effect(
    "of a release: that is no failure, and who has the lock by then keeps it",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const [one, other] = yield* Effect.all([stage.joinWith(losing(Scripts.release.name)), stage.join])
      assert.strictEqual(yield* one.lock.withLock(NAME)(Effect.succeed("the result")), "the result")
      const long = other.lock.withLock(NAME, { ttl: "1 second" })(Effect.sleep("5 seconds"))
      const section = yield* Effect.forkChild(long, NOW)
      yield* TestClock.adjust("6 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(section)))
    })
  )

  it.effect.each([unavailable, refused])(
    "with the command: a release that did not arrive is repeated",
    Effect.fnUntraced(function* (failure) {
      const stage = yield* Stage.inMemory
      let failures = 2
      const { backend, lock } = yield* stage.joinWith(
        around((command, script) =>
          Effect.suspend(() => (script === Scripts.release.name && failures-- > 0 ? Effect.fail(failure) : command))
        )
      )
      yield* lock.withLock(NAME, { ttl: "1 hour" })(Effect.void)
      assert.isFalse(yield* isFree(backend, NAME))
      yield* TestClock.adjust("1 second")
      assert.isTrue(yield* isFree(backend, NAME))
    })
  )

  it.effect(
    "for longer than the lease: what was granted is not used",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const { backend, lock } = yield* stage.joinWith(
        around((command, script) =>
          script === Scripts.ask.name ? Effect.tap(command, () => Effect.sleep("60 millis")) : command
        )
      )
      let ran = false
      const slow = yield* Effect.forkChild(
        Effect.flip(lock.withLock(NAME, { ...AT_ONCE, ttl: "50 millis" })(Effect.sync(() => (ran = true))))
      )
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(slow)
      assert(error._tag === "CacheError")
      assert.strictEqual(error.reason, "Timeout")
      assert.isFalse(ran)
      assert.isTrue(yield* isFree(backend, NAME))
    })
  )
})

describe("a grant that came too late", () => {
  it.effect(
    "is asked for again, and nothing that was sent before takes away what is granted then",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const failing = new Set([Scripts.ask.name, Scripts.release.name])
      const { backend, lock } = yield* stage.joinWith(
        around((command, script) =>
          Effect.suspend(() => {
            if (!failing.delete(script)) return command
            // the first answer to asking is late, and the first release does not arrive
            return script === Scripts.ask.name
              ? Effect.tap(command, () => Effect.sleep("1100 millis"))
              : Effect.fail(unavailable)
          })
        )
      )
      const section = yield* Effect.forkChild(
        lock.withLock(NAME, { ttl: "1 second", wait: "1 minute" })(Effect.as(Effect.sleep("10 seconds"), "done"))
      )
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(section.pollUnsafe(), Exit.succeed("done"))
      assert.isTrue(yield* isFree(backend, NAME))
    })
  )
})

describe("a grant that replicas have to know of", () => {
  const replicas =
    (state: { count: number }) =>
    (backend: CacheBackend.CacheBackend["Service"]): CacheBackend.CacheBackend["Service"] => ({
      ...backend,
      awaitReplicas: () => Effect.sync(() => state.count)
    })

  it.effect(
    "counts when they do",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const { lock } = yield* stage.joinWith(replicas({ count: 2 }))
      assert.strictEqual(yield* lock.withLock(NAME, { ...AT_ONCE, waitReplicas: 2 })(Effect.succeed("mine")), "mine")
    })
  )

  it.effect(
    "is given back if too few do, and obtained again when they do",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const state = { count: 1 }
      const { backend, lock } = yield* stage.joinWith(replicas(state))
      const error = yield* Effect.flip(lock.withLock(NAME, { ...AT_ONCE, waitReplicas: 2 })(Effect.void))
      assert(error._tag === "CacheError")
      assert.strictEqual(error.reason, "Unavailable")
      assert.isTrue(yield* isFree(backend, NAME))
      const waits = yield* Effect.forkChild(
        lock.withLock(NAME, { wait: "1 minute", waitReplicas: 2 })(Effect.succeed("mine")),
        NOW
      )
      yield* TestClock.adjust("10 seconds")
      state.count = 2
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(waits.pollUnsafe(), Exit.succeed("mine"))
    })
  )

  it.effect(
    "is not to be had where there are no replicas",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const { backend, lock } = yield* stage.join
      const error = yield* Effect.flip(lock.withLock(NAME, { waitReplicas: 1 })(Effect.void))
      assert(error._tag === "CacheError")
      assert.strictEqual(error.reason, "Unsupported")
      assert.isTrue(yield* isFree(backend, NAME))
    })
  )
})
