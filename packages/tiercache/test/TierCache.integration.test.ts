import { randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect, Stream } from "effect"
import { Redis } from "ioredis"
import { Cache, Entity, Schema } from "tiercache"
import { withEnvironment } from "./environment.ts"

const connect = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Redis(url)),
    (client) => Effect.sync(() => client.disconnect())
  )

/** What a server is told while a program runs. */
const commandsOf = Effect.fnUntraced(function* <A, E, R>(url: string, program: Effect.Effect<A, E, R>) {
  const client = yield* connect(url)
  const monitor = yield* Effect.acquireRelease(
    Effect.promise(() => new Redis(url, { protocol: 2 }).monitor()),
    (monitor) => Effect.sync(() => monitor.disconnect())
  )
  const commands: Array<ReadonlyArray<string>> = []
  monitor.on("error", () => {})
  const end = new Promise<void>((resolve) => {
    monitor.on("monitor", (_time: string, command: ReadonlyArray<string>) => {
      commands.push(command)
      if (command.includes("the end")) resolve()
    })
  })
  yield* program
  yield* Effect.promise(() => client.echo("the end"))
  yield* Effect.promise(() => end)
  return commands
})

/** How many keys those scripts had that were given a key of ours. */
const keyCounts = (commands: ReadonlyArray<ReadonlyArray<string>>) =>
  commands
    .filter(([name, , keys]) => name?.toLowerCase().startsWith("eval") === true && Number(keys) > 0)
    .filter((command) => command.some((argument) => argument.includes("key-")))
    .map(([, , keys]) => Number(keys))

const Secrets = Entity.make("test", "secret", {
  key: { id: Schema.NonEmptyString },
  value: Schema.String,
  secret: true
})

layer(RedisServer.layer(), { excludeTestServices: true })("TierCache.layerConfig over Redis", (it) => {
  it.effect("scans by REDIS_SCAN_COUNT, and deletes by CACHE_CLEANUP_BATCH_SIZE", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const environment = {
        CACHE_BACKEND: "redis",
        REDIS_URL: url,
        REDIS_SCAN_COUNT: "7",
        CACHE_CLEANUP_BATCH_SIZE: "3"
      }
      const program = Effect.gen(function* () {
        const cache = yield* Cache.Cache
        yield* cache.setMany(Array.from({ length: 10 }, (_, index) => [`key-${index}`, index] as const))
        assert.lengthOf(yield* Stream.runCollect(cache.keys("*")), 10)
        assert.strictEqual(yield* cache.deletePattern("key-*"), 10)
      })
      const commands = yield* commandsOf(url, withEnvironment(environment, program))
      const scans = commands.filter(([name]) => name?.toLowerCase() === "scan")
      assert.isNotEmpty(scans)
      for (const scan of scans) assert.deepStrictEqual(scan.slice(-2), ["COUNT", "7"])
      // those with all keys have written them
      const unlinked = keyCounts(commands).filter((keys) => keys < 10)
      assert.strictEqual(Math.max(...unlinked), 3)
    })
  )

  it.effect("sends REDIS_PIPELINE_MAX_SIZE keys at once, at most", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const environment = { CACHE_BACKEND: "redis", REDIS_URL: url, REDIS_PIPELINE_MAX_SIZE: "4" }
      const entries = Array.from({ length: 10 }, (_, index) => [`key-${index}`, index] as const)
      const program = Cache.Cache.use((cache) =>
        Effect.map(cache.setMany(entries), (set) => assert.strictEqual(set, 10))
      )
      const commands = yield* commandsOf(url, withEnvironment(environment, program))
      assert.strictEqual(Math.max(...keyCounts(commands)), 4)
    })
  )

  it.effect("encrypts secret data with CACHE_SECRET_KEYS, and keeps none without them", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const environment = { CACHE_BACKEND: "redis", REDIS_URL: url }
      const store = Effect.gen(function* () {
        const secrets = yield* Cache.entity(Secrets)
        yield* secrets.set("id", "S3cret")
        return yield* secrets.get("id")
      })
      const keys = `k1:${randomBytes(32).toString("base64")}`
      const { result } = yield* withEnvironment({ ...environment, CACHE_SECRET_KEYS: keys }, store)
      assert.strictEqual(result, "S3cret")
      const error = yield* Effect.flip(withEnvironment(environment, store))
      assert.deepInclude(error, { _tag: "CacheError", reason: "InvalidOption" })
    })
  )

  it.effect("logs slow operations by CACHE_LOG_SLOW_OPS and CACHE_SLOW_OP_THRESHOLD_MS", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const client = yield* connect(url)
      /** Of an operation that the server answers after 200 ms. */
      const warnings = (env: Readonly<Record<string, string>>) =>
        Effect.map(
          withEnvironment(
            { CACHE_BACKEND: "redis", REDIS_URL: url, ...env },
            Effect.gen(function* () {
              const cache = yield* Cache.Cache
              yield* cache.has("k")
              yield* Effect.promise(() => client.call("CLIENT", "PAUSE", "200", "ALL"))
              yield* cache.has("k")
            })
          ),
          ({ messages }) => messages.filter((message) => message.startsWith("slow"))
        )
      assert.deepStrictEqual(yield* warnings({ CACHE_SLOW_OP_THRESHOLD_MS: "100" }), ["slow cache operation: has"])
      assert.isEmpty(yield* warnings({ CACHE_SLOW_OP_THRESHOLD_MS: "3600000" }))
      assert.isEmpty(yield* warnings({ CACHE_SLOW_OP_THRESHOLD_MS: "100", CACHE_LOG_SLOW_OPS: "no" }))
    })
  )
})
