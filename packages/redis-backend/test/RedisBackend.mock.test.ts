import { assert, it } from "@effect/vitest"
import { CacheBackend, Codec } from "@tiercache/core"
import { CacheBackendTest } from "@tiercache/core/testing"
import { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Layer } from "effect"
import * as ioredisMock from "./ioredisMock.ts"
import { eventually, get, reasonOf, set, uniqueKey } from "./support.ts"

const layer = Layer.unwrap(Effect.sync(() => RedisBackend.layer(ioredisMock.makeOptions())))

CacheBackendTest.suite("RedisBackend over ioredis-mock", layer, { clock: "live" })

it.live("a write over what has expired in ioredis-mock, but lies there yet, is not lost", () =>
  Effect.gen(function* () {
    const backend = yield* CacheBackend.CacheBackend
    const [key, witness] = [uniqueKey("a"), uniqueKey("witness")]
    for (const brief of [key, witness]) yield* backend.set(brief, Codec.msgpack, "brief", { ttl: "1 milli" })
    yield* eventually(Effect.map(get(backend, witness), (value) => value === undefined))
    yield* set(backend, key, "long")
    assert.strictEqual(yield* get(backend, key), "long")
  }).pipe(Effect.provide(layer))
)

it.live("without tags, an entry that should have some is not written without them", () =>
  Effect.gen(function* () {
    const backend = yield* CacheBackend.CacheBackend
    const key = uniqueKey("a")
    const tagged = backend.set(key, Codec.msgpack, 1, { ttl: "1 hour", tags: ["tag"] })
    assert.strictEqual(yield* reasonOf(tagged), "Unsupported")
    const many = backend.setMany([[key, 1, { tags: ["tag"] }]], Codec.msgpack, { ttl: "1 hour" })
    assert.strictEqual(yield* reasonOf(many), "Unsupported")
    assert.isFalse(yield* backend.has(key))
    assert.isTrue(yield* backend.set(key, Codec.msgpack, 1, { ttl: "1 hour", tags: [] }))
  }).pipe(Effect.provide(layer))
)
