/**
 * Calls of APIs with a cache in front of them.
 *
 * **Details**
 *
 * Answers to GET and HEAD are kept, with endpoint, parameters and time (`Api.Response`); every other call is made, and its answer is
 * kept nowhere. Requests of different users never share an answer.
 */
import { CacheError, type EntityCache } from "@tiercache/core"
import { Effect } from "effect"
import * as Api from "./Api.ts"

export type LoadOptions = EntityCache.LoadOptions<Api.Response>

export interface ApiResponses {
  /**
   * The body of the answer, from the cache or by the call.
   *
   * **Gotchas**
   *
   * It is unknown what it is: what is in the cache may come from another version of the API or of the program. Decode it by a schema.
   */
  readonly getOrLoad: <E, R>(
    request: Api.Request,
    call: Effect.Effect<unknown, E, R>,
    options?: LoadOptions
  ) => Effect.Effect<unknown, E | CacheError.CacheError, R>
  /** What is kept, with the time at which it came. */
  readonly get: (request: Api.Request) => Effect.Effect<Api.Response | undefined, CacheError.CacheError>
  /** Whether there was anything. */
  readonly delete: (request: Api.Request) => Effect.Effect<boolean, CacheError.CacheError>
}

export const make = (entries: EntityCache.EntityCache<Api.ResponseId, Api.Response>): ApiResponses => {
  /** Of a request that is never kept nothing is there. */
  const whereKept = <A>(
    request: Api.Request,
    none: A,
    operation: (id: Api.ResponseId) => Effect.Effect<A, CacheError.CacheError>
  ) => CacheError.suspend(() => (Api.isCacheable(request) ? operation(Api.id(request)) : Effect.succeed(none)))

  return {
    getOrLoad: <E, R>(request: Api.Request, call: Effect.Effect<unknown, E, R>, options?: LoadOptions) => {
      if (!Api.isCacheable(request)) return call
      const load = Effect.flatMap(call, (body) => Api.response(request, { body }))
      return CacheError.suspend(() => {
        const tags = [...Api.tags(request), ...(options?.tags ?? [])]
        return Effect.map(entries.getOrLoad(Api.id(request), load, { ...options, tags }), ({ body }) => body)
      })
    },
    get: (request) => whereKept(request, undefined, entries.get),
    delete: (request) => whereKept(request, false, entries.delete)
  }
}
