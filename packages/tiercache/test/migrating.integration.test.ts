import { assert, describe, it } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Duration, Effect, Layer, Redacted } from "effect"
import { CacheBackend, CacheError, CacheManager, Secrets, Tiered } from "tiercache"
import { raise } from "./migrating/calls.ts"
import * as Flow from "./migrating/flow.ts"
import { kinds } from "./migrating/kinds.ts"
import { db, profile, session } from "./migrating/Samples.ts"

type Server = RedisServer.RedisServer["Service"]

const secrets = Secrets.keyRing([{ id: "k1", key: Redacted.make(new Uint8Array(32).fill(7)) }])
const QUIET = { cleanup: { onStartup: false } } as const

const options = (url: string) => ({ redis: { url, commandTimeout: "5 seconds" }, secrets }) as const
const start = (url: string) => CacheManager.start({ backend: "tiered", ...options(url), ...QUIET })

const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

const keysOf = (server: Server) =>
  Effect.map(server.ask("KEYS", "*"), (keys) => (Array.isArray(keys) ? keys.map(String) : []))

/** What lies in Redis. */
const storeOf = (server: Server): Flow.Store => ({
  ttlIs: "running with grace",
  keys: keysOf(server),
  ttlOf: (key) => Effect.map(server.ask("PTTL", key), (millis) => Duration.toSeconds(Duration.millis(Number(millis))))
})

const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "none",
    (error: unknown) => (CacheError.isCacheError(error) ? error.reason : error)
  )

const promised = <A>(line: Promise<A> | Effect.Effect<A, unknown>): Promise<A> =>
  Effect.isEffect(line) ? Effect.runPromise(line) : line

describe("each line of docs/migrating-from-python.md, on Redis with an L1", { concurrent: true }, () => {
  it.live("works with promises", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const tradecore = yield* Effect.acquireRelease(
        Effect.promise(() => start(server.url)),
        ({ stop }) => Effect.promise(stop)
      )
      yield* Flow.run(Flow.ofPromises(tradecore), storeOf(server))
    })
  )

  it.live("works with Effect", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const manager = CacheManager.layer(QUIET).pipe(Layer.provideMerge(Tiered.layer(options(server.url))))
      yield* Effect.gen(function* () {
        const tradecore = yield* CacheManager.CacheManager
        yield* Flow.run(Flow.ofEffects(tradecore), storeOf(server))
        const backend = yield* CacheBackend.CacheBackend
        assert.strictEqual(yield* backend.run(raise, ["tradecore:high:AAPL"], 3), 3)
        assert.strictEqual(yield* backend.run(raise, ["tradecore:high:AAPL"], 2), 3)
        assert.strictEqual(String(yield* server.ask("GET", "tradecore:high:AAPL")), "3")
      }).pipe(Effect.provide(manager))
    })
  )
})

describe("what Python has left in Redis", { concurrent: true }, () => {
  it.live("is a miss if it is text, and is overwritten", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      for (const { key } of kinds) yield* server.ask("SET", key, '{"left":"by Python"}')
      yield* Effect.promise(async () => {
        await using tradecore = await start(server.url)
        for (const kind of kinds) assert.isUndefined(await promised(kind.read(tradecore)), kind.there)
        const load = () => db.profile("user-123")
        assert.deepStrictEqual(await tradecore.user.profile.getOrLoad("user-123", load), profile)
        assert.deepStrictEqual(await tradecore.user.profile.get("user-123", { fresh: true }), profile)
        assert.isTrue(await tradecore.auth.session.set("sess-456", session))
        assert.deepStrictEqual(await tradecore.auth.session.get("sess-456"), session)
      })
    })
  )

  it.live("fails reads and loads if it is no text, until it is overwritten or deleted", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      for (const { key } of kinds) yield* server.ask("HSET", key, "left", "by Python")
      yield* Effect.promise(async () => {
        await using tradecore = await start(server.url)
        for (const kind of kinds) assert.strictEqual(await reasonOf(promised(kind.read(tradecore))), "WrongType")
        const load = () => db.profile("user-123")
        assert.strictEqual(await reasonOf(tradecore.user.profile.getOrLoad("user-123", load)), "WrongType")
        assert.isTrue(await tradecore.user.profile.delete("user-123"))
        assert.deepStrictEqual(await tradecore.user.profile.getOrLoad("user-123", load), profile)
        for (const kind of kinds) {
          assert.isTrue(await promised(kind.store(tradecore)), kind.there)
          assert.deepStrictEqual(await promised(kind.read(tradecore)), kind.value, kind.there)
        }
      })
    })
  )

  it.live("is cleared with its domain, and not with its user", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      yield* server.ask("SET", "tradecore:user:profile:user-123", "{}")
      yield* server.ask("HSET", "tradecore:user:settings:user-123", "theme", "dark")
      yield* Effect.promise(async () => {
        await using tradecore = await start(server.url)
        assert.strictEqual(await tradecore.clear.user("user-123"), 0)
        assert.strictEqual(await tradecore.clear.domain("user"), 2)
      })
      assert.deepStrictEqual(yield* keysOf(server), [])
    })
  )

  it.live("lies apart from what is here under another prefix, which Python may delete", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      yield* server.ask("SET", "tradecore:user:profile:user-123", "{}")
      yield* Effect.promise(async () => {
        const prefix = "tradecore-ts"
        const tiered = { backend: "tiered", ...options(server.url), ...QUIET, prefix, foreignWriters: true } as const
        await using tradecore = await CacheManager.start(tiered)
        const { profile: profiles } = tradecore.user
        await profiles.set("user-123", profile)
        const isHeld = () => profiles.peek("user-123") !== undefined
        await eventually(async () => (await profiles.get("user-123")) !== undefined && isHeld())
        await Effect.runPromise(server.ask("DEL", "tradecore-ts:user:profile:user-123"))
        await eventually(() => !isHeld())
        assert.isUndefined(await profiles.get("user-123"))
        await profiles.set("user-123", profile)
        assert.strictEqual(await tradecore.clear.all(), 1)
      })
      assert.include(yield* keysOf(server), "tradecore:user:profile:user-123")
    })
  )
})
