import { assert, describe, it } from "@effect/vitest"
import { Codec } from "@tiercache/core"
import { RedisSentinel } from "@tiercache/core/testing"
import { Effect, Result } from "effect"
import { Redis } from "ioredis"
import { isConnected, makeListening, mentions } from "./listening.ts"
import { eventually, get, makeBackend, reasonOf, set, uniqueKey } from "./support.ts"

const NAME = "by-sentinel"

const optionsOf = ({ addresses, name }: RedisSentinel.RedisSentinel["Service"]) => ({
  sentinels: addresses,
  name,
  connectionName: NAME
})

/** How many connections of ours a server has. */
const connectionsTo = (node: RedisSentinel.Node) =>
  Effect.map(node.ask("CLIENT", "LIST"), (list) => String(list).split(`name=${NAME}`).length - 1)

describe("a Sentinel group", { concurrent: true }, () => {
  it.live("is one server, whichever it is, and whichever sentinels are there", () =>
    Effect.gen(function* () {
      const group = yield* RedisSentinel.make()
      const backend = yield* makeBackend({ ...optionsOf(group), db: 2 })
      const key = uniqueKey("a")
      yield* set(backend, key, 1)
      assert.strictEqual(yield* get(backend, key), 1)
      const { details, healthy } = yield* backend.health
      assert.isTrue(healthy)
      assert.strictEqual(details["endpoint"], "sentinel group tiercache")
      assert.strictEqual(details["db"], 2)

      const [first, second] = group.sentinels
      assert(first !== undefined && second !== undefined)
      yield* first.kill
      yield* second.pause
      const late = yield* makeBackend({ ...optionsOf(group), commandTimeout: "300 millis", db: 2 })
      yield* eventually(Effect.map(Effect.result(get(late, key)), Result.isSuccess))
      assert.strictEqual(yield* get(late, key), 1)

      const url = `redis://127.0.0.1:${group.addresses[2]?.port}`
      const other = yield* makeBackend({ sentinels: [url], name: "other" })
      assert.strictEqual(yield* reasonOf(other.get(key, Codec.msgpack)), "Unavailable")
    })
  )

  it.live("that promotes a replica makes the bus begin anew, and leaves no connection to the old primary", () =>
    Effect.gen(function* () {
      const group = yield* RedisSentinel.make()
      const { backend, events, hears } = yield* makeListening(optionsOf(group))
      yield* hears(isConnected)
      const old = yield* group.primary
      assert.strictEqual(yield* connectionsTo(old), 2)
      // nobody sends anything: it is the sentinels who tell
      yield* group.failover
      yield* hears((events) => events.filter((event) => event === "connected").length > 1 && isConnected(events))
      assert.include(events, "disconnected")
      const primary = yield* group.primary
      yield* eventually(Effect.map(connectionsTo(primary), (count) => count === 2))
      yield* eventually(Effect.map(connectionsTo(old), (count) => count === 0))
      const key = uniqueKey("a")
      yield* eventually(Effect.map(Effect.ignore(set(backend, key, 1)), () => mentions(key)(events)))
      assert.strictEqual(yield* primary.ask("EXISTS", key), 1)
    })
  )

  it.live("whose primary was frozen and replaced is left before it goes on, by those who have missed nothing too", () =>
    Effect.gen(function* () {
      const group = yield* RedisSentinel.make()
      // patient and silent: no time-out makes a new connection
      const { backend, events, hears } = yield* makeListening(optionsOf(group))
      yield* hears(isConnected)
      const old = yield* group.primary
      yield* old.pause
      yield* group.replaced(old)
      yield* old.resume
      // it takes writes: the sentinels make a replica of it only later
      assert.strictEqual(yield* old.ask("SET", "split", "brain"), "OK")
      const key = uniqueKey("b")
      yield* eventually(Effect.map(Effect.ignore(set(backend, key, 1)), () => mentions(key)(events)))
      assert.strictEqual(yield* old.ask("EXISTS", key), 0)
      yield* eventually(Effect.map(connectionsTo(old), (count) => count === 0))
    })
  )

  it.live("can be known to a client that is lent", () =>
    Effect.gen(function* () {
      const group = yield* RedisSentinel.make()
      const client = yield* Effect.acquireRelease(
        Effect.sync(() =>
          new Redis({ sentinels: [...group.addresses], name: group.name, connectionName: NAME }).on("error", () => {})
        ),
        (client) => Effect.sync(() => client.disconnect())
      )
      const { backend, events, hears } = yield* makeListening({ client })
      yield* hears(isConnected)
      const old = yield* group.primary
      yield* old.kill
      yield* group.replaced(old)
      yield* eventually(Effect.map(Effect.result(set(backend, uniqueKey("a"), 1)), Result.isSuccess))
      yield* hears((events) => events.filter((event) => event === "connected").length > 1 && isConnected(events))
      assert.include(events, "disconnected")
    })
  )
})
