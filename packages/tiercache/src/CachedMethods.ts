/**
 * Methods with a cache in front of them, and methods that take out of it what they have changed: decorators for classes.
 *
 * **Details**
 *
 * These are the standard decorators of ECMAScript (TC39), for methods that return promises. They do what `cache.cached` and
 * `cache.invalidates` do for functions; `this` is that of the call, and the arguments of the key function are those of the method.
 *
 * **Gotchas**
 *
 * - Node does not run decorators yet, nor do tools that only strip types: they have to be compiled, by `tsc` for instance
 *   (without `experimentalDecorators`, which are others).
 * - Two instances share what is cached: what an instance knows besides its arguments has to be part of the id.
 * - What comes from the cache may be frozen, and shared by all readers.
 */
import type { Entity, Loader } from "@tiercache/core"
import type { Cached } from "@tiercache/domains"
import type { PromiseCache } from "./PromiseCache.ts"

type Method<This, Args extends Array<unknown>, A> = (this: This, ...args: Args) => A

/**
 * The method answers from the cache what it can, and otherwise runs, once for all who ask at the same time.
 *
 * **Example**
 *
 * ```ts
 * class Users {
 *   readonly #database: Database
 *   constructor(database: Database) {
 *     this.#database = database
 *   }
 *
 *   @cachedMethod(cache, User.Profiles, (user: string) => user)
 *   profile(user: string) {
 *     return this.#database.profile(user)
 *   }
 *
 *   @invalidatesMethod(cache, (user: string, _email: string) => [User.Profiles.key(user)])
 *   changeEmail(user: string, email: string) {
 *     return this.#database.changeEmail(user, email)
 *   }
 * }
 * ```
 */
export const cachedMethod = <Id, A, Args extends Array<unknown>>(
  cache: PromiseCache,
  entity: Entity.Entity<Id, A>,
  idOf: (...args: Args) => Id
) => {
  const entries = cache.entity(entity)
  return <This, B extends A | undefined>(
    method: Method<This, Args, Promise<B>>
  ): Method<This, Args, Promise<Loader.Loaded<A, B>>> =>
    async function (this: This, ...args: Args) {
      return entries.getOrLoad(idOf(...args), () => method.apply(this, args))
    }
}

/** The method runs, and then what it has changed is deleted from the cache, everywhere. See `Cached.invalidates`. */
export const invalidatesMethod =
  <Args extends Array<unknown>>(cache: PromiseCache, targets: (...args: Args) => ReadonlyArray<Cached.Target>) =>
  <This, A>(method: Method<This, Args, Promise<A>>): Method<This, Args, Promise<A>> =>
    async function (this: This, ...args: Args) {
      return cache.invalidates((...own: Args) => method.apply(this, own), targets)(...args)
    }
