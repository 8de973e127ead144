import { Joint, Turn } from "../../src/internal/Joint.ts"
import { assert, describe, it } from "@effect/vitest"
import { CacheError } from "@tiercache/core"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import RedisMock from "ioredis-mock"
import * as Keyspace from "../../src/internal/keyspace.ts"
import type * as Server from "../../src/internal/Server.ts"
import * as RedisClock from "../../src/RedisClock.ts"
import type * as RedisConnection from "../../src/RedisConnection.ts"

const PAGES = 4

/** Each one made costs a listener. */
const mock = new RedisMock()

/** A server with a key on each of some pages. */
class Fake {
  replacements = 0
  /** Fails what it is asked. */
  isAway = false
  readonly part: RedisConnection.Part
  /** Pages, as they were asked for. */
  readonly asked: Array<number> = []

  constructor(name: string, isMoving = false) {
    const scan = (cursor: string): Promise<[string, Array<string>]> => {
      const page = Number(cursor)
      this.asked.push(page)
      return Promise.resolve([String((page + 1) % PAGES), [`${name}:${page}`]])
    }
    const away = CacheError.make("scan", "Unavailable", "it is away")
    const command: Server.Server["command"] = (_, send) =>
      Effect.suspend(() =>
        this.isAway ? Effect.fail(away) : Effect.promise(() => send(Object.assign(mock, { scan }), server))
      )
    const server: Server.Server = {
      endpoint: name,
      channel: name,
      clock: RedisClock.fromTime(
        () => 0,
        () => 0
      ),
      status: () => "connected",
      breakerState: () => "off",
      problem: () => undefined,
      command,
      attempt: command,
      jointOf: (kind) => new Joint(mock, new Turn(mock), kind),
      attempted: Effect.void,
      makeBusClient: Effect.succeed(mock),
      verify: () => Promise.resolve(),
      onReplaced: () => {},
      replacements: () => this.replacements
    }
    this.part = { server, owned: name, isMoving }
  }
}

const walk = (parts: () => ReadonlyArray<Fake>) =>
  Keyspace.make({ layout: () => Effect.sync(() => parts().map(({ part }) => part)) }, 10)("scan", "*").pipe(
    Stream.flatMap(({ keys }) => Stream.fromIterable(keys))
  )

/** What is found while something happens at a key. */
const found = (parts: () => ReadonlyArray<Fake>, happens: (key: string) => void = () => {}) =>
  walk(parts).pipe(
    Stream.tap((key) => Effect.sync(() => happens(key))),
    Stream.runCollect
  )

const keysOf = (name: string, from = 0) => Array.from({ length: PAGES - from }, (_, index) => `${name}:${from + index}`)

describe("a walk through the keyspace", () => {
  it.effect("goes through one server after the other, once", () =>
    Effect.gen(function* () {
      const parts = [new Fake("a"), new Fake("b")]
      assert.deepStrictEqual(yield* found(() => parts), [...keysOf("a"), ...keysOf("b")])
    })
  )

  it.effect("fails at once if the first step fails, and otherwise after a minute without an answer", () =>
    Effect.gen(function* () {
      const a = new Fake("a")
      a.isAway = true
      assert.strictEqual((yield* Effect.flip(found(() => [a]))).reason, "Unavailable")
      a.isAway = false
      const leave = (key: string) => {
        if (key === "a:1") a.isAway = true
      }
      const walking = yield* Effect.forkChild(Effect.flip(found(() => [a], leave)))
      while (!a.isAway) yield* Effect.yieldNow
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(walking.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(walking)).message, "it is away")
    })
  )

  it.effect("goes on where it was when the server is back", () =>
    Effect.gen(function* () {
      const a = new Fake("a")
      const leave = (key: string) => {
        if (key === "a:1") a.isAway = true
      }
      const walking = yield* Effect.forkChild(found(() => [a], leave))
      while (!a.isAway) yield* Effect.yieldNow
      a.isAway = false
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(walking), keysOf("a"))
    })
  )

  it.effect("begins anew with a server that another one has replaced, and no other", () =>
    Effect.gen(function* () {
      const [a, b] = [new Fake("a"), new Fake("b")]
      const replace = (key: string) => {
        if (key === "b:2" && b.replacements === 0) b.replacements++
      }
      assert.deepStrictEqual(yield* found(() => [a, b], replace), [
        ...keysOf("a"),
        ...keysOf("b").slice(0, 3),
        ...keysOf("b")
      ])
      assert.deepStrictEqual(a.asked, [0, 1, 2, 3])
    })
  )

  it.effect("gives up when a server is replaced again and again", () =>
    Effect.gen(function* () {
      const a = new Fake("a")
      const error = yield* Effect.flip(
        found(
          () => [a],
          () => void a.replacements++
        )
      )
      assert.strictEqual(error.reason, "Unavailable")
      assert.include(error.message, "again and again")
    })
  )

  it.effect("goes through the server that has got the keys of one that is gone, and no other again", () =>
    Effect.gen(function* () {
      const [a, b, heir] = [new Fake("a"), new Fake("b"), new Fake("heir")]
      const fail = (key: string) => {
        if (key === "b:1") b.isAway = true
      }
      const walking = yield* Effect.forkChild(found(() => [a, b.isAway ? heir : b], fail))
      while (!b.isAway) yield* Effect.yieldNow
      yield* TestClock.adjust("1 second")
      const keys = yield* Fiber.join(walking)
      assert.deepStrictEqual(keys, [...keysOf("a"), "b:0", "b:1", ...keysOf("heir")])
    })
  )

  it.effect("goes again through who has other keys than before", () =>
    Effect.gen(function* () {
      const [a, heir, b] = [new Fake("a"), new Fake("heir of a"), new Fake("b")]
      let isMoved = false
      const move = (key: string) => {
        if (key === "b:1") isMoved = true
      }
      const keys = yield* found(() => [isMoved ? heir : a, b], move)
      assert.deepStrictEqual(keys, [...keysOf("a"), ...keysOf("b"), ...keysOf("heir of a")])
    })
  )

  it.effect("goes through who moves keys three times, whether that ends or not", () =>
    Effect.gen(function* () {
      const [still, moving] = [new Fake("still"), new Fake("moving", true)]
      const keys = yield* found(() => [still, moving])
      assert.deepStrictEqual(keys, [...keysOf("still"), ...keysOf("moving"), ...keysOf("moving"), ...keysOf("moving")])
    })
  )
})
