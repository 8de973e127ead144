/**
 * Effect's `PersistedCache` (effect/persistence): an L1, its store on Redis, no bus, and no set: it stores what its look-up returns.
 */
import { MAX_ENTRIES, type Opened, type Rival, TTL, type Value } from "./Rival.ts"

export const effectPersistedCache: Rival = {
  name: "effect PersistedCache",
  tiers: "both",
  hasBus: false,
  sharesValues: true,
  open: async ({ l1, redisUrl }): Promise<Opened> => {
    const [{ Effect, Exit, Layer, ManagedRuntime, Scope }, { Persistable, PersistedCache, Persistence }] =
      await Promise.all([import("effect"), import("effect/persistence")])
    const [{ Redis }, { Market }, effectRedis] = await Promise.all([
      import("ioredis"),
      import("tiercache"),
      import("./effectRedis.ts")
    ])
    class Quote extends Persistable.Class<{ payload: { key: string } }>()("Quote", {
      primaryKey: ({ key }) => key,
      success: Market.Quote
    }) {}

    const client = new Redis(redisUrl)
    const runtime = ManagedRuntime.make(Persistence.layerRedis.pipe(Layer.provide(effectRedis.layer(client))))
    const written = new Map<string, Value>()
    const loading: { load: ((key: string) => Promise<Value>) | undefined } = { load: undefined }
    const lookup = ({ key }: Quote) => {
      const value = written.get(key)
      if (value !== undefined) return Effect.succeed(value)
      return Effect.promise(() => loading.load?.(key) ?? Promise.reject(new Error("there is none")))
    }
    const scope = Scope.makeUnsafe()
    const cache = await runtime.runPromise(
      PersistedCache.make(lookup, {
        storeId: "quotes",
        timeToLive: () => TTL,
        inMemoryCapacity: MAX_ENTRIES,
        inMemoryTTL: () => (l1 ? TTL : 0)
      }).pipe(Scope.provide(scope))
    )
    const get = (key: string) => runtime.runPromise(cache.get(new Quote({ key })))
    return {
      get,
      getOrLoad: (key, load) => {
        loading.load = load
        return get(key)
      },
      set: async (key, value) => {
        written.set(key, value)
        await runtime.runPromise(cache.invalidate(new Quote({ key })))
        await get(key)
        written.delete(key)
      },
      delete: (key) => runtime.runPromise(cache.invalidate(new Quote({ key }))),
      close: async () => {
        await runtime.runPromise(Scope.close(scope, Exit.void))
        await runtime.dispose()
        client.disconnect()
      }
    }
  }
}
