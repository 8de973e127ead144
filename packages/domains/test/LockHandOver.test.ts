/**
 * How a lock goes from one to the next, and what that costs, in virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import { type CacheBackend, CacheError } from "@tiercache/core"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { counting } from "./locks/faulty.ts"
import * as Stage from "./locks/Stage.ts"
import { askAndDie } from "./locks/Subject.ts"

type Backend = CacheBackend.CacheBackend["Service"]

const NAME = "a"
const KEY = Stage.keyOf(NAME)
const FOREVER = { wait: "forever" } as const
const NOW = { startImmediately: true } as const

describe("a lock that is given back", () => {
  it.effect(
    "is at once had by the next",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const letGo = yield* Deferred.make<void>()
      yield* Effect.forkChild(one.lock.withLock(NAME)(Deferred.await(letGo)), NOW)
      const next = yield* Effect.forkChild(other.lock.withLock(NAME)(Effect.succeed("mine")), NOW)
      yield* TestClock.adjust("300 millis")
      yield* Deferred.succeed(letGo, undefined)
      // no time passes
      for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
      assert.deepStrictEqual(next.pollUnsafe(), Exit.succeed("mine"))
    })
  )

  it.effect(
    "is had within 250 ms by who is behind a waiter that is dead",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const letGo = yield* Deferred.make<void>()
      yield* Effect.forkChild(one.lock.withLock(NAME)(Deferred.await(letGo)), NOW)
      yield* TestClock.adjust("5 millis")
      yield* askAndDie(one, KEY, 1000, { waits: true })
      const next = yield* Effect.forkChild(other.lock.withLock(NAME)(Effect.succeed("mine")), NOW)
      yield* TestClock.adjust("10 millis")
      yield* Deferred.succeed(letGo, undefined)
      yield* TestClock.adjust("250 millis")
      assert.deepStrictEqual(next.pollUnsafe(), Exit.succeed("mine"))
    })
  )
})

describe("a lock that many want all the time", () => {
  it.effect(
    "keeps nobody waiting for longer than two rounds of all the others",
    Effect.fnUntraced(function* () {
      const [clients, rounds, holdMillis, gapMillis] = [64, 3, 4, 1]
      const stage = yield* Stage.inMemory
      const members = yield* Effect.all(Array.from({ length: clients }, () => stage.join))
      const now = yield* Effect.clockWith((clock) => Effect.succeed(() => clock.currentTimeMillisUnsafe()))
      const waits: Array<number> = []
      const round = (lock: Stage.Process["lock"]) =>
        Effect.suspend(() => {
          const start = now()
          const hold = Effect.suspend(() => {
            waits.push(now() - start)
            return Effect.sleep(`${holdMillis} millis`)
          })
          return lock.withLock(NAME, FOREVER)(hold)
        })
      const all = yield* Effect.forEach(members, ({ lock }) =>
        Effect.forkChild(Effect.repeat(round(lock), { times: rounds - 1 }), NOW)
      )
      for (const fiber of all) yield* Stage.ended({ tick: TestClock.adjust(`${gapMillis} millis`) }, fiber)
      assert.lengthOf(waits, clients * rounds)
      assert.isAtMost(Math.max(...waits), 2 * clients * (holdMillis + gapMillis))
    })
  )
})

describe("a lock whose holder is dead", () => {
  for (const ttlMillis of [50, 300, 5000]) {
    it.effect(
      `is had by the next within its lease of ${ttlMillis} ms and 250 ms`,
      Effect.fnUntraced(function* () {
        const stage = yield* Stage.inMemory
        const [one, other] = yield* Effect.all([stage.join, stage.join])
        yield* askAndDie(one, KEY, ttlMillis)
        const next = yield* Effect.forkChild(other.lock.withLock(NAME, FOREVER)(Effect.succeed("mine")), NOW)
        yield* TestClock.adjust(ttlMillis + 250)
        assert.deepStrictEqual(next.pollUnsafe(), Exit.succeed("mine"))
      })
    )
  }
})

describe("a lock that is free while somebody waits", () => {
  it.effect(
    "is had at once by who is not fair, and by nobody else",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const one = yield* stage.join
      yield* askAndDie(one, KEY, 50)
      yield* askAndDie(one, KEY, 50, { owner: "waiting", waits: true })
      yield* TestClock.adjust("60 millis")
      const attempt = (fair: boolean) => one.lock.withLock(NAME, { wait: "0 seconds", fair })(Effect.succeed("mine"))
      assert.strictEqual(yield* attempt(false), "mine")
      assert.strictEqual((yield* Effect.flip(attempt(true)))._tag, "LockHeld")
    })
  )

  it.effect(
    "is at once had by who is behind many that are dead, once they are forgotten",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const letGo = yield* Deferred.make<void>()
      yield* Effect.forkChild(one.lock.withLock(NAME)(Deferred.await(letGo)), NOW)
      yield* TestClock.adjust("5 millis")
      yield* Effect.forEach(
        Array.from({ length: 50 }, (_, index) => `dead-${index}`),
        (owner) => askAndDie(one, KEY, 1000, { owner, waits: true }),
        { discard: true }
      )
      const next = yield* Effect.forkChild(other.lock.withLock(NAME)(Effect.succeed("mine")), NOW)
      yield* TestClock.adjust("5 seconds")
      yield* Deferred.succeed(letGo, undefined)
      for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
      assert.deepStrictEqual(next.pollUnsafe(), Exit.succeed("mine"))
    })
  )
})

describe("a lock that was taken away", () => {
  it.effect(
    "is noticed within a third of its TTL",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const one = yield* stage.join
      const section = yield* Effect.forkChild(
        Effect.flip(one.lock.withLock(NAME, { ttl: "30 seconds" })(Effect.never)),
        NOW
      )
      yield* TestClock.adjust("15 seconds")
      yield* one.backend.delete(KEY)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(section))._tag, "LockLost")
    })
  )
})

describe("messages that are lost", () => {
  for (const [share, title] of [
    [0.2, "one in five"],
    [1, "all"]
  ] as const) {
    it.effect(
      `delay a hand-over by about a second at most: ${title}`,
      Effect.fnUntraced(function* () {
        const stage = yield* Stage.inMemory
        let messages = 0
        stage.bus.setFaults({ drop: ({ kind }) => kind === "woken" && messages++ % 5 < share * 5 })
        const processes = yield* Effect.all(Array.from({ length: 8 }, () => stage.join))
        const now = yield* Effect.clockWith((clock) => Effect.succeed(() => clock.currentTimeMillisUnsafe()))
        let releasedAt = now()
        let slowest = 0
        const section = Effect.gen(function* () {
          slowest = Math.max(slowest, now() - releasedAt)
          yield* Effect.sleep("10 millis")
          releasedAt = now()
        })
        const all = yield* Effect.forkChild(
          Effect.forEach(processes, ({ lock }) => Effect.repeat(lock.withLock(NAME, FOREVER)(section), { times: 9 }), {
            concurrency: "unbounded"
          })
        )
        assert.isTrue(Exit.isSuccess(yield* Stage.ended(stage, all)))
        assert.isAbove(messages, 0)
        assert.isAtMost(slowest, 1100)
      })
    )
  }

  it.effect(
    "cost no more than that if there is no bus at all",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const deaf = (backend: Backend): Backend => ({
        ...backend,
        listen: () => Effect.fail(CacheError.make("listen", "Unsupported", "it cannot"))
      })
      const [one, other] = yield* Effect.all([stage.joinWith(deaf), stage.joinWith(deaf)])
      const letGo = yield* Deferred.make<void>()
      yield* Effect.forkChild(one.lock.withLock(NAME, FOREVER)(Deferred.await(letGo)), NOW)
      const next = yield* Effect.forkChild(other.lock.withLock(NAME, FOREVER)(Effect.void), NOW)
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(next.pollUnsafe())
      yield* Deferred.succeed(letGo, undefined)
      yield* TestClock.adjust("1100 millis")
      assert.isDefined(next.pollUnsafe())
    })
  )

  it.effect(
    "while the bus was away are made up for when it is back",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const [one, other] = yield* Effect.all([stage.join, stage.join])
      const letGo = yield* Deferred.make<void>()
      yield* Effect.forkChild(one.lock.withLock(NAME)(Deferred.await(letGo)), NOW)
      const next = yield* Effect.forkChild(other.lock.withLock(NAME)(Effect.succeed("mine")), NOW)
      yield* TestClock.adjust("10 millis")
      for (const origin of stage.origins()) stage.bus.disconnect(origin)
      yield* Deferred.succeed(letGo, undefined)
      yield* TestClock.adjust("10 millis")
      assert.isUndefined(next.pollUnsafe())
      for (const origin of stage.origins()) stage.bus.reconnect(origin)
      for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
      assert.deepStrictEqual(next.pollUnsafe(), Exit.succeed("mine"))
    })
  )
})

describe("the commands of a lock", () => {
  it.effect(
    "are two where nobody else wants it, and one for who does not wait and does not get it",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const counter = { commands: 0 }
      const process = yield* stage.joinWith(counting(counter))
      yield* process.lock.withLock(NAME)(Effect.void)
      assert.strictEqual(counter.commands, 2)
      yield* askAndDie(process, KEY, 3_600_000)
      counter.commands = 0
      yield* Effect.flip(process.lock.withLock(NAME, { wait: "0 seconds" })(Effect.void))
      assert.strictEqual(counter.commands, 1)
    })
  )

  for (const [ttl, perSecond] of [
    ["10 seconds", 1],
    ["50 millis", 5]
  ] as const) {
    it.effect(
      `are ${perSecond} a second for all who wait in a process, if the TTL is ${ttl}, and one renewal in a third of it`,
      Effect.fnUntraced(function* () {
        const stage = yield* Stage.inMemory
        const [holding, waiting] = [{ commands: 0 }, { commands: 0 }]
        const one = yield* stage.joinWith(counting(holding))
        const other = yield* stage.joinWith(counting(waiting))
        const millis = ttl === "50 millis" ? 50 : 10_000
        yield* Effect.forkChild(one.lock.withLock(NAME, { ttl })(Effect.never), NOW)
        yield* TestClock.adjust("5 millis")
        const wait = other.lock.withLock(NAME, FOREVER)(Effect.void)
        yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.forkChild(wait, NOW), { discard: true })
        yield* TestClock.adjust("1 second")
        const [held, waited] = [holding.commands, waiting.commands]
        yield* TestClock.adjust("100 seconds")
        assert.isAtMost(holding.commands - held, (3 * 100_000) / millis + 1)
        assert.isAtMost(waiting.commands - waited, 100 * perSecond)
      })
    )
  }

  it.effect(
    "are at most five an acquisition among many who wait",
    Effect.fnUntraced(function* () {
      const stage = yield* Stage.inMemory
      const counter = { commands: 0 }
      const processes = yield* Effect.all(Array.from({ length: 64 }, () => stage.joinWith(counting(counter))))
      const section = Effect.sleep("2 millis")
      const rounds = yield* Effect.forkChild(
        Effect.forEach(processes, ({ lock }) => Effect.repeat(lock.withLock(NAME, FOREVER)(section), { times: 4 }), {
          concurrency: "unbounded"
        })
      )
      yield* Stage.ended(stage, rounds)
      assert.isAtMost(counter.commands / (64 * 5), 5)
    })
  )
})
