import { assert, describe, it } from "@effect/vitest"
import { RedisCluster } from "@tiercache/core/testing"
import { Effect } from "effect"

type Node = RedisCluster.Node

/** What a client does: asks a node, and follows it to another one. */
const follow = (nodes: ReadonlyArray<Node>, node: Node, ...command: ReadonlyArray<string>) =>
  node.ask(...command).pipe(
    Effect.catch((error) => {
      const port = Number(/^MOVED \d+ 127\.0\.0\.1:(\d+)$/.exec(error.message)?.[1])
      return nodes.find((other) => other.port === port)?.ask(...command) ?? Effect.fail(error)
    })
  )

const TAGGED = Array.from({ length: 250 }, (_, index) => `{tag}:${index}`)

describe("RedisCluster", { concurrent: true }, () => {
  it.live("has all slots on three primaries with a replica each, and moves and fails over as it is told", () =>
    Effect.gen(function* () {
      const { addresses, failover, nodes, primaries, primaryOf, replicasOf, settled, moveSlots } =
        yield* RedisCluster.make()
      assert.strictEqual(nodes.length, 6)
      assert.deepStrictEqual(
        addresses.map(({ port }) => port),
        nodes.map(({ port }) => port)
      )
      const [one, two, three] = yield* primaries
      assert(one !== undefined && two !== undefined && three !== undefined)
      for (const key of ["a", "b", "c", "d"]) {
        const owner = yield* primaryOf(key)
        assert.strictEqual(yield* owner.ask("SET", key, key), "OK")
        assert.strictEqual((yield* replicasOf(owner)).length, 1)
      }

      // slots move with their keys
      const owner = yield* primaryOf("{tag}")
      const target = owner === one ? two : one
      for (const key of TAGGED) yield* owner.ask("SET", key, "kept")
      const slot = Number(yield* owner.ask("CLUSTER", "KEYSLOT", "{tag}"))
      yield* moveSlots({ from: owner, to: target, first: slot, last: slot })
      yield* settled
      assert.strictEqual(yield* primaryOf("{tag}"), target)
      assert.strictEqual(yield* target.ask("CLUSTER", "COUNTKEYSINSLOT", slot), TAGGED.length)
      assert.strictEqual(yield* follow(nodes, owner, "GET", "{tag}:7"), "kept")

      // a planned failover loses nothing
      const [replica] = yield* replicasOf(target)
      assert(replica !== undefined)
      yield* failover(replica)
      assert.strictEqual(yield* primaryOf("{tag}"), replica)
      assert.strictEqual(yield* replica.ask("CLUSTER", "COUNTKEYSINSLOT", slot), TAGGED.length)

      // a dead primary is replaced, and comes back as a replica
      yield* replica.kill
      yield* settled
      assert.strictEqual(yield* primaryOf("{tag}"), target)
      yield* replica.restart
      yield* settled
      assert.deepStrictEqual(yield* replicasOf(target), [replica])

      // a frozen one as well
      yield* target.pause
      yield* Effect.repeat(Effect.delay(primaryOf("{tag}"), "20 millis"), { until: (node) => node === replica })
      yield* target.resume
      yield* settled
      assert.deepStrictEqual(yield* replicasOf(replica), [target])
    })
  )

  it.live("can begin to move a slot, and be of another size", () =>
    Effect.gen(function* () {
      const { beginMove, nodes, primaryOf } = yield* RedisCluster.make({ primaries: 2, replicas: 0 })
      assert.strictEqual(nodes.length, 2)
      const from = yield* primaryOf("a")
      const to = nodes.find((node) => node !== from)
      assert(to !== undefined)
      yield* from.ask("SET", "{a}:there", 1)
      const slot = Number(yield* from.ask("CLUSTER", "KEYSLOT", "a"))
      yield* beginMove({ from, to, first: slot, last: slot })
      assert.strictEqual(yield* from.ask("GET", "{a}:there"), "1")
      const asked = yield* Effect.flip(from.ask("GET", "{a}:gone"))
      assert.strictEqual(asked.message, `ASK ${slot} 127.0.0.1:${to.port}`)
    })
  )

  it.live("is gone with the scope", () =>
    Effect.gen(function* () {
      const nodes = yield* Effect.scoped(
        Effect.map(RedisCluster.make({ replicas: 0 }), ({ nodes }) => {
          assert.isTrue(nodes.every(({ isRunning }) => isRunning()))
          return nodes
        })
      )
      assert.isFalse(nodes.some(({ isRunning }) => isRunning()))
    })
  )
})
