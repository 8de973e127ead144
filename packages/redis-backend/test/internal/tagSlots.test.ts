import { Joint, Turn } from "../../src/internal/Joint.ts"
import { assert, describe, it } from "@effect/vitest"
import { CacheError } from "@tiercache/core"
import { Effect } from "effect"
import RedisMock from "ioredis-mock"
import type * as Server from "../../src/internal/Server.ts"
import { slotOf } from "../../src/internal/slots.ts"
import * as TagSlots from "../../src/internal/tagSlots.ts"
import * as RedisClock from "../../src/RedisClock.ts"
import type * as RedisConnection from "../../src/RedisConnection.ts"

const MINUTE_MILLIS = 60_000

const make = (isCluster = true) => {
  const state = { now: 0, losses: 0, flushes: 0, isAway: false, onSent: () => {} }
  const added: Array<string> = []
  const client = Object.assign(new RedisMock(), {
    sadd: (registry: string, ...slots: ReadonlyArray<number>) => {
      added.push(...slots.map((slot) => `${registry} ${slot}`))
      return Promise.resolve(slots.length).finally(() => state.onSent())
    }
  })
  const away = CacheError.make("set", "Unavailable", "it is away")
  const command = <A>(_: string, __: string | undefined, send: Server.Send<A>) =>
    Effect.suspend(() => (state.isAway ? Effect.fail(away) : Effect.promise(() => send(client, server))))
  const server: Server.Server = {
    endpoint: "",
    channel: "",
    clock: RedisClock.fromTime(
      () => 0,
      () => 0
    ),
    status: () => "connected",
    breakerState: () => "off",
    problem: () => undefined,
    command: (operation, send) => command(operation, undefined, send),
    attempt: (operation, send) => command(operation, undefined, send),
    jointOf: (kind) => new Joint(client, new Turn(client), kind),
    attempted: Effect.void,
    makeBusClient: Effect.succeed(client),
    verify: () => Promise.resolve(),
    onReplaced: () => {},
    replacements: () => 0
  }
  const connection: RedisConnection.RedisConnection = {
    endpoint: "",
    db: 0,
    isMock: false,
    commandMillis: 1000,
    status: server.status,
    problem: server.problem,
    breakerState: server.breakerState,
    command,
    deadline: () => state.now + 1000,
    before: (_, __, effect) => effect,
    isCluster,
    partOf: slotOf,
    servers: () => [server],
    layout: () => Effect.succeed([]),
    onChange: () => {},
    losses: () => state.losses,
    beat: () => Effect.void,
    isWhole: () => true
  }
  const tagSlots = TagSlots.make({ connection, bus: { flushes: () => state.flushes }, now: () => state.now })
  /** The additions that a write took, and its deadline. */
  const write = (...tagged: ReadonlyArray<readonly [key: string, ...tags: ReadonlyArray<string>]>) =>
    Effect.suspend(() => {
      added.length = 0
      const all = tagged.map(([key, ...tags]) => ({ key, tags }))
      return tagSlots.before("set", all, (deadline) => Effect.sync(() => ({ added: added.toSorted(), deadline })))
    })
  return { state, write }
}

const registered = (key: string, tag: string) => `{tiercache:slots:${tag}} ${slotOf(key)}`

describe("the slots of tags", () => {
  it.effect("are added before the write, each once, within the time of the write", () =>
    Effect.gen(function* () {
      const { state, write } = make()
      state.now = 5
      assert.deepStrictEqual(yield* write(["a", "red", "blue"], ["b", "red"], ["{b}", "red"], ["c"]), {
        added: [registered("a", "red"), registered("a", "blue"), registered("b", "red")].toSorted(),
        deadline: 1005
      })
      assert.deepStrictEqual(yield* write(["{a}1", "red"], ["b", "red"]), { added: [], deadline: undefined })
      assert.deepStrictEqual((yield* write(["b", "blue"])).added, [registered("b", "blue")])
    })
  )

  it.effect("are added again after a minute, however often they are used", () =>
    Effect.gen(function* () {
      const { state, write } = make()
      yield* write(["a", "red"])
      state.now = MINUTE_MILLIS / 2
      yield* write(["b", "red"])
      state.now = MINUTE_MILLIS - 1
      assert.deepStrictEqual((yield* write(["a", "red"], ["b", "red"])).added, [])
      state.now = MINUTE_MILLIS
      assert.deepStrictEqual((yield* write(["a", "red"], ["b", "red"])).added, [registered("a", "red")])
      assert.deepStrictEqual((yield* write(["a", "red"])).added, [])
    })
  )

  it.effect("are all added again when something may be lost, even while they are added", () =>
    Effect.gen(function* () {
      const { state, write } = make()
      for (const lose of [() => state.losses++, () => state.flushes++]) {
        yield* write(["a", "red"])
        assert.deepStrictEqual((yield* write(["a", "red"])).added, [])
        lose()
        assert.deepStrictEqual((yield* write(["a", "red"])).added, [registered("a", "red")])
        lose()
        state.onSent = lose
        yield* write(["a", "red"])
        state.onSent = () => {}
        assert.deepStrictEqual((yield* write(["a", "red"])).added, [registered("a", "red")])
      }
    })
  )

  it.effect("are not remembered if they could not be added, and then nothing is written", () =>
    Effect.gen(function* () {
      const { state, write } = make()
      state.isAway = true
      assert.strictEqual((yield* Effect.flip(write(["a", "red"]))).reason, "Unavailable")
      state.isAway = false
      assert.deepStrictEqual((yield* write(["a", "red"])).added, [registered("a", "red")])
    })
  )

  it.effect("are remembered up to a number, and then the oldest are forgotten", () =>
    Effect.gen(function* () {
      const { write } = make()
      const many = Array.from({ length: 65_536 }, (_, index) => `tag ${index}`)
      yield* write(["a", "oldest"])
      yield* write(["a", ...many.slice(1)])
      assert.deepStrictEqual((yield* write(["a", "oldest"])).added, [])
      yield* write(["a", many[0] ?? ""])
      assert.deepStrictEqual((yield* write(["a", many[1] ?? ""])).added, [])
      assert.deepStrictEqual((yield* write(["a", "oldest"])).added, [registered("a", "oldest")])
    })
  )

  it.effect("are of no interest to one server", () =>
    Effect.gen(function* () {
      const { write } = make(false)
      assert.deepStrictEqual(yield* write(["a", "red"]), { added: [], deadline: undefined })
    })
  )
})
