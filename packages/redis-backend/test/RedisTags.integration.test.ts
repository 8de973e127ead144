import { assert, layer } from "@effect/vitest"
import { CacheBackend, Codec, Envelope, type Ttl } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { Effect, Fiber, Stream } from "effect"
import type { Redis } from "ioredis"
import { stored, takeMany, withServer } from "./leasing.ts"
import { eventually, LONG, makeBackend, makeClient, reasonOf, uniqueKey } from "./support.ts"

type Backend = CacheBackend.CacheBackend["Service"]

const indexOf = (tag: string) => `{tiercache}:tag:${tag}`

const setup = Effect.gen(function* () {
  const { url } = yield* RedisServer.RedisServer
  return { url, backend: yield* CacheBackend.CacheBackend, client: yield* makeClient(url) }
})

const put = (backend: Backend, key: string, tags: ReadonlyArray<string>, ttl: Ttl.Input = LONG.ttl) =>
  backend.set(key, Codec.msgpack, "value", { ttl, tags })

const redis = <A>(command: () => Promise<A>) => Effect.promise(command)

/** How many keys a tag's index has; 0 if it does not exist. */
const cardOf = (client: Redis, tag: string) => redis(() => client.zcard(indexOf(tag)))

layer(withServer, { excludeTestServices: true })("the index of a tag", (it) => {
  it.effect("is gone when nothing carries the tag any more, and has no TTL before", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [key, tag] = [uniqueKey("a"), uniqueKey("tag")]
      yield* put(backend, key, [tag])
      assert.strictEqual(yield* redis(() => client.pttl(indexOf(tag))), -1)
      assert.strictEqual(yield* backend.deleteTags([tag]), 1)
      assert.strictEqual(yield* redis(() => client.exists(indexOf(tag))), 0)
    })
  )

  it.effect("costs one server no command beside the script that writes, and two for a step of a deletion", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [key, tag] = [uniqueKey("a"), uniqueKey("tag")]
      const all = Effect.gen(function* () {
        yield* put(backend, key, [tag])
        const { token } = yield* takeMany(backend, [key], { when: "always", tags: new Map([[key, [tag]]]) })
        yield* backend.leases.release([key], token)
        yield* backend.deleteTags([tag])
      })
      // from now on Redis knows the scripts
      yield* all
      const monitor = yield* Effect.acquireRelease(
        redis(() => client.monitor()),
        (monitor) => Effect.sync(() => monitor.disconnect())
      )
      const seen: Array<string> = []
      monitor.on("monitor", (_: string, [name = ""]: ReadonlyArray<string>, source: string) => {
        const ignored = ["time", "info"]
        if (source !== "lua" && !ignored.includes(name.toLowerCase())) seen.push(name.toLowerCase())
      })
      yield* all
      yield* redis(() => client.ping())
      yield* eventually(Effect.sync(() => seen.includes("ping")))
      assert.deepStrictEqual(seen, ["evalsha", "evalsha", "evalsha", "zscan", "evalsha", "ping"])
    }).pipe(Effect.scoped)
  )

  it.effect("loses what is dead as it is written", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [prefix, tag] = [uniqueKey("brief"), uniqueKey("tag")]
      const brief = Array.from({ length: 10 }, (_, index) => `${prefix}:${index}`)
      yield* backend.setMany(
        brief.map((key) => [key, 1]),
        Codec.msgpack,
        { ttl: "20 millis", tags: [tag] }
      )
      yield* eventually(
        Effect.map(
          redis(() => client.exists(...brief)),
          (living) => living === 0
        )
      )
      for (let index = 0; index < 5; index++) yield* put(backend, `${prefix}:long:${index}`, [tag])
      assert.strictEqual(yield* cardOf(client, tag), 5)
    })
  )

  it.effect("has what is there yet in the millisecond in which it is over", () =>
    Effect.gen(function* () {
      const { client, url } = yield* setup
      let millis = 1_800_000_000_000
      const backend = yield* makeBackend({ url, time: () => millis * 1000 })
      const [key, other, tag] = [uniqueKey("a"), uniqueKey("b"), uniqueKey("tag")]
      yield* put(backend, key, [tag], "1 minute")
      for (const [later, left] of [
        [60_000, 2],
        [1, 1]
      ] as const) {
        millis += later
        yield* put(backend, other, [tag])
        assert.strictEqual(yield* cardOf(client, tag), left)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("is written first: an entry whose index cannot be is not", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [key, tag] = [uniqueKey("a"), uniqueKey("tag")]
      yield* redis(() => client.set(indexOf(tag), "somebody else's"))
      assert.strictEqual(yield* reasonOf(put(backend, key, [tag])), "WrongType")
      assert.strictEqual(yield* redis(() => client.exists(key)), 0)
      assert.strictEqual(yield* reasonOf(backend.deleteTags([tag])), "WrongType")
    })
  )

  it.effect("finds what Redis has evicted, so that those who hold copies are told", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const [key, other, tag] = [uniqueKey("a"), uniqueKey("b"), uniqueKey("tag")]
      yield* put(backend, key, [tag])
      yield* put(backend, other, [tag])
      const heard: Array<string> = []
      yield* backend.listen({
        onMessage: ({ keys, kind }) => heard.push(...keys.map((key) => `${kind} ${key}`)),
        onConnected: () => {},
        onDisconnected: () => {}
      })
      const marker = uniqueKey("marker")
      yield* eventually(Effect.map(put(backend, marker, []), () => heard.includes(`set ${marker}`)))
      yield* redis(() => client.unlink(key))
      const deleted: Array<string> = []
      assert.strictEqual(yield* backend.deleteTags([tag], (keys) => deleted.push(...keys)), 1)
      yield* eventually(Effect.sync(() => heard.includes(`delete ${key}`) && heard.includes(`delete ${other}`)))
      assert.deepStrictEqual(deleted.toSorted(), [key, other].toSorted())
    }).pipe(Effect.scoped)
  )

  it.effect("leaves alone what is not ours, and deletes what a later version has written", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setup
      const tag = uniqueKey("tag")
      const later = stored({ tags: Envelope.encodeTags(["unknown"]) })
      later[1] = 2
      const cut = stored({ tags: Envelope.encodeTags([tag]) }).subarray(0, Envelope.HEADER_BYTES + 5)
      const text = {
        keep: uniqueKey("text"),
        later: uniqueKey("later"),
        cut: uniqueKey("cut"),
        untagged: uniqueKey("no")
      }
      const list = uniqueKey("list")
      for (const key of [...Object.values(text), list]) yield* put(backend, key, [tag])
      yield* redis(() => client.set(text.keep, "not ours"))
      yield* redis(() => client.set(text.later, later))
      yield* redis(() => client.set(text.cut, cut))
      yield* redis(() => client.set(text.untagged, stored({})))
      yield* redis(() => client.multi().del(list).rpush(list, "not ours").exec())
      assert.deepStrictEqual(yield* Stream.runCollect(backend.keysByTag(tag)), [])
      assert.strictEqual(yield* backend.deleteTags([tag]), 2)
      assert.strictEqual(yield* redis(() => client.exists(text.keep, list, text.untagged)), 3)
      assert.strictEqual(yield* redis(() => client.exists(text.later, text.cut)), 0)
      assert.strictEqual(yield* cardOf(client, tag), 0)
    })
  )

  it.effect("is read in steps, each of which is announced", () =>
    Effect.gen(function* () {
      const { client, url } = yield* setup
      const backend = yield* makeBackend({ url, maxKeysPerCommand: 100 })
      const [prefix, tag] = [uniqueKey("many"), uniqueKey("tag")]
      const keys = Array.from({ length: 1000 }, (_, index) => `${prefix}:${index}`)
      yield* backend.setMany(
        keys.map((key, index) => [key, index]),
        Codec.msgpack,
        { ttl: "1 hour", tags: [tag] }
      )
      const steps: Array<number> = []
      yield* backend.listen({
        onMessage: ({ keys, kind }) => {
          if (kind === "delete") steps.push(keys.length)
        },
        onConnected: () => {},
        onDisconnected: () => {}
      })
      const marker = uniqueKey("marker")
      yield* eventually(Effect.map(backend.delete(marker), () => steps.length > 0))
      const before = steps.length
      assert.strictEqual(yield* backend.deleteTags([tag]), 1000)
      const sum = () => steps.slice(before).reduce((sum, step) => sum + step, 0)
      yield* eventually(Effect.sync(() => sum() >= 1000))
      assert.isAtMost(Math.max(...steps), 100)
      assert.strictEqual(yield* cardOf(client, tag), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("still has what a caller who gave up midway has not deleted", () =>
    Effect.gen(function* () {
      const { url } = yield* setup
      const backend = yield* makeBackend({ url, maxKeysPerCommand: 50 })
      const [prefix, tag] = [uniqueKey("many"), uniqueKey("tag")]
      yield* backend.setMany(
        Array.from({ length: 500 }, (_, index) => [`${prefix}:${index}`, index] as const),
        Codec.msgpack,
        { ttl: "1 hour", tags: [tag] }
      )
      const deleted: Array<string> = []
      const fiber = yield* Effect.forkChild(backend.deleteTags([tag], (keys) => deleted.push(...keys)))
      yield* eventually(Effect.sync(() => deleted.length > 0))
      yield* Fiber.interrupt(fiber)
      const rest = yield* Stream.runCollect(backend.keysByTag(tag))
      assert.isAbove(rest.length, 0)
      assert.strictEqual(yield* backend.deleteTags([tag]), rest.length)
      assert.strictEqual((yield* Stream.runCollect(backend.keysByTag(tag))).length, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("does not end in the middle of many writers", () =>
    Effect.gen(function* () {
      const { backend } = yield* setup
      const [prefix, tag] = [uniqueKey("busy"), uniqueKey("tag")]
      const before = Array.from({ length: 300 }, (_, index) => `${prefix}:before:${index}`)
      yield* backend.setMany(
        before.map((key) => [key, 1]),
        Codec.msgpack,
        { ttl: "1 hour", tags: [tag] }
      )
      let written = 0
      const write = Effect.suspend(() => put(backend, `${prefix}:meanwhile:${written++}`, [tag]))
      const writers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(Effect.forever(write)))
      yield* eventually(Effect.sync(() => written > 100))
      yield* backend.deleteTags([tag])
      for (const writer of writers) yield* Fiber.interrupt(writer)
      const found = yield* backend.getMany(before, Codec.msgpack)
      assert.isTrue(found.every((entry) => entry === undefined))
      yield* backend.deleteTags([tag])
    })
  )
})
