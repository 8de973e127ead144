/**
 * The operations on one kind of data for those who `await`. A hit in this process starts no fiber.
 */
import type { CacheBackend, EntityCache, Loader, Ttl } from "@tiercache/core"
import { type Duration, Effect } from "effect"
import type * as Running from "./internal/running.ts"

/** What a loader is told. */
export interface LoaderContext<out A> extends Loader.Context<A> {
  /** Aborted when nobody waits for the value any more, and when the load took too long. */
  readonly signal: AbortSignal
}

/** Loads a value, or says that there is none (`undefined`) or that it is the one it was told of (`Loader.notModified`). */
export type PromiseLoader<A, B extends Loader.Answer<A>> = (context: LoaderContext<A>) => B | PromiseLike<B>

/** See `Loader.ManyLoader`. */
export type PromiseManyLoader<Id, A> = (
  missing: ReadonlyArray<Id>,
  context: { readonly signal: AbortSignal }
) => ManyAnswers<Id, A> | PromiseLike<ManyAnswers<Id, A>>

type ManyAnswers<Id, A> = Iterable<readonly [id: Id, answer: A | undefined | Loader.Failed<unknown>]>

export interface LoadOptions<in A> extends EntityCache.LoadOptions<A> {
  /** Rejects this call when it is aborted, with the signal's reason. Other callers get their value. */
  readonly signal?: AbortSignal | undefined
}

/**
 * As `EntityCache`, with promises that reject with `CacheError`. Those that load reject with what the loader rejected with too; that
 * is the same for all who waited.
 */
export interface PromiseEntityCache<Id, A> {
  /** What this process holds and may serve at this moment; synchronous. Throws a `CacheError` with reason `InvalidKey`. */
  readonly peek: (id: Id) => A | undefined
  /** All who hit the same entry may get the same promise: add nothing to it. */
  readonly get: (id: Id, options?: CacheBackend.GetOptions) => Promise<A | undefined>
  /** The value; if there is none, the one that the loader brings, which is stored for all. */
  readonly getOrLoad: <B extends Loader.Answer<A>>(
    id: Id,
    loader: PromiseLoader<A, B>,
    options?: LoadOptions<A>
  ) => Promise<Loader.Loaded<A, B>>
  /**
   * As `getOrLoad` for many, with one call of the loader for all that is missing; in the order of the ids. Rejects with
   * `EntityCache.PartialFailure` if any could not be loaded.
   */
  readonly getManyOrLoad: (
    ids: ReadonlyArray<Id>,
    loader: PromiseManyLoader<Id, A>,
    options?: LoadOptions<A>
  ) => Promise<ReadonlyMap<Id, A | undefined>>
  /** Loads a value whether there is one or not. Readers have the old one until then. */
  readonly refresh: <B extends Loader.Answer<A>>(
    id: Id,
    loader: PromiseLoader<A, B>,
    options?: LoadOptions<A>
  ) => Promise<Loader.Loaded<A, B>>
  readonly lookup: {
    /** As `get`, with tier, staleness and time left; stale values too, while they are kept. */
    (id: Id, options?: CacheBackend.GetOptions): Promise<EntityCache.Lookup<A | undefined> | undefined>
    /** As `getOrLoad`, likewise. */
    <B extends Loader.Answer<A>>(
      id: Id,
      loader: PromiseLoader<A, B>,
      options?: LoadOptions<A>
    ): Promise<EntityCache.Lookup<Loader.Loaded<A, B>>>
  }
  /** All ids in the order asked, `undefined` for a miss. */
  readonly getMany: (
    ids: ReadonlyArray<Id>,
    options?: CacheBackend.GetOptions
  ) => Promise<ReadonlyMap<Id, A | undefined>>
  /** Whether it was written, which `only` may prevent. */
  readonly set: (id: Id, value: A, options?: EntityCache.SetOptions) => Promise<boolean>
  /** How many were written. */
  readonly setMany: (
    entries: ReadonlyArray<readonly [id: Id, value: A]>,
    options?: EntityCache.SetOptions
  ) => Promise<number>
  /** Whether there was anything. */
  readonly delete: (id: Id) => Promise<boolean>
  /** How many there were. */
  readonly deleteMany: (ids: ReadonlyArray<Id>) => Promise<number>
  readonly has: (id: Id) => Promise<boolean>
  /** The time left, `undefined` if there is no such entry. */
  readonly ttl: (id: Id) => Promise<Duration.Duration | undefined>
  /** Gives an entry a new TTL, counted from now; false if there is none. */
  readonly expire: (id: Id, ttl: Ttl.Input) => Promise<boolean>
}

