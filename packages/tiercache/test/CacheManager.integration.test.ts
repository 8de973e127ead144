import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { DateTime, Effect, Redacted } from "effect"
import { CacheError, CacheManager, Owner, Secrets, Tag } from "tiercache"

const PATIENT = { commandTimeout: "5 seconds" } as const

const script = fileURLToPath(new URL("./processes/manages.ts", import.meta.url))

const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** The last line that the process writes; it has to find its end by itself. */
const runToEnd = (url: string) =>
  Effect.callback<unknown>((resume) => {
    const child = execFile(process.execPath, [script, url], (error, stdout, stderr) => {
      const line = stdout.split("\n").at(-1) ?? ""
      resume(Effect.succeed(error === null && line.startsWith("{") ? JSON.parse(line) : { stdout, stderr }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Stores what has no TTL and was used by nobody for days; a script, since what DUMP returns is no text. */
const storeOrphans = (server: RedisServer.RedisServer["Service"], count: number) =>
  server.ask(
    "EVAL",
    `redis.call('SET', KEYS[1], 'text')
    local dump = redis.call('DUMP', KEYS[1])
    redis.call('DEL', KEYS[1])
    for i = 1, ARGV[1] do redis.call('RESTORE', KEYS[1] .. ':' .. i, 0, dump, 'REPLACE', 'IDLETIME', 200000) end`,
    1,
    "tradecore:old",
    count
  )

const orphansIn = (server: RedisServer.RedisServer["Service"]) =>
  Effect.map(server.ask("KEYS", "tradecore:old:*"), (keys) => (Array.isArray(keys) ? keys.length : NaN))

describe("a manager over Redis", { concurrent: true }, () => {
  it.live("ends with nothing left behind, the writes under way included", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      const clean = { before: [true, 1], after: [false, 0], alive: [] }
      const [reached, refused] = yield* Effect.all([runToEnd(url), runToEnd("redis://127.0.0.1:1")], { concurrency: 2 })
      assert.deepStrictEqual(reached, { ...clean, outcome: true })
      const { outcome, ...rest }: Record<string, unknown> = Object(refused)
      assert.deepStrictEqual(rest, clean)
      assert.include(String(outcome), "CacheError")
    })
  )

  it.live("waits for writes under way when it stops", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      yield* Effect.promise(async () => {
        const redis = { url: server.url, ...PATIENT, circuitBreaker: false } as const
        const tradecore = await CacheManager.start({ backend: "redis", redis, cleanup: { onStartup: false } })
        await tradecore.vb.accountList.set("ada", [])
        await Effect.runPromise(server.pause)
        const write = tradecore.vb.accountList.set("bob", [])
        let isStopped = false
        const stopped = tradecore.stop().then(() => (isStopped = true))
        await new Promise((resolve) => setImmediate(resolve))
        assert.deepStrictEqual([isStopped, tradecore.isRunning()], [false, true])
        await Effect.runPromise(server.resume)
        assert.isTrue(await write)
        await stopped
        assert.isFalse(tradecore.isRunning())
      })
    })
  )

  it.live("maintains when it starts, if it is to, and gets in nobody's way", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      yield* storeOrphans(server, 1000)
      yield* Effect.promise(async () => {
        const options = { backend: "redis", redis: { url: server.url, ...PATIENT } } as const
        const idle = { ...options, cleanup: { onStartup: false } }
        await using none = await CacheManager.start(idle)
        assert.strictEqual(await Effect.runPromise(orphansIn(server)), 1000)
        await using one = await CacheManager.start(options)
        await using other = await CacheManager.start(options)
        await eventually(async () => (await Effect.runPromise(orphansIn(server))) === 0)
        assert.isTrue([none, one, other].every(({ isRunning }) => isRunning()))
      })
    })
  )

  it.live("tells how Redis is, and why it does not work when it is gone", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make({ args: ["--maxmemory-policy", "noeviction"] })
      yield* Effect.promise(async () => {
        const redis = { url: server.url, ...PATIENT, circuitBreaker: false } as const
        await using tradecore = await CacheManager.start({ backend: "tiered", redis, environment: "test" })
        await tradecore.user.settings.get("ada")
        const { details, ...health } = await tradecore.health()
        assert.deepInclude(health, {
          healthy: true,
          problem: undefined,
          operations: { set: true, get: true, delete: true },
          eviction_policy: "noeviction"
        })
        assert.isTrue(health.redis?.connected)
        assert.match(`${health.redis?.version} ${health.redis?.used_memory_human}`, /^\d+\.\d+.* [\d.]+[KMG]$/)
        assert.isAtLeast(health.redis?.connected_clients ?? 0, 1)
        assert.isString(health.bus)
        assert.isNumber(health.clock_offset_ms)
        assert.strictEqual(details["eviction_policy"], "noeviction")
        assert.deepStrictEqual(await Effect.runPromise(server.ask("KEYS", "tradecore:health:*")), [])
        await Effect.runPromise(server.kill)
        const { healthy, operations, problem, redis: gone } = await tradecore.health()
        assert.deepStrictEqual([healthy, gone?.connected], [false, false])
        assert.deepStrictEqual(operations, { set: false, get: false, delete: false })
        assert.include(problem, "127.0.0.1")
      })
    })
  )

  it.live("tells that Redis refuses writes", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      yield* Effect.promise(async () => {
        const redis = { url: server.url, ...PATIENT } as const
        await using tradecore = await CacheManager.start({ backend: "redis", redis, cleanup: { onStartup: false } })
        assert.isTrue((await tradecore.health()).healthy)
        await Effect.runPromise(server.ask("CONFIG", "SET", "maxmemory", "1"))
        const { healthy, operations, problem } = await tradecore.health()
        assert.deepStrictEqual([healthy, operations.set, operations.get], [false, false, false])
        assert.include(problem, "set: ")
      })
    })
  )

  it.live("keeps secrets where there are keys, gives them to other processes, and clears them with their user", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      yield* Effect.promise(async () => {
        const secrets = Secrets.keyRing([{ id: "k1", key: Redacted.make(new Uint8Array(32).fill(7)) }])
        const options = { backend: "tiered", redis: { url, ...PATIENT }, cleanup: { onStartup: false } } as const
        const session = { user: "ada", roles: ["trader"], createdAt: DateTime.makeUnsafe(0) }
        await using writer = await CacheManager.start({ ...options, secrets })
        await using reader = await CacheManager.start({ ...options, secrets })
        await using keyless = await CacheManager.start(options)
        await writer.auth.session.set("sess-1", session, { tags: Owner.tags({ user: "ada" }) })
        assert.deepStrictEqual(await reader.auth.session.get("sess-1"), session)
        assert.isUndefined(reader.auth.session.peek("sess-1"))
        const error: unknown = await keyless.auth.session.get("sess-1").catch((error: unknown) => error)
        assert.isTrue(CacheError.isCacheError(error) && error.reason === "InvalidOption")
        // who cannot read them can clear them
        assert.strictEqual(await keyless.clear.user("ada"), 1)
        assert.isUndefined(await reader.auth.session.get("sess-1"))
      })
    })
  )

  it.live("invalidates everywhere what a function has changed", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.make()
      yield* Effect.promise(async () => {
        const options = { backend: "tiered", redis: { url, ...PATIENT }, cleanup: { onStartup: false } } as const
        await using writer = await CacheManager.start(options)
        await using reader = await CacheManager.start(options)
        const connection = { user: "ada", connection: "conn-456" }
        await writer.vb.adapterAccounts.set(connection, [])
        await eventually(async () => {
          await reader.vb.adapterAccounts.get(connection)
          return reader.vb.adapterAccounts.peek(connection) !== undefined
        })
        const change = writer.cache.invalidates(
          async (_user: string) => "changed",
          (user) => [Tag.user(user)]
        )
        assert.strictEqual(await change("ada"), "changed")
        await eventually(() => reader.vb.adapterAccounts.peek(connection) === undefined)
        assert.isUndefined(await reader.vb.adapterAccounts.get(connection))
      })
    })
  )
})
