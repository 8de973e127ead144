import { assert, it } from "@effect/vitest"
import type { Invalidation } from "@tiercache/core"
import { InProcessBus } from "@tiercache/memory-backend"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"

/** Writes down what a member hears. */
const listen = Effect.fnUntraced(function* (member: InProcessBus.Member) {
  const heard: Array<string> = []
  yield* member.invalidation.subscribe({
    onMessage: ({ keys, kind, origin }) => heard.push(`${origin}: ${kind} ${keys.join()}`),
    onHeartbeat: (id) => heard.push(`heartbeat ${id}`),
    onConnected: () => heard.push("connected"),
    onDisconnected: () => heard.push("disconnected")
  })
  return heard
})

const pair = Effect.gen(function* () {
  const bus = yield* InProcessBus.make
  const [a, b] = [yield* bus.connect("a"), yield* bus.connect("b")]
  return { bus, a, b, heardByA: yield* listen(a), heardByB: yield* listen(b) }
})

describe("InProcessBus", () => {
  it.effect(
    "delivers to all members before publish returns, the sender included",
    Effect.fnUntraced(function* () {
      const { a, b, heardByA, heardByB } = yield* pair
      a.publish("set", ["x", "y"])
      b.publish("flush", [])
      assert.deepStrictEqual(heardByA, ["connected", "a: set x,y", "b: flush "])
      assert.deepStrictEqual(heardByB, heardByA)
      assert.strictEqual(a.invalidation.origin, "a")
    })
  )

  it.effect(
    "delays, in order",
    Effect.fnUntraced(function* () {
      const { a, bus, heardByB } = yield* pair
      bus.setFaults({ delay: "100 millis" })
      a.publish("set", ["1"])
      yield* TestClock.adjust("50 millis")
      a.publish("set", ["2"])
      yield* TestClock.adjust("49 millis")
      assert.deepStrictEqual(heardByB, ["connected"])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(heardByB, ["connected", "a: set 1"])
      // what is published after the fault is healed does not overtake
      bus.setFaults({})
      a.publish("set", ["3"])
      assert.deepStrictEqual(heardByB, ["connected", "a: set 1"])
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(heardByB, ["connected", "a: set 1", "a: set 2", "a: set 3"])
      a.publish("set", ["4"])
      assert.strictEqual(heardByB.at(-1), "a: set 4")
    })
  )

  it.effect(
    "loses messages",
    Effect.fnUntraced(function* () {
      const { a, bus, heardByA, heardByB } = yield* pair
      bus.setFaults({ drop: ({ keys }, receiver) => receiver === "b" && keys.includes("lost") })
      a.publish("set", ["lost"])
      a.publish("set", ["kept"])
      assert.deepStrictEqual(heardByB, ["connected", "a: set kept"])
      assert.deepStrictEqual(heardByA, ["connected", "a: set lost", "a: set kept"])
    })
  )

  it.effect(
    "duplicates messages",
    Effect.fnUntraced(function* () {
      const { a, bus, heardByA, heardByB } = yield* pair
      bus.setFaults({ duplicate: (_, receiver) => receiver === "b" })
      a.publish("delete", ["x"])
      assert.deepStrictEqual(heardByB, ["connected", "a: delete x", "a: delete x"])
      assert.deepStrictEqual(heardByA, ["connected", "a: delete x"])
    })
  )

  it.effect(
    "cuts a member off, and lets it back",
    Effect.fnUntraced(function* () {
      const { a, b, bus, heardByA, heardByB } = yield* pair
      bus.disconnect("b")
      bus.disconnect("b")
      a.publish("set", ["missed"])
      b.publish("set", ["sent all the same"])
      const late = yield* listen(b)
      assert.deepStrictEqual(late, [])
      bus.reconnect("b")
      bus.reconnect("b")
      a.publish("set", ["x"])
      assert.deepStrictEqual(heardByB, ["connected", "disconnected", "connected", "a: set x"])
      assert.deepStrictEqual(late, ["connected", "a: set x"])
      assert.deepStrictEqual(heardByA, ["connected", "a: set missed", "b: set sent all the same", "a: set x"])
    })
  )

  it.effect(
    "loses with a connection what is under way",
    Effect.fnUntraced(function* () {
      const { a, bus, heardByB } = yield* pair
      bus.setFaults({ delay: "1 second" })
      a.publish("set", ["under way"])
      bus.disconnect("b")
      a.publish("set", ["missed"])
      bus.reconnect("b")
      a.publish("set", ["x"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(heardByB, ["connected", "disconnected", "connected", "a: set x"])
    })
  )

  it.effect(
    "a listener that throws breaks nobody else",
    Effect.fnUntraced(function* () {
      const { a, b, bus, heardByB } = yield* pair
      const broken = (): never => {
        throw new Error("broken")
      }
      yield* a.invalidation.subscribe({ onMessage: broken, onConnected: broken, onDisconnected: broken })
      const heard = yield* listen(a)
      b.publish("set", ["x"])
      bus.disconnect("a")
      bus.reconnect("a")
      assert.deepStrictEqual(heard, ["connected", "b: set x", "disconnected", "connected"])
      assert.deepStrictEqual(heardByB, ["connected", "b: set x"])
    })
  )

  it.effect(
    "what a listener publishes comes after what it heard, for everybody",
    Effect.fnUntraced(function* () {
      const bus = yield* InProcessBus.make
      const [a, b] = [yield* bus.connect("a"), yield* bus.connect("b")]
      const answering: Invalidation.Listener = {
        onMessage: ({ keys }) => keys[0] === "question" && b.publish("set", ["answer"]),
        onConnected: () => {},
        onDisconnected: () => {}
      }
      yield* b.invalidation.subscribe(answering)
      const heard = yield* listen(a)
      a.publish("set", ["question"])
      assert.deepStrictEqual(heard, ["connected", "a: set question", "b: set answer"])
    })
  )

  it.effect(
    "a listener that left hears nothing, not even what is under way",
    Effect.fnUntraced(function* () {
      const { a, bus, heardByA } = yield* pair
      const scope = yield* Scope.make()
      const heard = yield* Scope.provide(listen(a), scope)
      bus.setFaults({ delay: "1 second" })
      a.publish("set", ["under way"])
      yield* Scope.close(scope, Exit.void)
      a.publish("set", ["x"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(heard, ["connected"])
      assert.deepStrictEqual(heardByA, ["connected", "a: set under way", "a: set x"])
    })
  )

  it.effect(
    "listeners and members leave with their scopes",
    Effect.fnUntraced(function* () {
      const { a, bus, heardByA } = yield* pair
      const scope = yield* Scope.make()
      const c = yield* Scope.provide(bus.connect("c"), scope)
      const heard = yield* Scope.provide(listen(c), scope)
      assert.strictEqual((yield* Effect.flip(bus.connect("c"))).reason, "InvalidOption")
      yield* Scope.close(scope, Exit.void)
      a.publish("set", ["x"])
      assert.deepStrictEqual(heard, ["connected"])
      assert.deepStrictEqual(heardByA, ["connected", "a: set x"])
      yield* bus.connect("c")
    })
  )

  it.effect(
    "brings a heartbeat back to its member alone, behind what was published before it",
    Effect.fnUntraced(function* () {
      const { a, b, bus, heardByA, heardByB } = yield* pair
      bus.setFaults({ delay: "1 second" })
      b.publish("set", ["x"])
      yield* a.invalidation.heartbeat(7)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(heardByA, ["connected", "b: set x", "heartbeat 7"])
      assert.deepStrictEqual(heardByB, ["connected", "b: set x"])
    })
  )

  it.effect(
    "tells the age of a message",
    Effect.fnUntraced(function* () {
      const { a, bus } = yield* pair
      const ages: Array<number | undefined> = []
      yield* a.invalidation.subscribe({
        onMessage: ({ ageMillis }) => ages.push(ageMillis),
        onConnected: () => {},
        onDisconnected: () => {}
      })
      a.publish("set", ["x"])
      bus.setFaults({ delay: "1 second" })
      a.publish("set", ["x"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(ages, [0, 1000])
    })
  )

  it.effect(
    "mutes a member without telling it; connecting anew is up to the member",
    Effect.fnUntraced(function* () {
      const { a, b, bus, heardByA, heardByB } = yield* pair
      bus.setFaults({ mute: (receiver) => receiver === "b" })
      a.publish("set", ["x"])
      yield* b.invalidation.heartbeat(1)
      assert.deepStrictEqual(heardByB, ["connected"])
      assert.deepStrictEqual(heardByA, ["connected", "a: set x"])
      yield* b.invalidation.reconnect
      assert.deepStrictEqual(heardByB, ["connected", "disconnected", "connected"])
      bus.disconnect("b")
      yield* b.invalidation.reconnect
      assert.strictEqual(heardByB.at(-1), "disconnected")
    })
  )

  it.effect(
    "a delete of nothing is told to caches, not to readers of changes",
    Effect.fnUntraced(function* () {
      const { a, b, heardByB } = yield* pair
      const changes: Array<string> = []
      yield* b.subscribeToChanges({
        onMessage: ({ keys }) => changes.push(...keys),
        onConnected: () => {},
        onDisconnected: () => {}
      })
      a.publishMissing(["evicted"])
      a.publish("delete", ["there"])
      assert.deepStrictEqual(heardByB, ["connected", "a: delete evicted", "a: delete there"])
      assert.deepStrictEqual(changes, ["there"])
    })
  )
})
