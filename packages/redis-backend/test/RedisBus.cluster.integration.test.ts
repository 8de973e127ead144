/**
 * The bus of a cluster: a connection to each primary.
 */
import { assert, describe, it } from "@effect/vitest"
import { Codec } from "@tiercache/core"
import { RedisCluster, RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import { type Event, isConnected, makeListening, mentions } from "./listening.ts"
import { eventually, LONG, set, uniqueKey } from "./support.ts"

const keysOf = (count: number, name = uniqueKey("k")) => Array.from({ length: count }, (_, index) => `${name}:${index}`)

const timesHeard = (events: ReadonlyArray<Event>, key: string) =>
  events.filter((event) => typeof event === "object" && event.keys.includes(key)).length

const countOf = (events: ReadonlyArray<Event>, name: Event) => events.filter((event) => event === name).length

type Listening = Effect.Success<ReturnType<typeof makeListening>>

let lastBeat = 0

/** Sends heartbeats, as a tiered backend does, until something was heard. */
const beatsUntil = ({ bus, events }: Listening, condition: (events: ReadonlyArray<Event>) => boolean) =>
  eventually(Effect.map(Effect.ignore(bus.heartbeat(++lastBeat)), () => condition(events)))

/** Sends heartbeats until one of them has come back. */
const beats = (member: Listening) =>
  Effect.suspend(() => {
    const before = lastBeat
    return beatsUntil(member, (events) => events.some((event) => typeof event === "number" && event > before))
  })

describe("the bus of a cluster", { concurrent: true }, () => {
  it.live("brings each write once, and heartbeats from all primaries", () =>
    Effect.gen(function* () {
      const { addresses } = yield* RedisCluster.make()
      const writer = yield* makeListening({ cluster: addresses })
      const reader = yield* makeListening({ cluster: addresses })
      yield* Effect.forEach([writer, reader], ({ hears }) => hears(isConnected))
      const keys = keysOf(60)
      for (const key of keys) yield* set(writer.backend, key, 1)
      yield* writer.backend.setMany(
        keys.map((key) => [key, 2] as const),
        Codec.msgpack,
        LONG
      )
      // what was written before has come when it is back
      for (const member of [writer, reader]) {
        yield* beats(member)
        for (const key of keys) assert.strictEqual(timesHeard(member.events, key), 2)
        assert.strictEqual(countOf(member.events, "connected"), 1)
      }
    })
  )

  it.live("does without a primary that is frozen no longer than nobody replaces it", () =>
    Effect.gen(function* () {
      const { addresses, nodes, primaryOf, settled } = yield* RedisCluster.make()
      const reader = yield* makeListening({ cluster: addresses, commandTimeout: "300 millis" })
      const { backend, events, hears } = reader
      yield* hears(isConnected)
      yield* beats(reader)
      const key = uniqueKey("a")
      const frozen = yield* primaryOf(key)
      yield* frozen.pause
      // no heartbeat is heard while one of them is missing
      events.length = 0
      yield* beatsUntil(reader, (events) => events.includes("disconnected"))
      yield* beatsUntil(reader, isConnected)
      assert.isFalse(events.slice(0, events.indexOf("connected")).some((event) => typeof event === "number"))
      yield* beats(reader)
      yield* eventually(Effect.map(Effect.result(set(backend, key, 1)), ({ _tag }) => _tag === "Success"))
      yield* hears(mentions(key))
      // back as a replica, it is nobody's business
      const connected = countOf(events, "connected")
      yield* frozen.resume
      yield* settled
      yield* beats(reader)
      assert.strictEqual(countOf(events, "connected"), connected)
      assert.strictEqual(nodes.length, 6)
    })
  )

  it.live("begins anew after a failover, and not when slots move between those it knows", () =>
    Effect.gen(function* () {
      const { addresses, failover, moveSlots, primaries, primaryOf, replicasOf } = yield* RedisCluster.make()
      const [writer, reader] = [
        yield* makeListening({ cluster: addresses }),
        yield* makeListening({ cluster: addresses })
      ]
      yield* Effect.forEach([writer, reader], ({ hears }) => hears(isConnected))

      const key = uniqueKey("moved")
      const from = yield* primaryOf(key)
      const to = (yield* primaries).find((node) => node !== from)
      assert(to !== undefined)
      const slot = Number(yield* from.ask("CLUSTER", "KEYSLOT", key))
      yield* moveSlots({ from, to, first: slot, last: slot })
      yield* set(writer.backend, key, 1)
      yield* beats(reader)
      assert.strictEqual(timesHeard(reader.events, key), 1)
      assert.strictEqual(countOf(reader.events, "connected"), 1)

      const [replica] = yield* replicasOf(to)
      assert(replica !== undefined)
      yield* failover(replica)
      yield* beatsUntil(reader, (events) => countOf(events, "connected") > 1 && isConnected(events))
      assert.isAtLeast(countOf(reader.events, "disconnected"), 1)
      yield* eventually(Effect.map(Effect.result(set(writer.backend, key, 2)), ({ _tag }) => _tag === "Success"))
      yield* beats(reader)
      assert.isAtLeast(timesHeard(reader.events, key), 2)
    })
  )

  it.live("proves nothing while slots go to a node that it does not know, and soon knows it", () =>
    Effect.gen(function* () {
      const { addresses, nodes, primaryOf, settled } = yield* RedisCluster.make({ replicas: 0 })
      const [writer, reader] = [
        yield* makeListening({ cluster: addresses }),
        yield* makeListening({ cluster: addresses })
      ]
      yield* Effect.forEach([writer, reader], ({ hears }) => hears(isConnected))
      const key = uniqueKey("new")
      const from = yield* primaryOf(key)
      const slot = Number(yield* from.ask("CLUSTER", "KEYSLOT", key))

      const added = yield* RedisServer.make({ cluster: true, args: ["--cluster-node-timeout", "1000"] })
      const idOf = (node: RedisCluster.Node) => Effect.map(node.ask("CLUSTER", "MYID"), String)
      const addedId = yield* idOf(added)
      for (const { port } of nodes) yield* added.ask("CLUSTER", "MEET", "127.0.0.1", port)
      const hasMet = Effect.map(from.ask("CLUSTER", "NODES"), (text) =>
        String(text)
          .split("\n")
          .some((line) => line.startsWith(addedId) && !line.includes("handshake"))
      )
      const isUp = Effect.map(added.ask("CLUSTER", "INFO"), (text) => String(text).includes("cluster_state:ok"))
      yield* eventually(Effect.zipWith(hasMet, isUp, (met, up) => met && up))
      yield* added.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", yield* idOf(from))
      yield* from.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", addedId)
      // a new key of the slot is written on the new node
      const { events } = reader
      const written = events.length
      yield* set(writer.backend, key, 1)
      assert.strictEqual(yield* added.ask("CLUSTER", "COUNTKEYSINSLOT", slot), 1)
      yield* beatsUntil(reader, (events) => countOf(events, "connected") > 1 && isConnected(events))
      // on a slow machine it may have been known before, by the questions of every five seconds: then nothing is between
      const unproved = events.slice(written, Math.max(written, events.lastIndexOf("connected")))
      assert.isFalse(unproved.some((event) => typeof event === "number"))
      yield* beats(reader)
      reader.events.length = 0
      yield* set(writer.backend, key, 2)
      yield* beats(reader)
      assert.strictEqual(timesHeard(reader.events, key), 1)
      yield* added.ask("CLUSTER", "SETSLOT", slot, "NODE", addedId)
      yield* from.ask("CLUSTER", "SETSLOT", slot, "NODE", addedId)
      yield* settled
      yield* set(writer.backend, key, 3)
      yield* beats(reader)
      assert.strictEqual(timesHeard(reader.events, key), 2)
    })
  )
})
