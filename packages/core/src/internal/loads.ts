/**
 * The operations of an `EntityCache` that load.
 */
import { Cause, type Context, Effect, Exit, Result } from "effect"
import * as CacheError from "../CacheError.ts"
import type { EntityCache, LoadOptions, Lookup, Parts } from "../EntityCache.ts"
import type * as Entry from "../Entry.ts"
import * as Histogram from "../Histogram.ts"
import * as Loader from "../Loader.ts"
import * as LoadPolicy from "../LoadPolicy.ts"
import type * as ReadThrough from "../ReadThrough.ts"
import type * as Bookmarks from "./bookmarks.ts"
import * as FoundValue from "./found.ts"
import { Immediate } from "./immediate.ts"
import * as Lookups from "./lookups.ts"
import { PartialFailure } from "./partialFailure.ts"
import * as Peeks from "./peeks.ts"

/** How much the last load counts in the mean of their times. */
const LAST_LOAD_WEIGHT = 0.2

export interface Loads<Id, A> extends Pick<EntityCache<Id, A>, "getOrLoad" | "getManyOrLoad" | "refresh"> {
  readonly lookupOrLoad: <B extends Loader.Answer<A>, E, R>(
    id: Id,
    loader: Loader.Loader<A, B, E, R>,
    options: LoadOptions<A> | undefined
  ) => Effect.Effect<Lookup<Loader.Loaded<A, B>>, E | CacheError.CacheError, R>
}

