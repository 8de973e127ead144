import { CacheBackend, CacheError, type Codec, type Invalidation, type Lease, Secrets, Snapshot } from "@tiercache/core"
import { CacheBackendTest, RedisServer } from "@tiercache/core/testing"
import { LruStore } from "@tiercache/memory-backend"
import { RedisBackend } from "@tiercache/redis-backend"
import { TieredBackend } from "@tiercache/tiered"
import { Effect, Layer, Redacted, Stream } from "effect"

const ring = Secrets.keyRing([{ id: "k1", key: Redacted.make(new Uint8Array(32).fill(1)) }])

const encrypted = <A>(codec: Codec.Codec<A>): Codec.Codec<A> =>
  Secrets.unlock(Secrets.lock({ ...codec, local: false }), ring)

/** As an encrypting codec would have it. L1 does not get the snapshot. */
const encryptedLoad = <A>(loaded: Lease.Loaded<A>): Lease.Loaded<A> => {
  const { key, payload, snapshot } = loaded
  return { ...loaded, payload: snapshot === Snapshot.absent ? payload : ring.encrypt(payload, key), local: false }
}

/** As a reader with an encrypting codec understands it. */
const decryptedMessage = (message: Invalidation.Message): Invalidation.Message => ({
  ...message,
  pushed: message.pushed?.map((pushed, index) => ({
    ...pushed,
    payload: ring.decrypt(pushed.payload, message.keys[index] ?? "")
  }))
})

/** A backend all of whose values are secret. What it holds is no integer that Redis could add to. */
const secretly = (backend: CacheBackend.CacheBackend["Service"]): CacheBackend.CacheBackend["Service"] => ({
  ...backend,
  unsupported: new Set([...backend.unsupported, "increment"]),
  increment: () => Effect.fail(CacheError.make("increment", "Unsupported", "what is stored is encrypted")),
  peek: (key, codec) => backend.peek(key, encrypted(codec)),
  peekEntry: (key, codec) => backend.peekEntry(key, encrypted(codec)),
  get: (key, codec, options) => backend.get(key, encrypted(codec), options),
  getMany: (keys, codec, options) => backend.getMany(keys, encrypted(codec), options),
  set: (key, codec, value, options) => backend.set(key, encrypted(codec), value, options),
  setMany: (entries, codec, options) => backend.setMany(entries, encrypted(codec), options),
  leases: {
    ...backend.leases,
    take: (keys, codec, options) => backend.leases.take(keys, encrypted(codec), options),
    fill: (loaded, options) => backend.leases.fill(loaded.map(encryptedLoad), options)
  },
  changes: Stream.map(backend.changes, decryptedMessage),
  listen: (listener) =>
    backend.listen({ ...listener, onMessage: (message) => listener.onMessage(decryptedMessage(message)) })
})

const redis = Layer.unwrap(
  RedisServer.RedisServer.use(({ url }) => Effect.succeed(RedisBackend.layer({ url, commandTimeout: "5 seconds" })))
).pipe(Layer.provide(RedisServer.layer()))

const secret = <E>(layer: Layer.Layer<CacheBackend.CacheBackend, E>) =>
  Layer.effect(
    CacheBackend.CacheBackend,
    CacheBackend.CacheBackend.use((backend) => Effect.succeed(secretly(backend)))
  ).pipe(Layer.provide(layer))

const tiered = Layer.provide(TieredBackend.layer(), Layer.merge(redis, LruStore.layer()))

// it goes through that of Redis
CacheBackendTest.suite("TieredBackend over Redis, encrypted", secret(tiered), { clock: "live" })
