import { assert, layer } from "@effect/vitest"
import { CacheBackend, CacheError, Codec, Envelope, Script } from "@tiercache/core"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { Effect, Layer, Stream } from "effect"
import { backendLayer, eventually, get, LONG, makeBackend, makeClient, reasonOf, set, uniqueKey } from "./support.ts"

const withServer = backendLayer().pipe(Layer.provideMerge(RedisServer.layer()))

/** A script for Redis alone. */
const luaOnly = (lua: string) =>
  Script.make<never, ReadonlyArray<string | number>, unknown>({
    name: "test",
    type: "test",
    lua,
    args: (args) => args,
    reply: (raw) => raw,
    reducer: () => {
      throw CacheError.make("run", "Unsupported", "this script runs on Redis only")
    }
  })

layer(withServer, { excludeTestServices: true })("scripts", (it) => {
  it.effect("survive SCRIPT FLUSH in mid-use, and each runs once", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const client = yield* makeClient((yield* RedisServer.RedisServer).url)
      const counter = uniqueKey("counter")
      const work = Effect.forEach(
        Array.from({ length: 300 }, (_, index) => index),
        (index) =>
          Effect.gen(function* () {
            if (index % 10 === 0) yield* Effect.promise(() => client.script("FLUSH"))
            yield* backend.increment(counter, LONG)
            const key = uniqueKey("a")
            assert.isTrue(yield* set(backend, key, index))
            assert.strictEqual(yield* get(backend, key), index)
            assert.isTrue(yield* backend.expire(key, LONG.ttl))
            assert.isTrue(yield* backend.delete(key))
          }),
        { concurrency: 20 }
      )
      yield* work
      assert.strictEqual(yield* get(backend, counter), 300)
    })
  )

  it.effect("that expire do nothing once their caller has given up", () =>
    Effect.gen(function* () {
      const { port, url } = yield* RedisServer.RedisServer
      const proxy = yield* TcpProxy.make({ target: { port } })
      const impatient = yield* makeBackend({ url: `redis://${proxy.address}`, commandTimeout: "200 millis" })
      const client = yield* makeClient(url)
      const [early, late, later] = [uniqueKey("early"), uniqueKey("late"), uniqueKey("later")]
      const increment = luaOnly('return redis.call("INCR", KEYS[1])')
      const expiring = { ...increment, expires: true }
      const waking = {
        ...expiring,
        wakes: true,
        lua: 'wake({ ARGV[1] }) return redis.call("INCRBY", KEYS[1], ARGV[1])'
      }
      assert.strictEqual(yield* impatient.run(increment, [early], []), 1)
      assert.strictEqual(yield* impatient.run(expiring, [early], []), 2)
      assert.strictEqual(yield* impatient.run(waking, [early], [5]), 7)
      yield* proxy.delay("350 millis", "toServer")
      const run = [
        impatient.run(expiring, [late], []),
        impatient.run(waking, [late], [5]),
        impatient.run(increment, [later], [])
      ]
      const reasons = yield* Effect.forEach(run, reasonOf, { concurrency: "unbounded" })
      assert.deepStrictEqual(reasons, ["Timeout", "Timeout", "Timeout"])
      // sent behind the others
      yield* eventually(Effect.promise(async () => (await client.get(later)) === "1"))
      assert.isNull(yield* Effect.promise(() => client.get(late)))
    })
  )

  it.effect("that expire are not late because the server's clock is another than it was", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const key = uniqueKey("clock")
      // as if the clock had been set just after the script was sent
      const once = {
        ...luaOnly(`if redis.call("INCR", KEYS[1]) == 1 then return "late" end return "done"`),
        expires: true
      }
      assert.strictEqual(yield* backend.run(once, [key], []), "done")
    })
  )

  it.effect("survive a restart of the server", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const key = uniqueKey("a")
      yield* set(backend, key, 1)
      yield* (yield* RedisServer.RedisServer).restart
      yield* eventually(Effect.map(Effect.option(set(backend, key, 2)), (written) => written._tag === "Some"))
      assert.strictEqual(yield* get(backend, key), 2)
    })
  )

  it.effect("that Redis refuses midway announce what they did", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const { url } = yield* RedisServer.RedisServer
      const admin = yield* makeClient(url)
      const [first, refused, last] = [uniqueKey("mine:1"), uniqueKey("theirs"), uniqueKey("mine:2")]
      const end = uniqueKey("end")
      yield* Effect.promise(() =>
        // may name any key to a script, and write some
        admin.acl("SETUSER", "some", "on", ">pw", "~*:mine:*", "&*", "+@all", "(~* +evalsha +eval)")
      )
      const limited = yield* makeBackend({ url: `redis://some:pw@${new URL(url).host}` })
      const changes: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(backend.changes, ({ keys, kind }) =>
          Effect.sync(() => changes.push(...keys.map((key) => `${kind} ${key}`)))
        ),
        { startImmediately: true }
      )
      yield* eventually(Effect.map(set(backend, end, 1), () => changes.length > 0))
      const entries = [first, refused, last].map((key) => [key, 1] as const)
      for (const push of [false, true]) {
        const write = limited.setMany(entries, Codec.msgpack, { ...LONG, push })
        assert.strictEqual(yield* reasonOf(write), "Refused")
        assert.strictEqual(yield* get(backend, first), 1)
        assert.isFalse(yield* backend.has(refused))
        assert.isFalse(yield* backend.has(last))
      }
      yield* set(backend, refused, 1)
      yield* set(backend, last, 1)
      assert.strictEqual(yield* reasonOf(limited.deleteMany([first, refused, last])), "Refused")
      assert.isUndefined(yield* get(backend, first))
      assert.strictEqual(yield* get(backend, refused), 1)
      assert.isUndefined(yield* get(backend, last))
      yield* backend.delete(end)
      yield* eventually(Effect.sync(() => changes.includes(`delete ${end}`)))
      assert.deepStrictEqual(
        changes.filter((change) => !change.endsWith(end)),
        [`set ${first}`, `set ${first}`, `set ${refused}`, `set ${last}`, `delete ${first}`, `delete ${last}`]
      )
    })
  )

  it.effect("take no version from what is no entry, nor one after which there is none", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const client = yield* makeClient((yield* RedisServer.RedisServer).url)
      const stored = (version: number) =>
        Envelope.encode({
          freshUntil: 0,
          goneAfter: 0,
          version,
          holds: "value",
          lease: undefined,
          payload: Codec.msgpack.encode(1, "")
        })
      const [otherLayout, otherFlags] = [stored(2 ** 52), stored(2 ** 52)]
      otherLayout[1] = 2
      otherFlags[2] = 64
      const key = uniqueKey("poisoned")
      for (const bytes of [stored(2 ** 54), stored(Number.MAX_SAFE_INTEGER), otherLayout, otherFlags]) {
        yield* Effect.promise(() => client.set(key, bytes))
        yield* set(backend, key, "readable")
        const entry = yield* backend.get(key, Codec.msgpack)
        assert.strictEqual(entry?.value, "readable")
        // the time in microseconds is below 2^52 until 2112
        assert.isBelow(entry?.version ?? Infinity, 2 ** 52)
      }
      yield* Effect.promise(() => client.set(key, stored(Number.MAX_SAFE_INTEGER - 1)))
      yield* set(backend, key, 1)
      assert.strictEqual((yield* backend.get(key, Codec.msgpack))?.version, Number.MAX_SAFE_INTEGER)
    })
  )

  it.effect("get keys, then arguments, then the place for a clock", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const echo = luaOnly("return { KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], #ARGV }")
      const run = (backend: CacheBackend.CacheBackend["Service"]) => backend.run(echo, ["{k}1", "{k}2"], ["é", 0.5])
      assert.deepStrictEqual(yield* run(yield* CacheBackend.CacheBackend), ["{k}1", "{k}2", "é", "0.5", "", 3])
      const timed = yield* makeBackend({ url, time: () => 1_754_000_000_123_456 })
      assert.deepStrictEqual(yield* run(timed), ["{k}1", "{k}2", "é", "0.5", "1754000000123456", 3])
    })
  )

  it.effect("fail with the reason that the reader of the reply gives", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const strict = Script.make({
        ...luaOnly("return 'neither'"),
        reply: () => {
          throw CacheError.make("run", "Decode", "neither 0 nor 1")
        }
      })
      assert.strictEqual(yield* reasonOf(backend.run(strict, [], [])), "Decode")
    })
  )

  it.effect("fail in one line, without what is in the keys and arguments", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      const secret = "hunter2"
      for (const lua of [
        "return redis.error_reply('ERR ' .. ARGV[1])",
        "error(ARGV[1])",
        "return redis.call('NOSUCHCOMMAND', ARGV[1])",
        "this is no Lua"
      ]) {
        const error = yield* Effect.flip(backend.run(luaOnly(lua), [secret], [secret]))
        assert.strictEqual(error.reason, "Refused")
        assert.notInclude(JSON.stringify(error) + String(error.stack), secret)
      }
    })
  )
})
