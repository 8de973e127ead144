import { assert, layer } from "@effect/vitest"
import { CacheBackend, Codec, Invalidation, KeyPattern } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { BusMessage, RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect, Stream } from "effect"
import { type Event, isConnected, listen, makeListening, mentions } from "./listening.ts"
import { eventually, LONG, makeClient, PATIENT, reasonOf, set, uniqueKey } from "./support.ts"

const messages = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) => (typeof event === "object" ? [`${event.kind} ${event.keys.join(" ")}`.trim()] : []))

layer(RedisServer.layer(), { excludeTestServices: true })("RedisBus", (it) => {
  it.effect("tells every process what another one wrote, in order and with its name", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const [writer, reader] = [yield* makeListening({ url }), yield* makeListening({ url })]
      yield* Effect.forEach([writer, reader], ({ hears }) => hears(isConnected))
      const [a, b, end] = [uniqueKey("a"), uniqueKey("é"), uniqueKey("end")]
      yield* set(writer.backend, a, 1)
      yield* writer.backend.setMany(
        [
          [a, 1],
          [b, 2]
        ],
        Codec.msgpack,
        LONG
      )
      yield* writer.backend.expire(a, LONG.ttl)
      yield* writer.backend.increment(end, LONG)
      yield* writer.backend.deleteMany([b, a])
      yield* writer.backend.delete(end)
      const expected = [`set ${a}`, `set ${a} ${b}`, `expire ${a}`, `set ${end}`, `delete ${b} ${a}`, `delete ${end}`]
      for (const { events, hears } of [writer, reader]) {
        yield* hears((events) => messages(events).includes(`delete ${end}`))
        assert.deepStrictEqual(messages(events), expected)
        for (const event of events) if (typeof event === "object") assert.strictEqual(event.origin, writer.bus.origin)
      }
      assert.notStrictEqual(writer.bus.origin, reader.bus.origin)
    })
  )

  it.effect("tells of deletes that found nothing, which may be evicted, and the change feed does not", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const { backend, events, hears } = yield* makeListening({ url })
      yield* hears(isConnected)
      const changes: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(backend.changes, ({ keys }) => Effect.sync(() => changes.push(...keys))),
        { startImmediately: true }
      )
      const [there, gone, alone, end] = [uniqueKey("there"), uniqueKey("gone"), uniqueKey("alone"), uniqueKey("end")]
      yield* set(backend, there, 1)
      yield* backend.deleteMany([there, gone])
      yield* backend.delete(alone)
      yield* set(backend, end, 1)
      yield* eventually(Effect.sync(() => changes.includes(end)))
      assert.deepStrictEqual(changes, [there, there, end])
      assert.deepStrictEqual(messages(events), [
        `set ${there}`,
        `delete ${there}`,
        `delete ${gone}`,
        `delete ${alone}`,
        `set ${end}`
      ])
    })
  )

  it.effect("tells of a deleted pattern by its keys, in batches", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const { backend, events, hears } = yield* makeListening({ url, deleteBatchSize: 10 })
      yield* hears(isConnected)
      const prefix = uniqueKey("pattern")
      const keys = Array.from({ length: 25 }, (_, index) => `${prefix}:${index}`)
      yield* backend.setMany(
        keys.map((key) => [key, 1] as const),
        Codec.msgpack,
        LONG
      )
      assert.strictEqual(yield* backend.deletePattern(KeyPattern.make(prefix, "*")), 25)
      const deleted = () =>
        events.flatMap((event) => (typeof event === "object" && event.kind === "delete" ? event.keys : []))
      yield* hears(() => deleted().length === 25)
      assert.deepStrictEqual(deleted().toSorted(), keys.toSorted())
      yield* hears(() => messages(events).some((message) => message.startsWith("pattern ")))
      // one set, three batches of deletes, and the pattern itself for what only an L1 still has
      assert.strictEqual(messages(events).length, 1 + 3 + 1)
    })
  )

  it.effect("greets a listener who comes late, and forgets one who leaves", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const { backend, bus, hears } = yield* makeListening({ url })
      yield* hears(isConnected)
      const late = yield* Effect.scoped(
        Effect.gen(function* () {
          const late = yield* listen(bus)
          assert.deepStrictEqual(late.events, ["connected"])
          return late
        })
      )
      const key = uniqueKey("a")
      yield* set(backend, key, 1)
      yield* hears(mentions(key))
      assert.deepStrictEqual(late.events, ["connected"])
    })
  )

  it.effect("says when it may have missed something, and when not any more", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      const { backend, events, hears } = yield* makeListening({ url })
      for (let round = 1; round <= 3; round++) {
        yield* hears(isConnected)
        yield* Effect.promise(() => admin.call("CLIENT", "KILL", "TYPE", "pubsub"))
        yield* hears((events) => events.filter((event) => event === "disconnected").length === round)
      }
      yield* hears(isConnected)
      const key = uniqueKey("a")
      yield* set(backend, key, 1)
      yield* hears(mentions(key))
      assert.deepStrictEqual(
        events.filter((event) => typeof event === "string"),
        [...Array.from({ length: 3 }, () => ["connected", "disconnected"] as const).flat(), "connected"]
      )
    })
  )

  it.effect("takes what it does not understand for a flush", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      const { events, hears } = yield* makeListening({ url })
      yield* hears(isConnected)
      const good = BusMessage.encode(BusMessage.header("flush", BusMessage.makeOrigin(), 0, 0), [])
      for (const bytes of [
        Buffer.from([0xff, 0x00]),
        Buffer.alloc(0),
        Buffer.from("2" + good.toString().slice(1)),
        good
      ]) {
        yield* Effect.promise(() => admin.publish("tiercache:1:db0", bytes))
      }
      yield* hears((events) => messages(events).length === 4)
      assert.deepStrictEqual(messages(events), ["flush", "flush", "flush", "flush"])
    })
  )

  it.effect("does not hear other databases or channels", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const { backend, events, hears } = yield* makeListening({ url })
      const others = [yield* makeListening({ url: `${url}/1` }), yield* makeListening({ url, channel: "another" })]
      yield* Effect.forEach([{ hears }, ...others], ({ hears }) => hears(isConnected))
      for (const other of others) {
        const key = uniqueKey("elsewhere")
        yield* set(other.backend, key, 1)
        yield* other.hears(mentions(key))
      }
      const key = uniqueKey("here")
      yield* set(backend, key, 1)
      yield* hears(mentions(key))
      assert.deepStrictEqual(messages(events), [`set ${key}`])
    })
  )

  it.effect("needs no connection until somebody listens", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const context = yield* RedisBackend.make({ url, ...PATIENT })
      const backend = Context.get(context, CacheBackend.CacheBackend)
      const state = Effect.map(backend.health, ({ details }) => details["bus"])
      yield* set(backend, uniqueKey("a"), 1)
      assert.strictEqual(yield* state, "idle")
      const { hears } = yield* listen(Context.get(context, Invalidation.Invalidation))
      yield* hears(isConnected)
      assert.strictEqual(yield* state, "connected")
    })
  )

  it.effect("that cannot be reached leaves everything else working", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const { backend, events } = yield* makeListening({ url, busUrl: "redis://:hunter2@127.0.0.1:1" })
      assert.isTrue(yield* set(backend, uniqueKey("a"), 1))
      yield* eventually(Effect.map(backend.health, ({ details }) => details["bus_problem"] === "ECONNREFUSED"))
      const health = yield* backend.health
      assert.isTrue(health.healthy)
      assert.strictEqual(health.details["bus"], "connecting")
      assert.notInclude(JSON.stringify(health), "hunter2")
      assert.deepStrictEqual(events, [])
    })
  )

  it.effect("notices a server that freezes, though that says nothing", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const frozen = yield* RedisServer.make()
      const { events, hears } = yield* makeListening({ url, busUrl: frozen.url, commandTimeout: "200 millis" })
      yield* hears(isConnected)
      yield* frozen.pause
      yield* hears((events) => events.includes("disconnected"))
      yield* frozen.resume
      yield* hears(isConnected)
      assert.deepStrictEqual(events.slice(0, 2), ["connected", "disconnected"])
    })
  )

  it.effect("that the user may not hear says so, and connects when that changes", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      yield* Effect.promise(() => admin.acl("SETUSER", "deaf", "on", ">pw", "~*", "resetchannels", "+@all"))
      const { host } = new URL(url)
      const { backend, events, hears } = yield* makeListening({ url: `redis://deaf:pw@${host}` })
      yield* eventually(Effect.map(backend.health, ({ details }) => String(details["bus_problem"]).includes("NOPERM")))
      // what cannot be announced fails
      assert.strictEqual(yield* reasonOf(set(backend, uniqueKey("a"), 1)), "Refused")
      assert.deepStrictEqual(events, [])
      yield* Effect.promise(() => admin.acl("SETUSER", "deaf", "&tiercache:*"))
      yield* hears(isConnected)
    })
  )

  it.effect("pushes no more at once than every subscriber can take, and announces the other keys alone", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const admin = yield* makeClient(url)
      yield* Effect.promise(() => admin.config("SET", "client-output-buffer-limit", "pubsub 8mb 8mb 60"))
      const { backend, events, hears } = yield* makeListening({ url })
      yield* hears(isConnected)
      const value = new Uint8Array(100_000)
      const entries = Array.from({ length: 200 }, (_, index) => [`k${index}`, value] as const)
      assert.strictEqual(yield* backend.setMany(entries, Codec.msgpack, { ...LONG, push: true, writeId: 7 }), 200)
      const heard = () => events.flatMap((event) => (typeof event === "object" ? [event] : []))
      yield* hears(() => heard().flatMap(({ keys }) => keys).length === 200)
      assert.deepStrictEqual(
        heard()
          .flatMap(({ keys }) => keys)
          .toSorted(),
        entries.map(([key]) => key).toSorted()
      )
      assert.isFalse(events.includes("disconnected"))
      assert.isAbove(heard().filter(({ pushed }) => pushed !== undefined).length, 0)
      for (const { kind, pushed = [], writeId } of heard()) {
        assert.deepStrictEqual([kind, writeId], ["set", 7])
        assert.isBelow(
          pushed.map(({ payload }) => payload.length).reduce((sum, length) => sum + length, 0),
          256 * 1024
        )
      }
      const small = ["a", "b"].map((key) => [key, key] as const)
      yield* backend.setMany(small, Codec.msgpack, { ...LONG, push: true })
      yield* hears(mentions("b"))
      assert.strictEqual(heard().at(-1)?.pushed?.length, 2)
    })
  )

  it.effect("brings no heartbeat from a server that takes no writes", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const admin = yield* makeClient(url)
      const { bus, events, hears } = yield* makeListening({ url })
      yield* hears(isConnected)
      yield* bus.heartbeat(1)
      yield* hears((events) => events.includes(1))
      // it keeps its clients
      yield* Effect.promise(() => admin.replicaof("127.0.0.1", 1))
      let id = 1
      const beat = Effect.suspend(() => bus.heartbeat(++id))
      // refused again and again, whatever connections are made meanwhile
      for (let refusals = 0; refusals < 2; refusals++) {
        yield* eventually(Effect.map(Effect.flip(beat), ({ message }) => message.includes("READONLY")))
      }
      const key = uniqueKey("published on the replica")
      const bytes = BusMessage.encode(BusMessage.header("set", BusMessage.makeOrigin(), 0, 0), [key])
      yield* eventually(
        Effect.map(
          Effect.promise(() => admin.publish("tiercache:1:db0", bytes)),
          () => mentions(key)(events)
        )
      )
      assert.deepStrictEqual(
        events.filter((event) => typeof event === "number"),
        [1]
      )
      yield* Effect.promise(() => admin.replicaof("NO", "ONE"))
      yield* eventually(Effect.map(Effect.ignore(beat), () => events.includes(id)))
    })
  )

  it.effect("brings heartbeats when the memory is full", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make({ args: ["--maxmemory", "1"] })
      const { bus, hears } = yield* makeListening({ url })
      yield* hears(isConnected)
      yield* bus.heartbeat(1)
      yield* hears((events) => events.includes(1))
    })
  )

  it.effect("brings heartbeats while it is connected only", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      const flooding = yield* makeClient(url)
      const channel = "flooded"
      const { bus, events, hears } = yield* makeListening({ url, channel })
      yield* hears(isConnected)
      const [heartbeats] = yield* Effect.promise(() => admin.pubsub("CHANNELS", `${channel}:heartbeat:*`))
      let id = 0
      const flood = Effect.promise(() => {
        const batch = flooding.pipeline()
        for (let index = 0; index < 50; index++) batch.publish(String(heartbeats), String(++id))
        return batch.exec()
      })
      yield* Effect.forkScoped(Effect.forever(flood))
      for (let round = 1; round <= 20; round++) {
        const start = events.length
        yield* hears((events) => events.length > start + 50)
        yield* round % 2 === 0 ? bus.reconnect : Effect.promise(() => admin.call("CLIENT", "KILL", "TYPE", "pubsub"))
        yield* hears((events) => events.filter((event) => event === "disconnected").length === round)
        yield* hears(isConnected)
      }
      let connected = false
      for (const event of events) {
        if (typeof event === "string") connected = event === "connected"
        else assert.isTrue(connected)
      }
    })
  )

  it.effect("with a tracked prefix waits on one connection for the right to track", () =>
    Effect.gen(function* () {
      for (const [command, missing, right] of [
        ["client\\|tracking", ["&*", "-client|tracking"], "+client|tracking"],
        ["subscribe", ["&tiercache:*"], "&__redis__:invalidate"]
      ] as const) {
        const { port, url } = yield* RedisServer.make()
        const admin = yield* makeClient(url)
        const count = (section: string, field: string) =>
          Effect.map(
            Effect.promise(() => admin.info(section)),
            (info) => Number(new RegExp(`${field}(\\d+)`).exec(info)?.[1] ?? 0)
          )
        const connections = count("stats", "total_connections_received:")
        const refusals = count("commandstats", `cmdstat_${command}:.*rejected_calls=`)
        yield* Effect.promise(() => admin.acl("SETUSER", "u", "on", ">pw", "~*", "resetchannels", "+@all", ...missing))
        const prefix = uniqueKey("tracked")
        const { backend, events, hears } = yield* makeListening({
          url: `redis://u:pw@127.0.0.1:${port}`,
          trackedPrefix: prefix
        })
        yield* eventually(Effect.map(refusals, (count) => count >= 3))
        assert.include(String((yield* backend.health).details["bus_problem"]), "NOPERM")
        // ours, that for commands, and two of the bus
        assert.strictEqual(yield* connections, 4)
        assert.deepStrictEqual(events, [])
        yield* Effect.promise(() => admin.acl("SETUSER", "u", right))
        yield* hears(isConnected)
        yield* Effect.promise(() => admin.set(`${prefix}:by another`, 1))
        yield* hears(mentions(`${prefix}:by another`))
        assert.strictEqual(yield* connections, 4)
      }
    })
  )

  it.effect("lets a reader of the change feed who is far behind know that anything may have changed", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      const { backend, hears } = yield* makeListening({ url })
      yield* hears(isConnected)
      const bytes = BusMessage.encode(BusMessage.header("set", BusMessage.makeOrigin(), 0, 0), ["k"])
      const start = uniqueKey("start")
      const end = uniqueKey("end")
      let kinds: ReadonlyArray<string> = []
      yield* Effect.forkScoped(
        Stream.runForEachArray(backend.changes, (changes) =>
          Effect.gen(function* () {
            kinds = [...kinds, ...changes.map(({ kind }) => kind)]
            // a slow reader: it goes on when all has arrived
            yield* hears(mentions(end))
          })
        ),
        { startImmediately: true }
      )
      yield* set(backend, start, 1)
      yield* eventually(Effect.sync(() => kinds.length > 0))
      for (let sent = 0; sent < 10_500; sent += 500) {
        const batch = admin.pipeline()
        for (let index = 0; index < 500; index++) batch.publish("tiercache:1:db0", bytes)
        yield* Effect.promise(() => batch.exec())
      }
      yield* set(backend, end, 1)
      yield* eventually(Effect.sync(() => kinds.includes("flush")))
      assert.isAtMost(kinds.length, 100_001)
      assert.strictEqual(kinds.filter((kind) => kind === "flush").length, 1)
    })
  )
})
