/**
 * Locks on servers of which one takes the place of another.
 */
import { assert, layer } from "@effect/vitest"
import { RedisCluster, RedisSentinel, RedisServer } from "@tiercache/core/testing"
import { Effect, Exit, Fiber, Result } from "effect"
import * as Stage from "./locks/Stage.ts"
import { holding, waitersOf } from "./locks/Subject.ts"
import * as Suite from "./locks/suite.ts"

const isFull = process.env.TIERCACHE_TEST_FULL === "1"

const FOREVER = { ttl: "1 second", wait: "forever" } as const

/** A holder, and somebody who waits for it. */
const stageWithWaiter = Effect.fnUntraced(function* (stage: Stage.Stage, name: string) {
  const [one, other] = yield* Effect.all([stage.join, stage.join])
  const holder = yield* holding(one, name, FOREVER)
  const { fence } = yield* holder.held
  const next = yield* Effect.forkChild(
    other.lock.withLock(name, FOREVER)((held) => Effect.succeed(held.fence)),
    { startImmediately: true }
  )
  yield* Stage.until(
    stage,
    Effect.map(waitersOf(one, name), (count) => count === 1)
  )
  return { holder, fence, next }
})

/** A failover that takes longer than the lease ends a section; nothing else is told of it. */
const keptOrLost = <A, E extends { readonly _tag: string }>(section: Fiber.Fiber<A, E>) =>
  Effect.map(Effect.result(Fiber.join(section)), (result) => {
    if (Result.isFailure(result)) assert.strictEqual(result.failure._tag, "LockLost")
  })

layer(RedisCluster.layer(), { excludeTestServices: true })("locks on Redis Cluster", (it) => {
  const onCluster = Effect.map(RedisCluster.RedisCluster, ({ addresses }) => Stage.over({ cluster: addresses }))

  // each of its many processes has connections to all nodes
  if (isFull) {
    Suite.register((title, body) => it.effect(title, () => Effect.scoped(Effect.flatMap(onCluster, body))))
  }

  it.effect(
    "go on while their slot moves to another node",
    Effect.fnUntraced(function* () {
      const cluster = yield* RedisCluster.RedisCluster
      const stage = yield* onCluster
      const name = "moving"
      const { fence, holder, next } = yield* stageWithWaiter(stage, name)
      const from = yield* cluster.primaryOf(Stage.keyOf(name))
      const to = (yield* cluster.primaries).find((node) => node !== from)
      assert(to !== undefined)
      const slot = Number(yield* from.ask("CLUSTER", "KEYSLOT", Stage.keyOf(name)))
      yield* cluster.moveSlots({ from, to, first: slot, last: slot })
      yield* holder.letGo
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(holder.fiber)))
      assert.isAbove(yield* Fiber.join(next), fence)
    })
  )

  it.effect(
    "pass to the next when a replica takes the place of their killed primary",
    Effect.fnUntraced(function* () {
      const cluster = yield* RedisCluster.RedisCluster
      const stage = yield* onCluster
      const name = "failing"
      const { fence, holder, next } = yield* stageWithWaiter(stage, name)
      const primary = yield* cluster.primaryOf(Stage.keyOf(name))
      yield* primary.kill
      yield* cluster.settled
      yield* holder.letGo
      yield* keptOrLost(holder.fiber)
      assert.isAbove(yield* Fiber.join(next), fence)
    })
  )
})

layer(RedisSentinel.layer(), { excludeTestServices: true })("locks on a Sentinel group", (it) => {
  it.effect(
    "go on when a replica takes the place of the primary",
    Effect.fnUntraced(function* () {
      const group = yield* RedisSentinel.RedisSentinel
      const stage = Stage.over({ sentinels: group.addresses, name: group.name })
      const { fence, holder, next } = yield* stageWithWaiter(stage, "switching")
      yield* group.failover
      yield* holder.letGo
      yield* keptOrLost(holder.fiber)
      assert.isAbove(yield* Fiber.join(next), fence)
    })
  )
})

layer(RedisServer.layer(), { excludeTestServices: true })("locks on a primary with replicas", (it) => {
  it.effect(
    "count when so many replicas know of them, and are given back if fewer do",
    Effect.fnUntraced(function* () {
      const primary = yield* RedisServer.RedisServer
      const replica = yield* RedisServer.make({ args: ["--replicaof", "127.0.0.1", String(primary.port)] })
      const stage = Stage.over({ url: primary.url, commandTimeout: "1 second" })
      const { lock, semaphore } = yield* stage.join
      const known = { wait: "10 seconds", waitReplicas: 1 } as const
      const count = lock.withLock("known", known)(() => replica.ask("EXISTS", Stage.keyOf("known")))
      assert.strictEqual(yield* count, 1)
      yield* semaphore.withPermits("known", { ...known, limit: 2 })(Effect.void)
      const tooMany = yield* Effect.flip(lock.withLock("a", { wait: "0 seconds", waitReplicas: 2 })(Effect.void))
      assert(tooMany._tag === "CacheError")
      assert.strictEqual(tooMany.reason, "Unavailable")
      yield* replica.pause
      const frozen = yield* Effect.flip(lock.withLock("a", { wait: "0 seconds", waitReplicas: 1 })(Effect.void))
      assert.strictEqual(frozen._tag, "CacheError")
      assert.strictEqual(yield* lock.withLock("a", { wait: "0 seconds" })(Effect.succeed("free")), "free")
      yield* replica.resume
      yield* lock.withLock("a", known)(Effect.void)
    })
  )
})
