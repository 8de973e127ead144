/**
 * Writes that are begun in one turn of the event loop, and sent together.
 */
import { assert, layer } from "@effect/vitest"
import { Codec, type Invalidation } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import * as singleScripts from "../src/internal/singleScripts.ts"
import { callsOf, keysOf, setup, together } from "./joining.ts"
import { isConnected, makeListening, mentions } from "./listening.ts"
import { get, LONG, makeBackend, makeClient, reasonOf, set, uniqueKey } from "./support.ts"

layer(RedisServer.layer(), { excludeTestServices: true })("writes of one turn", (it) => {
  it.effect("fail as one if the server takes none, in the words of any version of it", () =>
    Effect.gen(function* () {
      const { client } = yield* setup
      const { text } = singleScripts.unlink
      for (const words of ["READONLY You", "-READONLY You", "@user_script: 12: -READONLY You"]) {
        const refusing = `local function refuse() return { err = '${words} can not write' } end\n${text.replaceAll("redis.pcall(", "refuse(")}`
        const sent = client.eval(refusing, 2, "a", "b", "channel", "", "", "bundle", "deleted", "missing")
        const answer = yield* Effect.promise(() => sent.catch((error: unknown) => error))
        assert.include(String(answer), "READONLY")
        assert.instanceOf(answer, Error)
      }
    })
  )

  it.effect("are one script and one announcement, of which each is told with its own number", () =>
    Effect.gen(function* () {
      const { backend, client, url } = yield* setup
      const listening = yield* makeListening({ url })
      yield* listening.hears(isConnected)
      const [keys, pushed] = [keysOf(60), keysOf(40)]
      const put = (key: string, index: number, push: boolean) =>
        backend.set(key, Codec.msgpack, index, { ...LONG, push, writeId: 1000 + index })
      yield* together(keysOf(2).map((key) => set(backend, key, "warm")))
      const calls = yield* callsOf(client)
      const written = yield* together([
        ...keys.map((key, index) => put(key, index, false)),
        ...pushed.map((key, index) => put(key, 60 + index, true))
      ])
      assert.isTrue(written.every((isWritten) => isWritten))
      assert.deepStrictEqual(yield* calls, { evalsha: 1, getrange: 100, set: 100, publish: 1 })
      yield* listening.hears(mentions(pushed.at(-1) ?? ""))
      const messages = listening.events.flatMap((event) => (typeof event === "object" ? event : []))
      const about = (key: string) => messages.filter((message) => message.keys.includes(key))
      for (const [index, key] of [...keys, ...pushed].entries()) {
        const [message, ...others] = about(key)
        assert.deepInclude(message, { kind: "set", keys: [key], writeId: 1000 + index })
        assert.strictEqual(message?.pushed?.length, index < 60 ? undefined : 1)
        assert.deepStrictEqual(others, [])
      }
      const found = yield* backend.getMany([...keys, ...pushed], Codec.msgpack)
      assert.deepStrictEqual(
        found.map((entry) => entry?.value),
        [...keys, ...pushed].map((_, index) => index)
      )
      const last: Invalidation.Message | undefined = about(pushed.at(-1) ?? "")[0]
      assert.strictEqual(last?.pushed?.[0]?.version, found.at(-1)?.version)
    })
  )

  it.effect("of no number are announced together, and deletes tell what was there", () =>
    Effect.gen(function* () {
      const { backend, client, url } = yield* setup
      const listening = yield* makeListening({ url })
      yield* listening.hears(isConnected)
      const keys = keysOf(10)
      yield* together(keys.slice(0, 5).map((key) => set(backend, key, 1)))
      yield* listening.hears((events) =>
        events.some((event) => typeof event === "object" && event.keys.length === 5 && event.keys[4] === keys[4])
      )
      yield* together(keysOf(2).map((key) => backend.delete(key)))
      const calls = yield* callsOf(client)
      const deleted = yield* together(keys.map((key) => backend.delete(key)))
      assert.deepStrictEqual(
        deleted,
        keys.map((_, index) => index < 5)
      )
      assert.deepInclude(yield* calls, { evalsha: 1, unlink: 10, publish: 1 })
      yield* listening.hears(mentions(keys[9] ?? ""))
    })
  )

  it.effect("leave large values out, and many are several scripts", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      yield* together(keysOf(2).map((key) => set(backend, key, "warm")))
      const calls = yield* callsOf(client)
      const [large, ...keys] = keysOf(151)
      yield* together([...keys.map((key) => set(backend, key, 1)), set(backend, large ?? "", "x".repeat(1_000_000))])
      assert.deepInclude(yield* calls, { evalsha: 3, set: 151, publish: 3 })
    })
  )

  it.effect("leave a key with what the last of them wrote", () =>
    Effect.gen(function* () {
      const { backend } = yield* setup
      const [a, b] = [uniqueKey("a"), uniqueKey("b")]
      yield* together([
        set(backend, a, 1),
        set(backend, b, 1),
        set(backend, a, 2),
        set(backend, b, 2),
        set(backend, a, 3)
      ])
      assert.deepStrictEqual([yield* get(backend, a), yield* get(backend, b)], [3, 2])
      yield* together([
        set(backend, a, 4),
        backend.delete(a),
        set(backend, b, 4),
        backend.delete(b),
        set(backend, b, 5)
      ])
      assert.deepStrictEqual([yield* get(backend, a), yield* get(backend, b)], [undefined, 5])
    })
  )

  it.effect("are known to a server again that has forgotten all scripts", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const keys = keysOf(50)
      yield* together(keys.map((key) => set(backend, key, 1)))
      yield* Effect.promise(() => client.script("FLUSH"))
      yield* together(keys.map((key) => set(backend, key, 2)))
      yield* Effect.promise(() => client.script("FLUSH"))
      assert.isTrue((yield* together(keys.map((key) => backend.delete(key)))).every((wasThere) => wasThere))
    })
  )

  it.effect("are refused each for itself", () =>
    Effect.gen(function* () {
      const { backend, client, url } = yield* setup
      const [mine, other] = [uniqueKey("mine"), uniqueKey("other")]
      yield* Effect.promise(() => client.call("ACL", ["SETUSER", "writer", "on", ">pw", `~${mine}`, "&*", "+@all"]))
      const writer = yield* makeBackend({ url: url.replace("//", "//writer:pw@") })
      assert.deepStrictEqual(yield* together([mine, other].map((key) => reasonOf(set(writer, key, 1)))), [
        undefined,
        "Refused"
      ])
      assert.strictEqual(yield* get(backend, mine), 1)
      yield* Effect.promise(() => client.config("SET", "maxmemory", "1"))
      const refused = together([set(backend, mine, 2), set(backend, other, 2)].map((write) => reasonOf(write)))
      assert.deepStrictEqual(yield* refused, ["Refused", "Refused"])
      assert.deepStrictEqual(yield* together([mine, other].map((key) => backend.delete(key))), [true, false])
      yield* Effect.promise(() => client.config("SET", "maxmemory", "0"))
    })
  )

  it.effect("to a server that is a replica fail, and leave the connection", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const [backend, client] = [yield* makeBackend({ url: server.url }), yield* makeClient(server.url)]
      const keys = keysOf(5)
      yield* together(keys.map((key) => set(backend, key, 1)))
      const connections = Effect.promise(async () =>
        Number(/total_connections_received:(\d+)/.exec(await client.info("stats"))?.[1])
      )
      const before = yield* connections
      yield* Effect.promise(() => client.replicaof("127.0.0.1", 1))
      const reasons = yield* together(keys.map((key) => reasonOf(set(backend, key, 2))))
      assert.isTrue(reasons.every((reason) => reason === "Unavailable"))
      yield* Effect.repeat(connections, { until: (count) => count > before })
      yield* Effect.promise(() => client.replicaof("NO", "ONE"))
    })
  )

  it.effect("that are given up are not executed later", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const backend = yield* makeBackend({ url: server.url, commandTimeout: "200 millis" })
      const keys = keysOf(5)
      yield* together(keys.map((key) => set(backend, key, "kept")))
      yield* server.pause
      const reasons = yield* together(keys.map((key) => reasonOf(set(backend, key, "late"))))
      assert.isTrue(reasons.every((reason) => reason === "Timeout"))
      yield* server.resume
      const read = together(keys.map((key) => get(backend, key)))
      const found = yield* Effect.retry(read, { while: () => true })
      assert.deepStrictEqual(new Set(found), new Set(["kept"]))
    })
  )
})
