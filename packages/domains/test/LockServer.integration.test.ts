/**
 * What locks ask of a real server: how often, what they leave there, and what they do when it has no memory left.
 */
import { assert, layer } from "@effect/vitest"
import { RedisServer, TcpProxy } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Deferred, Effect, Exit, Fiber } from "effect"
import * as Inspect from "./locks/inspect.ts"
import { processOver } from "./locks/Services.ts"
import * as Stage from "./locks/Stage.ts"

const isFull = process.env.TIERCACHE_TEST_FULL === "1"
const NOW = { startImmediately: true } as const
const FOREVER = { wait: "forever" } as const

let names = 0
const newName = () => `lock-${++names}`

const join = Effect.map(RedisServer.RedisServer, ({ url }) => Stage.onRedis(url))
const many = <A>(count: number, make: (index: number) => A) => Array.from({ length: count }, (_, index) => make(index))

/** How many scripts the server has run. */
const scriptsRun = Effect.gen(function* () {
  const { ask } = yield* RedisServer.RedisServer
  const found = /cmdstat_evalsha:calls=(\d+)/.exec(String(yield* ask("INFO", "commandstats")))
  return Number(found?.[1] ?? 0)
})

/** Keys that would stay for ever. */
const immortal = Effect.gen(function* () {
  const { ask } = yield* RedisServer.RedisServer
  const script = `
    local found = {}
    for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('PTTL', key) == -1 then found[#found + 1] = key end end
    return table.concat(found, ' ')`
  return String(yield* ask("EVAL", script, "0"))
})

const isOver = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.sync(() => fiber.pollUnsafe() !== undefined)