export const make = <Id, A>(parts: Parts<Id, A> & Bookmarks.Bookmarks<Id>): Loads<Id, A> => {
  const { backend, bookmarkOf, codec, defaults, domain, keyOf, now, readThrough, tagsOf } = parts
  const { counters, loadTime, measure, operations } = domain
  const peek = Peeks.make(parts)
  const entityPolicy = LoadPolicy.resolve("load", parts.policy, defaults)
  const isRefreshedAhead = parts.policy.refreshAhead !== undefined
  let meanLoadMillis = 0

  const policyOf = (options: LoadOptions<A> | undefined) =>
    options === undefined
      ? entityPolicy
      : LoadPolicy.resolve("load", LoadPolicy.withCall(parts.policy, options), defaults)

  /** Throws a `CacheError` if an id has no tag that can be one. */
  const tagsByKey = (ids: ReadonlyArray<Id>, options: LoadOptions<A> | undefined): ReadThrough.Request<A>["tags"] =>
    new Map(ids.map((id) => [keyOf(id), tagsOf(id, options?.tags)]))

  const requestOf = (
    policy: LoadPolicy.LoadPolicy<A>,
    tags: ReadThrough.Request<A>["tags"],
    load: ReadThrough.Request<A>["load"]
  ): ReadThrough.Request<A> => ({
    codec,
    policy,
    tags,
    push: parts.onWrite === "update",
    load,
    counters,
    onLoaded: (millis) => {
      Histogram.record(loadTime, millis)
      meanLoadMillis = meanLoadMillis === 0 ? millis : meanLoadMillis + LAST_LOAD_WEIGHT * (millis - meanLoadMillis)
    }
  })

  const single = <E, R>(
    loader: Loader.Loader<A, Loader.Answer<A>, E, R>,
    policy: LoadPolicy.LoadPolicy<A>,
    tags: ReadThrough.Request<A>["tags"],
    context: Context.Context<R>
  ) =>
    requestOf(policy, tags, ([grant]) =>
      Effect.map(
        Effect.exit(Effect.provideContext(Loader.toEffect(loader, { previous: grant?.previous }), context)),
        (exit) => [exit]
      )
    )

  /** Whether a value is to be loaded anew although it is fresh. */
  const isDue = ({ refreshAheadMillis, xfetch }: LoadPolicy.LoadPolicy<A>, millisLeft: number): boolean => {
    if (refreshAheadMillis !== undefined) return millisLeft <= refreshAheadMillis
    // a random number from 0, exclusive, to 1
    return xfetch !== undefined && -Math.log(1 - defaults.random()) * xfetch * meanLoadMillis >= millisLeft
  }

  /** What this process holds and may return by the policy, and what else is to be done about it. */
  const heldFor = (key: string, policy: LoadPolicy.LoadPolicy<A>) => {
    const entry = backend.peekEntry(key, codec)
    const time = now()
    if (entry === undefined) return undefined
    if (Lookups.isHit(entry, time)) {
      return { entry, due: isDue(policy, entry.freshUntil - time) ? "refreshAhead" : undefined } as const
    }
    const isServed =
      policy.softMillis === 0 && entry.value !== undefined && LoadPolicy.mayBeServedStale(policy, entry, time)
    return isServed ? ({ entry, due: "revalidate" } as const) : undefined
  }

  const countHeld = (entry: Entry.Entry<A>) => {
    counters.l1Hits++
    if (!Lookups.isHit(entry, now())) counters.staleHits++
  }

  const countFound = ({ tier }: ReadThrough.Found) => {
    if (tier === "l1") counters.l1Hits++
    else if (tier === "l2") counters.l2Hits++
    else counters.misses++
  }

  const lookupOrLoad: Loads<Id, A>["lookupOrLoad"] = <B extends Loader.Answer<A>, E, R>(
    id: Id,
    loader: Loader.Loader<A, B, E, R>,
    options: LoadOptions<A> | undefined
  ) =>
    CacheError.suspend(() => {
      const key = keyOf(id)
      const policy = policyOf(options)
      const held = heldFor(key, policy)
      const hit = held && Effect.succeed(typed<A, B>(Lookups.ofEntry(held.entry, now())))
      if (held !== undefined) {
        countHeld(held.entry)
        operations.getOrLoad.immediate++
      }
      if (hit !== undefined && held?.due === undefined) return hit
      const tags = tagsByKey([id], options)
      return Effect.contextWith((context: Context.Context<R>) => {
        const request = single(loader, policy, tags, context)
        if (held?.due !== undefined) readThrough[held.due]([key], request)
        if (hit !== undefined) return hit
        const lookup = Effect.matchCauseEffect(withErrorsOf<E>()(readThrough.find(key, request)), {
          onFailure: (cause) => {
            if (Cause.hasFails(cause)) counters.misses++
            return Effect.failCause(cause)
          },
          onSuccess: (found) =>
            CacheError.attempt(() => {
              countFound(found)
              const millisLeft = found.freshUntil - now()
              if (found.tier !== "loader" && millisLeft > 0 && isDue(policy, millisLeft)) {
                readThrough.refreshAhead([key], request)
              }
              return typed<A, B>(Lookups.ofFound(FoundValue.read(key, found, codec), found, now()))
            })
        })
        return measure("getOrLoad", lookup)
      })
    })

  const getManyOrLoad: Loads<Id, A>["getManyOrLoad"] = <E, R>(
    ids: ReadonlyArray<Id>,
    loader: Loader.ManyLoader<Id, A, E, R>,
    options?: LoadOptions<A>
  ) =>
    CacheError.suspend(() => {
      const policy = policyOf(options)
      const idsByKey = new Map(ids.map((id) => [keyOf(id), id]))
      const values = new Map<string, A | undefined>()
      const dueKeys = { refreshAhead: new Array<string>(), revalidate: new Array<string>() }
      for (const key of idsByKey.keys()) {
        const held = heldFor(key, policy)
        if (held === undefined) continue
        countHeld(held.entry)
        values.set(key, held.entry.value)
        if (held.due !== undefined) dueKeys[held.due].push(key)
      }
      const idsOf = (keys: ReadonlyArray<string>) =>
        keys.flatMap((key) => (idsByKey.has(key) ? [idsByKey.get(key)!] : []))
      const missing = [...idsByKey.keys()].filter((key) => !values.has(key))
      const tags = tagsByKey(idsOf([...missing, ...dueKeys.refreshAhead, ...dueKeys.revalidate]), options)
      return Effect.contextWith((context: Context.Context<R>) => {
        const request = requestOf(policy, tags, (grants) => {
          const load = Effect.suspend(() => loader(idsOf(grants.map(({ key }) => key))))
          return Effect.map(Effect.exit(Effect.provideContext(load, context)), (exit) => answersOf(exit, grants))
        })
        readThrough.refreshAhead(dueKeys.refreshAhead, request)
        readThrough.revalidate(dueKeys.revalidate, request)
        if (missing.length === 0) {
          operations.getManyOrLoad.immediate++
          return Effect.succeed(inOrder(ids, values))
        }
        const finding = readThrough.findMany(missing, request)
        return measure(
          "getManyOrLoad",
          Effect.flatMap(finding, (exits) => collect<E>(ids, missing, exits, values))
        )
      })
    })

  /** The answers to a call for many keys, in their order. */
  const answersOf = <E>(
    exit: Exit.Exit<Iterable<readonly [id: Id, answer: A | undefined | Loader.Failed<E>]>, E>,
    grants: ReadonlyArray<ReadThrough.Grant<A>>
  ): ReadThrough.Answers<A> => {
    if (Exit.isFailure(exit)) return grants.map(() => Exit.failCause(exit.cause))
    const answers = new Map<string | undefined, A | undefined | Loader.Failed<E>>()
    for (const [id, answer] of exit.value) answers.set(keyOrNone(id), answer)
    return grants.map(({ key }) => {
      const answer = answers.get(key)
      return answer instanceof Loader.Failed ? Exit.fail(answer.error) : Exit.succeed(answer)
    })
  }

  /** What a loader answers for an id that cannot be is for nobody who asked. */
  const keyOrNone = (id: Id) => {
    try {
      return keyOf(id)
    } catch {
      return undefined
    }
  }

  const inOrder = (ids: ReadonlyArray<Id>, values: ReadonlyMap<string, A | undefined>) =>
    new Map(ids.map((id) => [id, values.get(keyOf(id))] as const))

  /** Puts together what was found; fails if anything could not be loaded. */
  const collect = <E>(
    ids: ReadonlyArray<Id>,
    keys: ReadonlyArray<string>,
    exits: ReadonlyArray<Exit.Exit<ReadThrough.Found, unknown>>,
    values: Map<string, A | undefined>
  ) =>
    CacheError.suspend(() => {
      const failuresByKey = new Map<string, { readonly error: E | CacheError.CacheError }>()
      for (const [index, key] of keys.entries()) {
        const exit = exits[index]
        if (exit === undefined) continue
        if (Exit.isSuccess(exit)) {
          countFound(exit.value)
          values.set(key, FoundValue.read(key, exit.value, codec))
          continue
        }
        counters.misses++
        const error = Cause.findError(errorsOf<E>(exit).cause)
        // a defect, or an interruption, is not one key's
        if (Result.isFailure(error)) return Effect.failCause(error.failure)
        failuresByKey.set(key, { error: error.success })
      }
      const found = inOrder(
        ids.filter((id) => values.has(keyOf(id))),
        values
      )
      if (failuresByKey.size === 0) return Effect.succeed(found)
      const failures = ids.flatMap((id) => {
        const failure = failuresByKey.get(keyOf(id))
        return failure === undefined ? [] : [[id, failure.error] as const]
      })
      return Effect.fail(new PartialFailure(found, new Map(failures)))
    })

  /** Without a look at whether the value is due: for what is not refreshed ahead. */
  const peekToLoad = (id: Id) => peek(bookmarkOf(id), operations.getOrLoad)

  return {
    lookupOrLoad,
    getManyOrLoad,
    getOrLoad: (id, loader, options) => {
      const load = () => Effect.map(lookupOrLoad(id, loader, options), ({ value }) => value)
      return isRefreshedAhead || options?.refreshAhead !== undefined ? load() : new Immediate(peekToLoad, id, load)
    },
    refresh: <B extends Loader.Answer<A>, E, R>(id: Id, loader: Loader.Loader<A, B, E, R>, options?: LoadOptions<A>) =>
      CacheError.suspend(() => {
        const key = keyOf(id)
        const tags = tagsByKey([id], options)
        // who asks for a new value is not content with the old one
        const policy = { ...policyOf(options), staleIfError: false, softMillis: undefined }
        const refreshing = Effect.contextWith((context: Context.Context<R>) =>
          Effect.flatMap(withErrorsOf<E>()(readThrough.refresh(key, single(loader, policy, tags, context))), (found) =>
            CacheError.attempt(
              () => typed<A, B>(Lookups.ofFound(FoundValue.read(key, found, codec), found, now())).value
            )
          )
        )
        return measure("refresh", refreshing)
      })
  }
}

/* oxlint-disable typescript/no-unsafe-type-assertion -- What callers of one key agree on, as `EntityCache.getOrLoad` says: whose
   loader runs, all get its value or its error. No type can tell. */

const typed = <A, B>(lookup: Lookup<A | undefined>) => lookup as Lookup<Loader.Loaded<A, B>>

const withErrorsOf =
  <E>() =>
  <B>(effect: Effect.Effect<B, unknown>) =>
    effect as Effect.Effect<B, E | CacheError.CacheError>

const errorsOf = <E>(exit: Exit.Failure<unknown, unknown>) => exit as Exit.Failure<never, E | CacheError.CacheError>
