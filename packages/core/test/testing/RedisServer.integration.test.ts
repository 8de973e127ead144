import { spawn } from "node:child_process"
import { createConnection } from "node:net"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { RedisServer } from "@tiercache/core/testing"
import { Effect } from "effect"
import { vi } from "vitest"

/** What a server answers to one line, or `undefined` if there is none. */
const ask = (port: number, line: string) =>
  Effect.callback<string | undefined>((resume) => {
    const socket = createConnection(port, "127.0.0.1", () => socket.write(`${line}\r\n`))
    socket.once("data", (data) => resume(Effect.succeed(data.toString().trim())))
    socket.once("error", () => resume(Effect.undefined))
    return Effect.sync(() => socket.destroy())
  })

const eventually = <E>(condition: Effect.Effect<boolean, E>) =>
  Effect.repeat(Effect.delay(condition, "5 millis"), { until: (holds) => holds })

const isAlive = (pid: number) =>
  Effect.sync(() => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  })

describe("RedisServer", () => {
  it.live("answers, and is gone with the scope", () =>
    Effect.gen(function* () {
      const pid = yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* RedisServer.make()
          assert.strictEqual(server.url, `redis://127.0.0.1:${server.port}`)
          assert.strictEqual(yield* ask(server.port, "PING"), "+PONG")
          return server.pid()
        })
      )
      assert.isFalse(yield* isAlive(pid))
    })
  )

  it.live("takes arguments", () =>
    Effect.gen(function* () {
      const { port } = yield* RedisServer.make({ args: ["--requirepass", "secret"] })
      assert.include(yield* ask(port, "PING"), "NOAUTH")
    })
  )

  it.live("starts many at the same time, on ports of their own", () =>
    Effect.gen(function* () {
      const servers = yield* Effect.all(
        Array.from({ length: 8 }, () => RedisServer.make()),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(servers.map(({ port }) => port)).size, 8)
      for (const { pid, port } of servers) {
        assert.include(yield* ask(port, "CONFIG GET dir"), "tiercache-redis-")
        assert.isTrue(yield* isAlive(pid()))
      }
    })
  )

  it.live("can be killed, and comes back empty on the same port", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const first = server.pid()
      yield* ask(server.port, "SET key value")
      yield* server.kill
      yield* server.kill
      assert.isUndefined(yield* ask(server.port, "PING"))
      yield* server.restart
      assert.strictEqual(yield* ask(server.port, "DBSIZE"), ":0")
      assert.notStrictEqual(server.pid(), first)
      yield* server.restart
      assert.strictEqual(yield* ask(server.port, "PING"), "+PONG")
    })
  )

  it.live("can be frozen, and goes on where it was; even frozen it is gone with the scope", () =>
    Effect.gen(function* () {
      const pid = yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* RedisServer.make()
          yield* ask(server.port, "SET key value")
          yield* server.pause
          assert.isUndefined(
            yield* ask(server.port, "PING").pipe(
              Effect.timeoutOrElse({ duration: "100 millis", orElse: () => Effect.undefined })
            )
          )
          yield* server.resume
          assert.strictEqual(yield* ask(server.port, "EXISTS key"), ":1")
          yield* server.pause
          return server.pid()
        })
      )
      assert.isFalse(yield* isAlive(pid))
    })
  )

  it.live("does not outlive a process that is killed", () =>
    Effect.gen(function* () {
      const script = fileURLToPath(new URL("./processes/startsRedis.ts", import.meta.url))
      const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] })
      const pid = yield* Effect.callback<number>((resume) => {
        child.stdout.once("data", (line: Buffer) => resume(Effect.succeed(Number(line.toString()))))
      })
      assert.isTrue(yield* isAlive(pid))
      child.kill("SIGKILL")
      yield* eventually(Effect.map(isAlive(pid), (alive) => !alive))
    })
  )

  it.live("is watched by one process, whatever it logs", () =>
    Effect.gen(function* () {
      const processes = () => process.getActiveResourcesInfo().filter((resource) => resource === "ProcessWrap").length
      const server = yield* RedisServer.make()
      const before = processes()
      for (let times = 0; times < 3; times++) {
        yield* server.ask("REPLICAOF", "127.0.0.1", 1)
        yield* server.ask("REPLICAOF", "NO", "ONE")
      }
      yield* eventually(Effect.map(server.ask("ROLE"), (role) => Array.isArray(role) && role[0] === "master"))
      assert.strictEqual(processes(), before)
    })
  )

  it.live("takes commands, and tells what it refuses and that it does not answer", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const value = "é\r\n*1\r\n$4".repeat(50_000)
      assert.strictEqual(yield* server.ask("SET", "key", value), "OK")
      assert.deepStrictEqual(yield* server.ask("MGET", "key", "other"), [value, null])
      assert.strictEqual(yield* server.ask("STRLEN", "key"), Buffer.byteLength(value))
      assert.deepStrictEqual(yield* server.ask("KEYS", "nothing"), [])
      const refused = yield* Effect.flip(server.ask("INCR", "key"))
      assert.include(refused.message, "not an integer")
      yield* server.pause
      const frozen = yield* Effect.flip(server.ask("PING"))
      assert.include(frozen.message, "does not answer")
      yield* server.kill
      assert.isFalse(server.isRunning())
      yield* Effect.flip(server.ask("PING"))
    })
  )

  it.live("says what is wrong in one line: no server to start, or an argument it does not know", () =>
    Effect.gen(function* () {
      vi.stubEnv("PATH", "/nowhere")
      const absent = yield* Effect.flip(RedisServer.make()).pipe(Effect.ensuring(Effect.sync(() => vi.unstubAllEnvs())))
      assert.match(absent.message, /^no redis-server or valkey-server on PATH: apt install redis-server/)
      const refused = yield* Effect.flip(RedisServer.make({ args: ["--no-such-option", "1"] }))
      assert.match(refused.message, /Bad directive or wrong number of arguments/)
      assert.notInclude(refused.message, "\n")
    })
  )
})
