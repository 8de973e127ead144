import { assert, describe, it } from "@effect/vitest"
import { CacheBackend, Codec } from "@tiercache/core"
import { Lock, Maintenance } from "@tiercache/domains"
import { MemoryBackend } from "@tiercache/memory-backend"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"

const inMemory = Maintenance.layer().pipe(
  Layer.provideMerge(Lock.layer()),
  Layer.provideMerge(Layer.suspend(() => MemoryBackend.layer()))
)

describe("maintenance in memory", () => {
  it.effect("finds nothing that is dead, and leaves what lives", () =>
    Effect.gen(function* () {
      const backend = yield* CacheBackend.CacheBackend
      yield* backend.set("tradecore:a", Codec.msgpack, 1, { ttl: "48 hours", tags: ["tradecore:t"] })
      yield* backend.set("tradecore:b", Codec.msgpack, 1, { ttl: "1 hour", tags: ["tradecore:t"] })
      yield* TestClock.adjust("25 hours")
      for (const dryRun of [true, false]) {
        const report = yield* Maintenance.run({ dryRun })
        assert.deepStrictEqual(report, { trimmed: 0, orphans: 0, deleted: 0, skipped: false, millis: 0 })
      }
      assert.isTrue(yield* backend.has("tradecore:a"))
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("is skipped at once while somebody else does it, and goes on when that one is done", () =>
    Effect.gen(function* () {
      const others = Effect.scoped(Effect.andThen(Lock.acquire(Maintenance.LOCK), Maintenance.run()))
      assert.isTrue((yield* others).skipped)
      assert.isFalse((yield* Maintenance.run()).skipped)
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("refuses an age that cannot be, and a prefix that cannot be", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(Layer.provide(Maintenance.layer({ prefix: "" }), inMemory)))
      )
      assert.strictEqual(error.reason, "InvalidKey")
      const tooYoung = yield* Effect.flip(Maintenance.run({ maxAge: "0 seconds" }))
      assert.strictEqual(tooYoung.reason, "InvalidOption")
    }).pipe(Effect.provide(inMemory))
  )
})
