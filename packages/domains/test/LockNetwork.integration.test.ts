/**
 * Locks on a network that loses what is sent.
 */
import { assert, layer } from "@effect/vitest"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Deferred, Effect, Fiber } from "effect"
import * as Scripts from "../src/internal/lockScripts.ts"
import * as Inspect from "./locks/inspect.ts"
import { processOver } from "./locks/Services.ts"
import * as Stage from "./locks/Stage.ts"

let names = 0
const newName = () => `lock-${++names}`

const join = Effect.map(RedisServer.RedisServer, ({ url }) => Stage.onRedis(url))

/** A process whose commands and whose bus go through networks of their own. */
const joinThroughProxies = Effect.gen(function* () {
  const server = yield* RedisServer.RedisServer
  const commands = yield* TcpProxy.make({ target: { port: server.port } })
  const bus = yield* TcpProxy.make({ target: { port: server.port } })
  /** The scripts that were answered. */
  const answered: Array<string> = []
  const process = yield* processOver(
    RedisBackend.layer({
      url: `redis://${commands.address}`,
      busUrl: `redis://${bus.address}`,
      commandTimeout: "300 millis",
      connectTimeout: "5 seconds"
    }),
    (backend) => ({
      ...backend,
      run: (script, keys, args) =>
        Effect.tap(backend.run(script, keys, args), () => Effect.sync(() => answered.push(script.name)))
    })
  )
  return { ...process, commands, bus, answered }
})

const holdersOf = (process: Pick<Stage.Process, "backend">, name: string) =>
  Effect.map(Inspect.counts(process.backend, Stage.keyOf(name)), ({ holders }) => holders)

layer(RedisServer.layer(), { excludeTestServices: true })("locks on a bad network", (it) => {
  it.effect(
    "are handed over although no message arrives",
    Effect.fnUntraced(function* () {
      const name = newName()
      const processes = yield* Effect.all([joinThroughProxies, joinThroughProxies, joinThroughProxies])
      for (const { bus } of processes) yield* bus.stall("toClient")
      const rounds = Effect.forEach(
        processes,
        ({ lock }) => Effect.repeat(lock.withLock(name, { wait: "forever" })(Effect.void), { times: 1 }),
        { concurrency: "unbounded" }
      )
      yield* rounds
      assert.strictEqual(yield* holdersOf(processes[0], name), 0)
    })
  )

  it.effect(
    "are had once, if the answer to asking is lost",
    Effect.fnUntraced(function* () {
      const name = newName()
      const stage = yield* join
      const [one, other] = yield* Effect.all([joinThroughProxies, stage.join])
      yield* one.commands.drop("toClient")
      const letGo = yield* Deferred.make<void>()
      const section = yield* Effect.forkChild(
        one.lock.withLock(name, { ttl: "1 hour", wait: "forever" })(Effect.as(Deferred.await(letGo), "mine")),
        { startImmediately: true }
      )
      yield* Stage.until(
        stage,
        Effect.map(holdersOf(other, name), (holders) => holders === 1)
      )
      yield* one.commands.pass()
      yield* one.commands.cut
      // its own lease, of an hour, does not keep it out
      yield* Deferred.succeed(letGo, undefined)
      assert.strictEqual(yield* Fiber.join(section), "mine")
      yield* Stage.until(
        stage,
        Effect.map(holdersOf(other, name), (holders) => holders === 0)
      )
    })
  )

  it.effect(
    "are not lost, nor anybody else's, if the answer to a release is lost",
    Effect.fnUntraced(function* () {
      const name = newName()
      const stage = yield* join
      const [one, other] = yield* Effect.all([joinThroughProxies, stage.join])
      const result = yield* one.lock.withLock(name, { ttl: "1 hour" })(
        Effect.as(one.commands.drop("toClient"), "the result")
      )
      assert.strictEqual(result, "the result")
      yield* other.lock.withLock(name, { ttl: "1 hour", wait: "forever" })(
        Effect.gen(function* () {
          yield* one.commands.pass()
          yield* one.commands.cut
          // it is repeated over the next connection
          yield* Stage.until(
            stage,
            Effect.sync(() => one.answered.includes(Scripts.release.name))
          )
          assert.strictEqual(yield* holdersOf(other, name), 1)
        })
      )
    })
  )

  it.effect(
    "are done without, by who may, in a black hole",
    Effect.fnUntraced(function* () {
      const one = yield* joinThroughProxies
      yield* one.commands.drop()
      const options = { wait: "500 millis", onUnavailable: "run-unlocked" } as const
      const isLocked = one.lock.withLock(newName(), options)((held) => Effect.succeed(held.isLocked))
      assert.isFalse(yield* isLocked)
      const refused = yield* Effect.flip(one.lock.withLock(newName(), { wait: "500 millis" })(Effect.void))
      assert.strictEqual(refused._tag, "CacheError")
    })
  )
})
