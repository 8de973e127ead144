import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Codec } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { FencedWrite, Lock, Maintenance, RateLimit, RateLimiter, Semaphore } from "@tiercache/domains"
import { RedisBackend } from "@tiercache/redis-backend"
import { Context, Effect, Layer } from "effect"

const DAY = 86_400

const services = Layer.mergeAll(
  FencedWrite.layer(),
  RateLimiter.layer(),
  Semaphore.layer(),
  Maintenance.layer().pipe(Layer.provideMerge(Lock.layer()))
)

/** What a process has. */
const makeProcess = (url: string) => Layer.build(Layer.fresh(Layer.provide(services, RedisBackend.layer({ url }))))

type Server = RedisServer.RedisServer["Service"]

/** Stores strings that nobody has used for so many seconds; a script, since what DUMP returns is no text. */
const storeAged = (server: Server, count: number, seconds: number, prefix = "tradecore:old") =>
  server.ask(
    "EVAL",
    `redis.call('SET', KEYS[1], 'text')
    local dump = redis.call('DUMP', KEYS[1])
    redis.call('DEL', KEYS[1])
    for i = 1, ARGV[1] do redis.call('RESTORE', KEYS[1] .. ':' .. i, 0, dump, 'REPLACE', 'IDLETIME', ARGV[2]) end`,
    1,
    prefix,
    count,
    seconds
  )

const countOf = (server: Server, prefix = "tradecore:old") =>
  Effect.map(server.ask("KEYS", `${prefix}:*`), (keys) => (Array.isArray(keys) ? keys.length : NaN))

describe("maintenance of a Redis", { concurrent: true }, () => {
  it.live("deletes orphans and leaves locks, semaphores, limits, fenced values, and what is younger", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const self = yield* makeProcess(server.url)
      const policy = RateLimit.fixedWindow("orders", { limit: 5, window: "1 minute" })
      const limiter = Context.get(self, RateLimiter.RateLimiter)
      const locks = Context.get(self, Lock.Lock)
      const fenced = Context.get(self, FencedWrite.FencedWrite)
      const maintenance = Context.get(self, Maintenance.Maintenance)
      yield* limiter.consume(policy, "user")
      const held = yield* locks.acquire("mine")
      yield* Context.get(self, Semaphore.Semaphore).acquire("some", { limit: 2 })
      yield* fenced.set("balance", Codec.msgpack, 200, { fence: 1, ttl: "1 hour" })
      // as if somebody had taken their TTLs away, long ago
      const spared = ["lock:a", "semaphore:a", "fenced:a", "ratelimit:a"]
      for (const name of spared) yield* storeAged(server, 1, 2 * DAY, `tradecore:${name}`)
      yield* storeAged(server, 10, 2 * DAY)
      yield* storeAged(server, 10, DAY - 60, "tradecore:younger")
      yield* storeAged(server, 10, 2 * DAY, "another:cache")

      const rehearsal = yield* maintenance.run({ dryRun: true })
      assert.deepInclude(rehearsal, { trimmed: 0, orphans: 10, deleted: 0, skipped: false })
      assert.isAbove(rehearsal.millis, 0)
      assert.deepInclude(yield* maintenance.run(), { orphans: 10, deleted: 10, skipped: false })
      assert.deepInclude(yield* maintenance.run(), { orphans: 0, deleted: 0, skipped: false })
      assert.deepInclude(yield* maintenance.run({ maxAge: "12 hours", dryRun: true }), { orphans: 10 })

      yield* held.ensure
      assert.strictEqual((yield* limiter.check(policy, "user")).remaining, 4)
      assert.strictEqual(yield* fenced.get("balance", Codec.msgpack), 200)
      for (const name of spared) assert.strictEqual(yield* countOf(server, `tradecore:${name}`), 1, name)
      assert.strictEqual(yield* countOf(server, "another:cache"), 10)
      assert.strictEqual(yield* countOf(server, "tradecore:younger"), 10)
    })
  )

  it.live("is done by one process at a time, and the others say that they have skipped it", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const processes = yield* Effect.all(Array.from({ length: 3 }, () => makeProcess(server.url)))
      yield* storeAged(server, 5000, DAY)
      const reports = yield* Effect.forEach(
        processes,
        (process) => Context.get(process, Maintenance.Maintenance).run(),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(
        reports.reduce((sum, { deleted }) => sum + deleted, 0),
        5000
      )
      assert.isTrue(reports.some(({ skipped }) => skipped))
      for (const { deleted, orphans, skipped, trimmed } of reports) {
        if (skipped) assert.deepStrictEqual([trimmed, orphans, deleted], [0, 0, 0])
      }
    })
  )

  it.live("that a process died in the middle of is finished by the next, once the lock of the dead is over", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const self = Context.get(yield* makeProcess(server.url), Maintenance.Maintenance)
      yield* storeAged(server, 1000, DAY)
      const signal = yield* Effect.callback<NodeJS.Signals | null>((resume) => {
        const script = fileURLToPath(new URL("processes/maintains.ts", import.meta.url))
        const child = spawn(process.execPath, [script, server.url], { stdio: "inherit" })
        child.once("exit", (_, signal) => resume(Effect.succeed(signal)))
        return Effect.sync(() => child.kill("SIGKILL"))
      })
      assert.strictEqual(signal, "SIGKILL")
      const left = yield* countOf(server)
      assert.isAbove(left, 0)
      assert.isBelow(left, 1000)
      assert.isTrue((yield* self.run()).skipped)
      assert.strictEqual(yield* countOf(server), left)
      // what its end after 10 seconds does
      assert.strictEqual(yield* server.ask("DEL", `tradecore:lock:${Maintenance.LOCK}`), 1)
      assert.deepInclude(yield* self.run(), { orphans: left, deleted: left, skipped: false })
      assert.strictEqual(yield* countOf(server), 0)
    })
  )
})