/** Wraps operations. `isRefreshedAhead` if a hit may have to do more than return; so may one of a call with such options. */
export const make = <Id, A>(
  entity: EntityCache.EntityCache<Id, A>,
  isRefreshedAhead: boolean,
  { run, runAbortable, runWrite }: Running.Running
): PromiseEntityCache<Id, A> => {
  /** What this process holds, as a promise. */
  const held = (id: Id): Promise<A> | undefined => {
    try {
      return entity.peekPromise(id)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  function lookup(id: Id, options?: CacheBackend.GetOptions): Promise<EntityCache.Lookup<A | undefined> | undefined>
  function lookup<B extends Loader.Answer<A>>(
    id: Id,
    loader: PromiseLoader<A, B>,
    options?: LoadOptions<A>
  ): Promise<EntityCache.Lookup<Loader.Loaded<A, B>>>
  function lookup<B extends Loader.Answer<A>>(
    id: Id,
    second?: CacheBackend.GetOptions | PromiseLoader<A, B>,
    options?: LoadOptions<A>
  ): Promise<EntityCache.Lookup<A | undefined> | undefined> {
    if (typeof second !== "function") return run(entity.lookup(id, second))
    return runAbortable(entity.lookup(id, toLoader(second), options), options)
  }

  return {
    lookup,
    peek: entity.peek,
    get: (id, options) => (options?.fresh === true ? undefined : held(id)) ?? run(entity.get(id, options)),
    getOrLoad: (id, loader, options) =>
      (isRefreshedAhead || options?.refreshAhead !== undefined || options?.signal?.aborted === true
        ? undefined
        : held(id)) ?? runAbortable(entity.getOrLoad(id, toLoader(loader), options), options),
    getManyOrLoad: (ids, loader, options) =>
      runAbortable(
        entity.getManyOrLoad(ids, (missing) => toEffect((signal) => loader(missing, { signal })), options),
        options
      ),
    refresh: (id, loader, options) => runAbortable(entity.refresh(id, toLoader(loader), options), options),
    getMany: (ids, options) => run(entity.getMany(ids, options)),
    set: (id, value, options) => runWrite(entity.set(id, value, options)),
    // async, so that what is thrown is a rejection
    setMany: async (entries, options) => runWrite(entity.setMany(entries, options)),
    delete: (id) => runWrite(entity.delete(id)),
    deleteMany: (ids) => runWrite(entity.deleteMany(ids)),
    has: (id) => run(entity.has(id)),
    ttl: (id) => run(entity.ttl(id)),
    expire: (id, ttl) => runWrite(entity.expire(id, ttl))
  }
}

export const toLoader =
  <A, B extends Loader.Answer<A>>(loader: PromiseLoader<A, B>) =>
  (context: Loader.Context<A>): Effect.Effect<B, unknown> =>
    toEffect((signal) => loader({ ...context, signal }))

/** What it rejects with is the error of the Effect as it is: it is the caller's own, and goes back to the caller. */
export const toEffect = <A>(f: (signal: AbortSignal) => A | PromiseLike<A>): Effect.Effect<A, unknown> =>
  // @effect-diagnostics-next-line unknownInEffectCatch:off
  Effect.tryPromise({ try: async (signal) => f(signal), catch: (error) => error })
