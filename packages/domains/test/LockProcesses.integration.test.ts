/**
 * Locks among processes that are killed, stopped and blocked, and on servers that are.
 */
import { assert, layer } from "@effect/vitest"
import { Codec } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Fiber } from "effect"
import * as Inspect from "./locks/inspect.ts"
import type * as Orders from "./locks/Orders.ts"
import { processOver } from "./locks/Services.ts"
import * as Stage from "./locks/Stage.ts"
import * as WorkerProcess from "./locks/WorkerProcess.ts"

const isFull = process.env.TIERCACHE_TEST_FULL === "1"

const hold = (lock: string, options: Partial<typeof Orders.Hold.Type> = {}) =>
  ({ _tag: "Hold", lock, ttlMillis: 1000, manner: "careful", ...options }) as const

let names = 0
const newName = () => `lock-${++names}`

const join = Effect.map(RedisServer.RedisServer, ({ url }) => Stage.onRedis(url))
const start = Effect.flatMap(RedisServer.RedisServer, ({ url }) => WorkerProcess.make(url))

/** Waits until so many wait for a lock. */
const untilQueued = Effect.fnUntraced(function* (name: string, count: number) {
  const stage = yield* join
  const { backend } = yield* stage.join
  yield* Stage.until(
    stage,
    Effect.map(Inspect.counts(backend, Stage.keyOf(name)), ({ waiters }) => waiters >= count)
  )
})

layer(RedisServer.layer(), { excludeTestServices: true })("locks among processes", (it) => {
  it.effect(
    "have never two holders at a time, though some are killed, and their fences grow",
    Effect.fnUntraced(function* () {
      const name = newName()
      const [doomed, ...others] = yield* Effect.all(
        Array.from({ length: isFull ? 6 : 3 }, () => start),
        { concurrency: "unbounded" }
      )
      const rounds = isFull ? 200 : 25
      const contend = { _tag: "Contend", lock: name, ttlMillis: 500, fibers: 4, rounds, mostMillis: 4 } as const
      for (const worker of [doomed, ...others]) worker?.order(contend)
      yield* doomed?.await("Left") ?? Effect.void
      yield* doomed?.kill ?? Effect.void
      for (const worker of others) {
        const ended = yield* worker.await("Ended", ({ order }) => order === "Contend")
        assert.strictEqual(ended.outcome, "ok")
      }
      const news = [doomed, ...others].flatMap((worker) => worker?.news ?? [])
      const left = new Map(news.flatMap((each) => (each._tag === "Left" ? [[each.fence, each.at] as const] : [])))
      const entered = news.flatMap((each) => (each._tag === "Entered" ? [each] : [])).toSorted((a, b) => a.at - b.at)
      assert.isAtLeast(entered.length, others.length * 4 * rounds)
      entered.forEach(({ at, fence }, index) => {
        const previous = entered[index - 1]
        if (previous === undefined) return
        assert.isAbove(fence, previous.fence)
        // of who was killed, or had lost it, the end is not known
        assert.isAtLeast(at, left.get(previous.fence) ?? 0)
      })
    })
  )

  it.effect(
    "pass to the next when their holder is killed",
    Effect.fnUntraced(function* () {
      const name = newName()
      const [holder, next] = yield* Effect.all([start, start], { concurrency: "unbounded" })
      holder.order(hold(name))
      const { fence } = yield* holder.await("Entered")
      next.order(hold(name))
      yield* untilQueued(name, 1)
      yield* holder.kill
      assert.isAbove((yield* next.await("Entered")).fence, fence)
    })
  )

  it.effect(
    "pass over who is killed while it is next",
    Effect.fnUntraced(function* () {
      const name = newName()
      const [doomed, next] = yield* Effect.all([start, start], { concurrency: "unbounded" })
      const stage = yield* join
      const { lock } = yield* stage.join
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lock.acquire(name)
          doomed.order(hold(name))
          yield* untilQueued(name, 1)
          next.order(hold(name))
          yield* untilQueued(name, 2)
          yield* doomed.kill
        })
      )
      yield* next.await("Entered")
      assert.isFalse(doomed.news.some(({ _tag }) => _tag === "Entered"))
    })
  )

  it.effect(
    "whose holder was stopped: it does not write when it goes on, and if it tries, it is refused",
    Effect.fnUntraced(function* () {
      const name = newName()
      const [holder, next] = yield* Effect.all([start, start], { concurrency: "unbounded" })
      let fence = 0
      for (const manner of ["careful", "deaf"] as const) {
        const lock = `${name}-${manner}`
        const last = fence
        holder.order(hold(lock, { manner, ttlMillis: 300 }))
        const first = yield* holder.await("Wrote", (written) => written.fence > last)
        yield* holder.pause
        next.order(hold(lock, { ttlMillis: 300 }))
        const wrote = yield* next.await("Wrote", (written) => written.fence > first.fence)
        yield* holder.resume
        const ended = yield* holder.await("Ended", ({ at, order }) => order === "Hold" && at > wrote.at)
        assert.strictEqual(ended.outcome, "LockLost")
        // what it had begun before it was stopped may still have arrived, and was then before the other's
        const late = holder.news.filter((each) => each._tag === "Wrote" && each.at > wrote.at)
        assert.deepStrictEqual(
          late.filter((each) => each._tag === "Wrote" && each.outcome === "ok"),
          []
        )
        if (manner === "deaf") assert.isAbove(late.length, 0)
        fence = wrote.fence
      }
    })
  )

  it.effect(
    "whose holder's event loop is blocked are noticed as lost by the first check afterwards",
    Effect.fnUntraced(function* () {
      const stage = yield* join
      const { lock } = yield* stage.join
      const block = (millis: number) =>
        Effect.sync(() => {
          const end = performance.now() + millis
          while (performance.now() < end) {
            // on purpose
          }
        })
      let writes = 0
      const careful = lock.withLock(newName(), { ttl: "100 millis" })(({ ensure }) =>
        Effect.gen(function* () {
          yield* block(150)
          yield* ensure
          writes++
        })
      )
      assert.strictEqual((yield* Effect.flip(careful))._tag, "LockLost")
      assert.strictEqual(writes, 0)
      const careless = yield* Effect.flip(
        lock.withLock(newName(), { ttl: "100 millis" })(Effect.as(block(150), "the result"))
      )
      assert(careless._tag === "LockLost")
      assert.strictEqual(careless.phase, "release")
    })
  )

  it.effect(
    "that are flushed away are lost, and those that follow have higher fences",
    Effect.fnUntraced(function* () {
      const name = newName()
      const server = yield* RedisServer.RedisServer
      const stage = yield* join
      const { lock } = yield* stage.join
      let fence = Infinity
      const section = yield* Effect.forkChild(
        Effect.flip(
          lock.withLock(name, { ttl: "500 millis" })((held) => {
            fence = held.fence
            return Effect.never
          })
        )
      )
      yield* Stage.until(
        stage,
        Effect.sync(() => fence < Infinity)
      )
      yield* server.ask("FLUSHALL")
      assert.strictEqual((yield* Fiber.join(section))._tag, "LockLost")
      assert.isAbove(yield* lock.withLock(name)((held) => Effect.succeed(held.fence)), fence)
    })
  )

  it.effect(
    "go on when the server forgets its scripts",
    Effect.fnUntraced(function* () {
      const name = newName()
      const server = yield* RedisServer.RedisServer
      const stage = yield* join
      const processes = yield* Effect.all([stage.join, stage.join, stage.join])
      const flush = Effect.repeat(Effect.delay(server.ask("SCRIPT", "FLUSH"), "2 millis"), { times: 50 })
      const rounds = Effect.forEach(
        processes,
        ({ lock }) => Effect.repeat(lock.withLock(name, { wait: "forever" })(Effect.sleep("1 millis")), { times: 29 }),
        { concurrency: "unbounded" }
      )
      yield* Effect.all([flush, rounds], { concurrency: "unbounded" })
    })
  )
})

