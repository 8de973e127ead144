/**
 * Functions with a cache in front of them, and functions that take out of it what they have changed.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Cache, Entity } from "@tiercache/core"
 * import { Cached } from "@tiercache/domains"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const Names = Entity.make("user", "name", { key: { user: Schema.NonEmptyString }, value: Schema.String })
 * const database = new Map([["ada", "Ada"]])
 *
 * const getName = Cached.cached(Names, (user) => Effect.sync(() => database.get(user) ?? "nobody"))
 * const setName = Cached.invalidates(
 *   (user: string, name: string) => Effect.sync(() => database.set(user, name)),
 *   (user) => [Names.key(user)]
 * )
 * const program = Effect.gen(function* () {
 *   const before = yield* getName("ada")
 *   yield* setName("ada", "Ada Lovelace")
 *   return [before, yield* getName("ada")]
 * })
 *
 * const inMemory = Cache.layer().pipe(Layer.provide(MemoryBackend.layer()))
 * await Effect.runPromise(Effect.provide(program, inMemory)) // => ["Ada", "Ada Lovelace"]
 * ```
 */
import { Cache, CacheError, CacheKey, type Entity, type EntityCache, type Loader, type Tag } from "@tiercache/core"
import { Cause, Effect, Exit, Predicate } from "effect"

/** What a change concerns: the entry of a key (`Profiles.key("user-123")`), or all entries of a tag. */
export type Target = CacheKey.CacheKey | Tag.Tag

/**
 * A function that answers from the cache what it can, and otherwise by `load`: `getOrLoad` of the entity.
 *
 * **Details**
 *
 * The second argument of the function are the options of the call, the second one of `load` is what a loader is told.
 */
export const cached = <Id, A, B extends Loader.Answer<A>, E, R>(
  entity: Entity.Entity<Id, A>,
  load: (id: Id, context: Loader.Context<A>) => Effect.Effect<B, E, R>
): ((
  id: Id,
  options?: EntityCache.LoadOptions<A>
) => Effect.Effect<Loader.Loaded<A, B>, E | CacheError.CacheError, R | Cache.Cache>) => {
  const cacheOf = handles(entity)
  return (id, options) =>
    Cache.Cache.use((cache) => cacheOf(cache).getOrLoad(id, (context: Loader.Context<A>) => load(id, context), options))
}

/**
 * A function that changes something, and deletes what the cache has of it, everywhere. It returns what the change returns.
 *
 * **Details**
 *
 * - What is to be deleted is worked out before the change, so that an id that cannot be fails while nothing has happened.
 * - It is deleted after the change, if that has succeeded. What somebody is loading at that time is not stored.
 * - A change that fails is taken for none, and nothing is deleted. Of one that is interrupted nobody knows whether it was made: what
 *   it concerns is deleted, and interruption waits for that.
 *
 * **Gotchas**
 *
 * If the store cannot be reached, the function fails with `CacheError` although the change is made. The deletion is repeated before
 * an L1 is trusted again; until then others may find the old value in the store.
 */
export const invalidates =
  <Args extends ReadonlyArray<unknown>, A, E, R>(
    change: (...args: Args) => Effect.Effect<A, E, R>,
    targets: (...args: Args) => ReadonlyArray<Target>
  ): ((...args: Args) => Effect.Effect<A, E | CacheError.CacheError, R | Cache.Cache>) =>
  (...args) =>
    CacheError.suspend(() => {
      const concerned = targets(...args)
      return Effect.uninterruptibleMask((restore) =>
        Effect.onExit(restore(Effect.suspend(() => change(...args))), (exit) =>
          isUnchanged(exit) ? Effect.void : Cache.Cache.use((cache) => remove(cache, () => concerned))
        )
      )
    })

const isUnchanged = <A, E>(exit: Exit.Exit<A, E>): boolean => Exit.isFailure(exit) && !Cause.hasInterrupts(exit.cause)

/** Deletes entries by their keys and tags, which `targets` may throw a `CacheError` about; how many there were. */
export const remove = (
  cache: Cache.Cache["Service"],
  targets: () => ReadonlyArray<Target>
): Effect.Effect<number, CacheError.CacheError> =>
  CacheError.suspend(() => {
    const all = targets()
    const keys = all.filter((target) => target instanceof CacheKey.CacheKey)
    const tags = all.filter((target) => Predicate.isString(target))
    const byTag = tags.length === 0 ? Effect.succeed(0) : cache.deleteTags(tags)
    const byKey = keys.length === 0 ? Effect.succeed(0) : cache.deleteMany(keys)
    // one after the other, so that nothing counts twice; one that fails does not keep the other from being tried
    return Effect.flatMap(Effect.exit(byTag), (tagged) =>
      Effect.flatMap(byKey, (keyed) => Effect.map(tagged, (count) => count + keyed))
    )
  })

/** The operations on an entity, made once for each cache. */
const handles = <Id, A>(entity: Entity.Entity<Id, A>) => {
  const known = new WeakMap<Cache.Cache["Service"], EntityCache.EntityCache<Id, A>>()
  return (cache: Cache.Cache["Service"]): EntityCache.EntityCache<Id, A> => {
    const handle = known.get(cache) ?? cache.entity(entity)
    known.set(cache, handle)
    return handle
  }
}
