/**
 * A backend that tells what it does.
 */
import { Cause, type Context, Effect, Exit } from "effect"
import type * as CacheBackend from "../CacheBackend.ts"
import * as CacheError from "../CacheError.ts"
import type * as Codec from "../Codec.ts"
import type * as Entry from "../Entry.ts"
import type * as Lease from "../Lease.ts"
import type * as MonotonicClock from "../MonotonicClock.ts"
import type * as KeyNames from "./keyNames.ts"

type Backend = CacheBackend.CacheBackend["Service"]

export interface Settings {
  readonly hits: boolean
  readonly misses: boolean
  /** All operations. */
  readonly all: boolean
  /** From how many milliseconds on an operation is slow. */
  readonly slowMillis: number | undefined
}

export interface Dependencies {
  readonly now: MonotonicClock.Now
  readonly names: KeyNames.KeyNames
  /** Has the loggers for what is read outside of a fiber. */
  readonly context: Context.Context<never>
}

/** Which of the keys were found. */
interface Reads {
  readonly hits: ReadonlyArray<string>
  readonly misses: ReadonlyArray<string>
}

interface Operation<A> {
  readonly name: string
  readonly keys: ReadonlyArray<string>
  readonly codec?: KeyNames.AnyCodec | undefined
  readonly effect: Effect.Effect<A, CacheError.CacheError>
  /** Of a read. */
  readonly reads?: ((result: A) => Reads) | undefined
  /** In a word or a number; the result itself unless given. */
  readonly outcome?: ((result: A) => string) | undefined
}

const NONE: Reads = { hits: [], misses: [] }

