import { assert, it } from "@effect/vitest"
import { CacheBackend, Codec } from "@tiercache/core"
import { RedisServer } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Layer } from "effect"

const layer = Layer.unwrap(
  RedisServer.RedisServer.use(({ url }) => Effect.succeed(RedisBackend.layer({ url, commandTimeout: "5 seconds" })))
).pipe(Layer.provide(RedisServer.layer()))

const readOnly = Codec.make<unknown>(() => assert.fail("it was encoded already"), Codec.msgpack.decode)

it.live("stores what was encoded already as it is", () =>
  Effect.gen(function* () {
    const { getMany, set, setMany } = yield* CacheBackend.CacheBackend
    const [one, two] = [1, 2].map((bid) => Codec.msgpack.encode({ bid }, ""))
    yield* set("a", readOnly, { bid: 0 }, { ttl: "1 hour", payload: one })
    yield* setMany([["b", { bid: 0 }, { payload: two }]], readOnly, { ttl: "1 hour" })
    const entries = yield* getMany(["a", "b"], readOnly)
    assert.deepStrictEqual(
      entries.map((entry) => entry?.value),
      [{ bid: 1 }, { bid: 2 }]
    )
  }).pipe(Effect.provide(layer))
)
