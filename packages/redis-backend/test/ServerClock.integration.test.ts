import { assert, layer } from "@effect/vitest"
import { Codec, MonotonicClock } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { RedisBus, type RedisClock, RedisConnection } from "@tiercache/redis-backend"
import { Effect } from "effect"
import * as Entries from "../src/internal/entries.ts"
import * as Leases from "../src/internal/leases.ts"
import type { Server } from "../src/internal/Server.ts"
import * as Singles from "../src/internal/singles.ts"
import * as singleScripts from "../src/internal/singleScripts.ts"
import * as Tags from "../src/internal/tags.ts"
import * as TagSlots from "../src/internal/tagSlots.ts"
import * as Writes from "../src/internal/writes.ts"
import * as Writing from "../src/internal/writing.ts"
import { keysOf, together } from "./joining.ts"
import { loaded } from "./leasing.ts"
import { LONG, PATIENT, reasonOf, uniqueKey } from "./support.ts"

/** The operations of a process that knows the time from before the server's clock was set. */
const setup = Effect.fnUntraced(function* (learns: boolean) {
  const { url } = yield* RedisServer.RedisServer
  const now = yield* MonotonicClock.now
  let behindMillis = 60_000
  let refreshed = 0
  const slow = (clock: RedisClock.RedisClock): RedisClock.RedisClock => ({
    ...clock,
    toRedis: (millis) => clock.toRedis(millis) - behindMillis,
    refresh: async (client) => {
      refreshed++
      if (learns) behindMillis = 0
      await clock.refresh(client)
    }
  })
  let slowServer: Server | undefined
  const slowed = (server: Server): Server => (slowServer ??= { ...server, clock: slow(server.clock) })
  const actual = yield* RedisConnection.make({ url, ...PATIENT }, { now, time: undefined, channel: "set" })
  const connection: RedisConnection.RedisConnection = {
    ...actual,
    command: (operation, key, send, how) =>
      actual.command(operation, key, (client, server, asking) => send(client, slowed(server), asking), how)
  }
  const bus = yield* RedisBus.make(connection, now, undefined)
  const writing = Writing.make({ connection, now, bus, time: undefined })
  const limits = { size: 500, partOf: connection.partOf }
  const encodeTags = Tags.encoder(true)
  const tagSlots = TagSlots.make({ connection, bus, now })
  return {
    now,
    setOne: Singles.make({ connection, writing, limits }, singleScripts.set),
    refreshed: () => refreshed,
    writes: Writes.make({ connection, writing, limits, encodeTags, tagSlots }),
    leases: Leases.make({ connection, bus, writing, entries: Entries.make(now), limits, encodeTags, tagSlots })
  }
})

layer(RedisServer.layer(), { excludeTestServices: true })("when the server's clock was set forward", (it) => {
  it.effect("a write asks for the time and is done", () =>
    Effect.gen(function* () {
      const { refreshed, writes } = yield* setup(true)
      assert.isTrue(yield* writes.set(uniqueKey("a"), Codec.msgpack, 1, LONG))
      assert.isTrue(yield* writes.set(uniqueKey("b"), Codec.msgpack, 1, LONG))
      assert.strictEqual(refreshed(), 1)
    })
  )

  it.effect("several of one turn ask and are done each by itself", () =>
    Effect.gen(function* () {
      const { refreshed, writes } = yield* setup(true)
      const sets = keysOf(5).map((key) => writes.set(key, Codec.msgpack, 1, LONG))
      assert.deepStrictEqual(yield* together(sets), [true, true, true, true, true])
      assert.strictEqual(refreshed(), 5)
    })
  )

  it.effect("one whose time is over is not done, and those beside it are", () =>
    Effect.gen(function* () {
      const { now, setOne } = yield* setup(true)
      const single = (key: string) => ({
        key,
        bytes: 0,
        args: ({ envelope, header }: Writing.At) => [
          header("set"),
          60_000,
          envelope(Buffer.of(1), { ttlMillis: 60_000, graceMillis: 0 })
        ]
      })
      const [late, ...others] = keysOf(3)
      const outcomes = yield* together([
        reasonOf(setOne("set", single(late ?? ""), now() - 1)),
        ...others.map((key) => reasonOf(setOne("set", single(key))))
      ])
      assert.deepStrictEqual(outcomes, ["Timeout", undefined, undefined])
    })
  )

  it.effect("so is a lease, whose answers are bytes", () =>
    Effect.gen(function* () {
      const { leases, refreshed } = yield* setup(true)
      const { fill, take, token } = leases
      const key = uniqueKey("a")
      const options = { token: token(), millis: 60_000, when: "stale" } as const
      assert.deepStrictEqual(yield* take([key], Codec.msgpack, options), [{ _tag: "Granted", previous: undefined }])
      assert.strictEqual(refreshed(), 1)
      assert.deepStrictEqual(yield* fill([loaded(key, 1)], options), [true])
    })
  )

  it.effect("neither is done as long as the time is not known", () =>
    Effect.gen(function* () {
      const { leases, writes } = yield* setup(false)
      const key = uniqueKey("a")
      const options = { token: leases.token(), millis: 60_000, when: "stale" } as const
      assert.strictEqual(yield* reasonOf(writes.set(key, Codec.msgpack, 1, LONG)), "Timeout")
      assert.strictEqual(yield* reasonOf(leases.take([key], Codec.msgpack, options)), "Timeout")
    })
  )
})
