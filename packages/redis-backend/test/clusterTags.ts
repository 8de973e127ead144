/**
 * What the tests of tags on a cluster have in common.
 */
import { assert, layer } from "@effect/vitest"
import { type CacheBackend, Codec } from "@tiercache/core"
import { RedisCluster } from "@tiercache/core/testing"
import type { RedisBackend } from "@tiercache/redis-backend"
import { Effect, Stream } from "effect"
import { slotOf } from "../src/internal/slots.ts"
import { LONG, makeBackend, uniqueKey } from "./support.ts"

export type Backend = CacheBackend.CacheBackend["Service"]

export const onCluster = layer(RedisCluster.layer(), { excludeTestServices: true })

export const makeClusterBackend = (options: Partial<RedisBackend.Options> = {}) =>
  RedisCluster.RedisCluster.use(({ addresses }) => makeBackend({ cluster: addresses, ...options }))

export const put = (backend: Backend, key: string, tags: ReadonlyArray<string>) =>
  backend.set(key, Codec.msgpack, "value", { ...LONG, tags })

export const putAll = (backend: Backend, keys: ReadonlyArray<string>, tags: ReadonlyArray<string>) =>
  backend.setMany(
    keys.map((key) => [key, "value"] as const),
    Codec.msgpack,
    { ...LONG, tags }
  )

export const keysByTag = (backend: Backend, tag: string) =>
  Effect.map(Stream.runCollect(backend.keysByTag(tag)), (keys) => keys.toSorted())

export const keysOf = (count: number, name = uniqueKey("k")) =>
  Array.from({ length: count }, (_, index) => `${name}:${index}`)

export const placesOf = Effect.fnUntraced(function* (key: string) {
  const { primaries, primaryOf } = yield* RedisCluster.RedisCluster
  const from = yield* primaryOf(key)
  const to = (yield* primaries).find((node) => node !== from)
  assert(to !== undefined)
  return { from, to, first: slotOf(key), last: slotOf(key) }
})