layer(RedisServer.layer(), { excludeTestServices: true })("locks on a server that fails", (it) => {
  it.effect(
    "are lost in time when it stands still, while nobody else can have them",
    Effect.fnUntraced(function* () {
      const name = newName()
      const server = yield* RedisServer.RedisServer
      const [holder, next] = yield* Effect.all([start, start], { concurrency: "unbounded" })
      holder.order(hold(name, { manner: "careless" }))
      yield* holder.await("Wrote")
      next.order(hold(name))
      yield* untilQueued(name, 1)
      yield* server.pause
      const ended = yield* holder.await("Ended", ({ order }) => order === "Hold")
      assert.strictEqual(ended.outcome, "LockLost")
      yield* server.resume
      assert.isAbove((yield* next.await("Entered")).at, ended.at)
    })
  )

  it.effect(
    "are lost when it starts again empty, and who waited goes on",
    Effect.fnUntraced(function* () {
      const name = newName()
      const server = yield* RedisServer.RedisServer
      const [holder, next] = yield* Effect.all([start, start], { concurrency: "unbounded" })
      holder.order(hold(name))
      const { fence } = yield* holder.await("Entered")
      next.order(hold(name))
      yield* untilQueued(name, 1)
      yield* server.restart
      assert.isAbove((yield* next.await("Entered")).fence, fence)
      const ended = yield* holder.await("Ended", ({ order }) => order === "Hold")
      assert.strictEqual(ended.outcome, "LockLost")
    })
  )

  it.effect(
    "may have two holders when a cut-off replica becomes primary; the fence tells them apart",
    Effect.fnUntraced(function* () {
      const name = newName()
      const primary = yield* RedisServer.RedisServer
      const replica = yield* RedisServer.make({ args: ["--replicaof", "127.0.0.1", String(primary.port)] })
      const data = yield* RedisServer.make()
      const open = (url: string) => processOver(RedisBackend.layer({ url, commandTimeout: "5 seconds" }))
      const before = yield* open(primary.url)
      const known = yield* before.lock.withLock(name)(({ fence }) => Effect.succeed(fence))
      const stage = yield* join
      yield* Stage.until(
        stage,
        Effect.map(replica.ask("EXISTS", Stage.keyOf(name)), (count) => count === 1)
      )
      yield* replica.ask("REPLICAOF", "NO", "ONE")
      const after = yield* open(replica.url)
      const { fenced } = yield* open(data.url)
      const write = (fence: number) => fenced.set("guarded", Codec.msgpack, fence, { fence, ttl: "1 hour" })
      yield* before.lock.withLock(name)((one) =>
        after.lock.withLock(name)((other) =>
          Effect.gen(function* () {
            // both believe that they hold it, and neither fence is one that was there before
            yield* Effect.all([one.ensure, other.ensure])
            assert.isAbove(one.fence, known)
            assert.isAbove(other.fence, one.fence)
            yield* write(other.fence)
            assert.strictEqual((yield* Effect.flip(write(one.fence)))._tag, "StaleFence")
          })
        )
      )
    })
  )
})