export const make = (backend: Backend, settings: Settings, { context, names, now }: Dependencies): Backend => {
  const { all, slowMillis } = settings
  const { leases } = backend
  const runFork = Effect.runForkWith(context)

  const logReads = ({ hits, misses }: Reads, codec: KeyNames.AnyCodec | undefined) =>
    Effect.andThen(
      settings.hits && hits.length > 0 ? debug("cache hit", names.of(hits, codec)) : Effect.void,
      settings.misses && misses.length > 0 ? debug("cache miss", names.of(misses, codec)) : Effect.void
    )

  const log = <A>({ codec, keys, name, outcome, reads }: Operation<A>, exit: Exit.Exit<A, unknown>, millis: number) =>
    Effect.suspend(() => {
      const found = Exit.isSuccess(exit) ? (reads?.(exit.value) ?? NONE) : NONE
      const what = { ...names.of(keys, codec), "cache.operation": name, "cache.millis": millis }
      const isSlow = slowMillis !== undefined && millis >= slowMillis
      return logReads(found, codec).pipe(
        Effect.andThen(isSlow ? warning("slow cache operation", what) : Effect.void),
        Effect.andThen(
          all ? debug("cache operation", { ...what, "cache.outcome": outcomeOf(exit, outcome) }) : Effect.void
        )
      )
    })

  const logged = <A>(operation: Operation<A>): Effect.Effect<A, CacheError.CacheError> =>
    Effect.suspend(() => {
      const startedAt = now()
      return operation.effect.pipe(
        Effect.mapError((error) => named(error, operation)),
        Effect.onExit((exit) => log(operation, exit, now() - startedAt))
      )
    })

  /** With the key, if that may be named. */
  const named = <A>(error: CacheError.CacheError, { codec, keys }: Operation<A>) => {
    const [key] = keys
    const visible = key === undefined || keys.length > 1 ? undefined : names.visible(key, codec)
    if (visible === undefined) return error
    return CacheError.make(error.operation, error.reason, `${error.message} (key ${visible})`)
  }

  /** What was found without a fiber. That nothing was is told by the read that follows. */
  const loggedPeek = (key: string, codec: KeyNames.AnyCodec, isHit: boolean) => {
    const hit = isHit ? logReads({ hits: [key], misses: [] }, codec) : Effect.void
    const what = { ...names.of([key], codec), "cache.operation": "peek", "cache.outcome": isHit ? "hit" : "miss" }
    if (all || (settings.hits && isHit))
      runFork(Effect.andThen(hit, all ? debug("cache operation", what) : Effect.void))
  }

  const readsOf =
    (keys: ReadonlyArray<string>) =>
    (entries: ReadonlyArray<Entry.Entry<unknown> | undefined>): Reads => {
      const time = now()
      const isHit = (index: number) => (entries[index]?.freshUntil ?? -Infinity) > time
      return { hits: keys.filter((_, index) => isHit(index)), misses: keys.filter((_, index) => !isHit(index)) }
    }

  const countOf = ({ hits, misses }: Reads) => `${hits.length} hits, ${misses.length} misses`

  return {
    ...backend,
    // who logs neither pays nothing for it
    ...((settings.hits || all) && {
      peek: <A>(key: string, codec: Codec.Codec<A>) => {
        const value = backend.peek(key, codec)
        loggedPeek(key, codec, value !== undefined)
        return value
      },
      peekEntry: <A>(key: string, codec: Codec.Codec<A>) => {
        const entry = backend.peekEntry(key, codec)
        loggedPeek(key, codec, entry !== undefined && now() < entry.freshUntil)
        return entry
      }
    }),
    get: (key, codec, options) => {
      const reads = (entry: Entry.Entry<unknown> | undefined) => readsOf([key])([entry])
      return logged({
        name: "get",
        keys: [key],
        codec,
        effect: backend.get(key, codec, options),
        reads,
        outcome: (entry) => (reads(entry).hits.length > 0 ? "hit" : "miss")
      })
    },
    getMany: (keys, codec, options) => {
      const reads = readsOf(keys)
      const effect = backend.getMany(keys, codec, options)
      return logged({ name: "getMany", keys, codec, effect, reads, outcome: (entries) => countOf(reads(entries)) })
    },
    set: (key, codec, value, options) =>
      logged({ name: "set", keys: [key], codec, effect: backend.set(key, codec, value, options) }),
    setMany: (entries, codec, options) =>
      logged({
        name: "setMany",
        keys: entries.map(([key]) => key),
        codec,
        effect: backend.setMany(entries, codec, options)
      }),
    delete: (key) => logged({ name: "delete", keys: [key], effect: backend.delete(key) }),
    deleteMany: (keys) => logged({ name: "deleteMany", keys, effect: backend.deleteMany(keys) }),
    has: (key) => logged({ name: "has", keys: [key], effect: backend.has(key) }),
    ttl: (key) => logged({ name: "ttl", keys: [key], effect: backend.ttl(key) }),
    expire: (key, ttl) => logged({ name: "expire", keys: [key], effect: backend.expire(key, ttl) }),
    increment: (key, options) => logged({ name: "increment", keys: [key], effect: backend.increment(key, options) }),
    deletePattern: (pattern, options) =>
      logged({ name: "deletePattern", keys: [], effect: backend.deletePattern(pattern, options) }),
    deleteTags: (tags, onDeleted) =>
      logged({ name: "deleteTags", keys: [], effect: backend.deleteTags(tags, onDeleted) }),
    sweep: (options) =>
      logged({
        name: "sweep",
        keys: [],
        effect: backend.sweep(options),
        outcome: ({ deleted }) => `${deleted} deleted`
      }),
    // past this log otherwise
    runUnsafe: undefined,
    run: (script, keys, args) =>
      logged({
        name: `run ${script.name}`,
        keys,
        effect: backend.run(script, keys, args),
        outcome: () => "done"
      }),
    leases: {
      ...leases,
      take: (keys, codec, options) => {
        const reads = (found: ReadonlyArray<Lease.Lease<unknown>>) => ({
          hits: keys.filter((_, index) => found[index]?._tag === "Hit"),
          misses: keys.filter((_, index) => found[index]?._tag === "Granted")
        })
        return logged({
          name: "take",
          keys,
          codec,
          effect: leases.take(keys, codec, options),
          reads,
          outcome: (found) => found.map(({ _tag }) => _tag).join(" ")
        })
      },
      fill: (loaded, options) =>
        logged({ name: "fill", keys: loaded.map(({ key }) => key), effect: leases.fill(loaded, options) })
    }
  }
}

const debug = (message: string, names: KeyNames.Names) => Effect.annotateLogs(Effect.logDebug(message), names)
const warning = (message: string, names: KeyNames.Names) => Effect.annotateLogs(Effect.logWarning(message), names)

const outcomeOf = <A>(exit: Exit.Exit<A, unknown>, outcome: (result: A) => string = String): string => {
  if (Exit.isSuccess(exit)) return outcome(exit.value)
  const [error] = exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => error)
  if (CacheError.isCacheError(error)) return error.reason
  return Exit.hasInterrupts(exit) ? "interrupted" : "defect"
}