layer(RedisServer.layer(), { excludeTestServices: true })("locks and their server", (it) => {
  it.effect(
    "are handed over in the order of arrival, with five commands an acquisition at most",
    Effect.fnUntraced(function* () {
      const name = newName()
      const count = isFull ? 64 : 12
      const stage = yield* join
      const members = yield* Effect.all(
        many(count, () => stage.join),
        { concurrency: 8 }
      )
      const [first] = members
      assert.isDefined(first)
      const letGo = yield* Deferred.make<void>()
      const before = yield* scriptsRun
      let looks = 0
      const queued = (waiters: number) =>
        Effect.map(Inspect.counts(first.backend, Stage.keyOf(name)), (counts) => {
          looks++
          return counts.waiters === waiters
        })
      const entered = yield* Deferred.make<void>()
      const held = Effect.andThen(Deferred.succeed(entered, undefined), Deferred.await(letGo))
      const holder = yield* Effect.forkChild(first.lock.withLock(name, FOREVER)(held), NOW)
      yield* Deferred.await(entered)
      const order: Array<number> = []
      const others: Array<Fiber.Fiber<unknown, unknown>> = []
      for (const [index, member] of members.entries()) {
        const section = member.lock.withLock(name, FOREVER)(Effect.sync(() => order.push(index)))
        others.push(yield* Effect.forkChild(section, NOW))
        yield* Stage.until(stage, queued(index + 1))
      }
      yield* Deferred.succeed(letGo, undefined)
      yield* Fiber.join(holder)
      yield* Effect.forEach(others, (fiber) => Fiber.await(fiber))
      assert.deepStrictEqual(
        order,
        many(count, (index) => index)
      )
      assert.isAtMost(((yield* scriptsRun) - before - looks) / (count + 1), 5)
    })
  )

  it.effect(
    "that are lost interrupt their sections before the server grants them again, every time",
    Effect.fnUntraced(function* () {
      const runs = isFull ? 100 : 10
      const server = yield* RedisServer.RedisServer
      const proxy = yield* TcpProxy.make({ target: { port: server.port } })
      const options = {
        url: `redis://${proxy.address}`,
        commandTimeout: "300 millis",
        connectTimeout: "5 seconds"
      } as const
      const cutOff = yield* processOver(RedisBackend.layer(options))
      const stage = yield* join
      const next = yield* stage.join
      const news = many(runs, () => ({ name: newName(), happened: Array<string>() }))
      const held = yield* Deferred.make<void>()
      let holders = 0
      const sections = yield* Effect.forEach(news, ({ happened, name }, index) =>
        Effect.forkChild(
          Effect.flip(
            cutOff.lock.withLock(name, { ttl: `${600 + 5 * index} millis` })(
              Effect.andThen(
                Effect.suspend(() => (++holders === runs ? Deferred.succeed(held, undefined) : Effect.void)),
                Effect.never
              ).pipe(Effect.onInterrupt(() => Effect.sync(() => happened.push("interrupted"))))
            )
          ),
          NOW
        )
      )
      yield* Deferred.await(held)
      yield* proxy.drop()
      yield* Effect.forEach(
        news,
        ({ happened, name }) => next.lock.withLock(name, FOREVER)(Effect.sync(() => happened.push("granted"))),
        { concurrency: "unbounded" }
      )
      const errors = yield* Effect.forEach(sections, Fiber.join)
      assert.deepStrictEqual(
        errors.map((error) => (error._tag === "LockLost" ? error.phase : error._tag)),
        many(runs, () => "section")
      )
      assert.deepStrictEqual(
        news.map(({ happened }) => happened),
        many(runs, () => ["interrupted", "granted"])
      )
    })
  )

  it.effect(
    "are kept and given back when it has no memory left; who may, goes on without",
    Effect.fnUntraced(function* () {
      const name = newName()
      const { ask } = yield* RedisServer.RedisServer
      const stage = yield* join
      const { backend, lock } = yield* stage.join
      const letGo = yield* Deferred.make<void>()
      const entered = yield* Deferred.make<void>()
      const held = lock.withLock(name, { ttl: "300 millis" })(
        Effect.andThen(Deferred.succeed(entered, undefined), Deferred.await(letGo))
      )
      const section = yield* Effect.forkChild(held, NOW)
      yield* Deferred.await(entered)
      const before = yield* Inspect.texts(backend, Stage.keyOf(name))
      yield* ask("CONFIG", "SET", "maxmemory", "1")
      yield* Effect.gen(function* () {
        // twice its lease later
        let texts = before
        for (let renewal = 0; renewal < 6; renewal++) {
          const last = texts
          yield* Stage.until(
            stage,
            Effect.gen(function* () {
              texts = yield* Inspect.texts(backend, Stage.keyOf(name))
              return texts[1] !== last[1] || (yield* isOver(section))
            })
          )
        }
        assert.isUndefined(section.pollUnsafe())
        const free = newName()
        const refused = yield* Effect.flip(lock.withLock(free)(Effect.void))
        assert(refused._tag === "CacheError")
        assert.strictEqual(refused.reason, "Refused")
        const options = { onUnavailable: "run-unlocked" } as const
        assert.isFalse(yield* lock.withLock(free, options)((unlocked) => Effect.succeed(unlocked.isLocked)))
        yield* Deferred.succeed(letGo, undefined)
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(section)))
        assert.strictEqual((yield* Inspect.counts(backend, Stage.keyOf(name))).holders, 0)
      }).pipe(Effect.ensuring(Effect.orDie(ask("CONFIG", "SET", "maxmemory", "0"))))
    })
  )

  it.effect(
    "leave nothing behind, however many acquisitions are interrupted, and no key without a TTL",
    Effect.fnUntraced(function* () {
      const fibers = isFull ? 10_000 : 500
      const stage = yield* join
      const members = yield* Effect.all([stage.join, stage.join])
      const locks = many(20, newName)
      let state = 1
      // repeatable, and different enough
      const random = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below
      yield* Effect.forEach(
        many(fibers, (index) => index),
        Effect.fnUntraced(function* (index) {
          const member = members[index % members.length]
          const name = locks[index % locks.length] ?? ""
          if (member === undefined) return
          const { lock, semaphore } = member
          const wanted =
            index % 3 === 0
              ? semaphore.withPermits(name, { limit: 2, ...FOREVER })(Effect.sleep(`${random(3)} millis`))
              : lock.withLock(name, FOREVER)(Effect.sleep(`${random(3)} millis`))
          const fiber = yield* Effect.forkChild(wanted, NOW)
          for (let turn = random(30); turn > 0; turn--) yield* Effect.yieldNow
          if (random(3) > 0) yield* Effect.sleep(`${random(6)} millis`)
          yield* Fiber.interrupt(fiber)
        }),
        { concurrency: 100 }
      )
      const [one, other] = members
      assert.strictEqual(one.lock.waiting() + other.lock.waiting(), 0)
      for (const name of locks) {
        for (const key of [Stage.keyOf(name), `tradecore:semaphore:${name}`]) {
          yield* Stage.until(
            stage,
            Effect.map(Inspect.counts(one.backend, key), ({ holders, waiters }) => holders + waiters === 0)
          )
        }
      }
      assert.strictEqual(yield* immortal, "")
    })
  )
})
