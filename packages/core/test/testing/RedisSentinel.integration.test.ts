import { assert, describe, it } from "@effect/vitest"
import { RedisSentinel } from "@tiercache/core/testing"
import { Effect } from "effect"

describe("RedisSentinel", { concurrent: true }, () => {
  it.live("promotes a replica when it is told, and when the primary is killed or frozen", () =>
    Effect.gen(function* () {
      const { addresses, failover, name, nodes, primary, replaced, sentinels } = yield* RedisSentinel.make({
        replicas: 2
      })
      assert.strictEqual(nodes.length, 3)
      assert.strictEqual(sentinels.length, 3)
      assert.strictEqual(addresses.length, 3)
      assert.strictEqual(name, "tiercache")
      const [first] = nodes
      assert(first !== undefined)
      assert.strictEqual(yield* primary, first)

      yield* failover
      const second = yield* primary
      assert.notStrictEqual(second, first)
      assert.strictEqual(yield* second.ask("SET", "key", "value"), "OK")

      yield* second.kill
      yield* replaced(second)
      const third = yield* primary
      assert.notStrictEqual(third, second)

      yield* second.restart
      yield* third.pause
      yield* replaced(third)
      yield* third.resume
    })
  )

  it.live("goes on while one sentinel is away", () =>
    Effect.gen(function* () {
      const { primary, sentinels } = yield* RedisSentinel.make()
      const before = yield* primary
      const [one, two] = sentinels
      assert(one !== undefined && two !== undefined)
      yield* one.pause
      assert.strictEqual(yield* primary, before)
      yield* two.kill
      yield* Effect.flip(primary)
      yield* two.restart
      assert.strictEqual(yield* primary, before)
    })
  )
})
