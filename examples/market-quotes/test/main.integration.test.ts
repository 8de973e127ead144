import { assert, layer } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect, Schedule } from "effect"
import { Redis } from "ioredis"
import { parse, run, start } from "./mainProcess.ts"

const client = Effect.gen(function* () {
  const { url } = yield* RedisServer.RedisServer
  return yield* Effect.acquireRelease(
    Effect.sync(() => new Redis(url)),
    (client) => Effect.sync(() => client.disconnect())
  )
})

/** Polls, because what is waited for happens in another process. */
const until = (condition: () => Promise<boolean>) =>
  Effect.promise(condition).pipe(
    Effect.flatMap((isTrue) => (isTrue ? Effect.void : Effect.fail("not yet" as const))),
    Effect.retry({ schedule: Schedule.spaced("20 millis") }),
    Effect.orDie
  )

const connections = async (client: Redis) =>
  String(await client.client("LIST"))
    .trim()
    .split("\n").length

layer(RedisServer.layer(), { excludeTestServices: true })("main with Redis", (it) => {
  it.effect("plays in three processes that agree at the end, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const redis = yield* client
      const { code, stderr, stdout } = yield* Effect.promise(() => run(["--seconds", "1", "--json"], url))
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      const { convergence, errors, processes, quotesWritten } = parse(stdout)
      assert.deepStrictEqual(convergence, { converged: true, symbols: 5 })
      assert.strictEqual(errors, 0)
      assert.isAbove(quotesWritten, 0)
      assert.deepStrictEqual(
        processes.map(({ name }) => name),
        ["feeder", "reader 1", "reader 2"]
      )
      for (const { l1Hits } of processes.slice(1)) assert.isAbove(l1Hits, 0)
      assert.strictEqual(yield* Effect.promise(() => redis.dbsize()), 0)
      yield* until(async () => (await connections(redis)) === 1)
    })
  )

  it.effect("cleans up when it is interrupted", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const redis = yield* client
      const { child, outcome } = start(["--seconds", "600"], url)
      yield* until(async () => (await redis.dbsize()) > 0)
      child.kill("SIGINT")
      const { code, stderr } = yield* Effect.promise(() => outcome)
      assert.deepStrictEqual({ code, stderr }, { code: 130, stderr: "" })
      assert.strictEqual(yield* Effect.promise(() => redis.dbsize()), 0)
      yield* until(async () => (await connections(redis)) === 1)
    })
  )

  it.effect("has no children that outlive it", () =>
    Effect.gen(function* () {
      const { url } = yield* RedisServer.RedisServer
      const redis = yield* client
      const { child, outcome } = start(["--seconds", "600"], url)
      yield* until(async () => (await redis.dbsize()) > 0)
      child.kill("SIGKILL")
      yield* Effect.promise(() => outcome)
      yield* until(async () => (await connections(redis)) === 1)
    })
  )
})

layer(RedisServer.layer({ args: ["--requirepass", "right"] }), { excludeTestServices: true })(
  "main with a password",
  (it) => {
    it.effect("says that it is wrong, and not what it is", () =>
      Effect.gen(function* () {
        const { port } = yield* RedisServer.RedisServer
        const { code, stderr, stdout } = yield* Effect.promise(() =>
          run(["--seconds", "1"], `redis://:wrong@127.0.0.1:${port}`)
        )
        assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
        assert.match(stderr, /^market-quotes: [^\n]*password[^\n]*\n$/)
        assert.notInclude(stderr, "wrong@")
      })
    )
  }
)
