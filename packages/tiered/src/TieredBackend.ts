/**
 * An L1 inside the process in front of an L2 that all processes share.
 *
 * **Details**
 *
 * Reads ask L1, then L2, and keep what L2 has. Writes go to L2, which announces them; L1 takes them over when L2 has
 * acknowledged them. `Coherence` keeps L1 from serving what other processes have replaced, and says how.
 */
import {
  CacheBackend,
  CacheError,
  type Codec,
  type Entry,
  Invalidation,
  LocalStore,
  MonotonicClock,
  Snapshot,
  Ttl
} from "@tiercache/core"
import { Context, Duration, Effect, Exit, Layer, Option, type Stream } from "effect"
import * as Coherence from "./Coherence.ts"
import type * as FillTokens from "./FillTokens.ts"
import * as Rules from "./internal/rules.ts"
import type * as Trust from "./Trust.ts"

export interface Options {
  /**
   * How long after the acknowledgement of a write a read may still return what it replaced, 1 second unless given. Four
   * heartbeats are sent in that time.
   */
  readonly staleness?: Ttl.Input | undefined
  /**
   * What a read does while L1 is not trusted. `"l2"`, the default, asks L2. An age serves what L1 held when trust lapsed, marked
   * stale, until the lapse is that long ago: with `staleness` it is the bound on what such a read returns.
   */
  readonly whileDistrusted?: "l2" | { readonly serveStale: Ttl.Input } | undefined
}

const DEFAULT_STALENESS = "1 second"

/** Heartbeats more often than that would be most of what Redis does. */
const MIN_STALENESS_MILLIS = 20

/** Whether L1 is trusted: the state now, and whenever it changes. Beside the backend, for those who want to watch it. */
export class TrustStates extends Context.Service<TrustStates, Stream.Stream<Trust.State>>()(
  "@tiercache/tiered/TrustStates"
) {}

/** With the rules of the protocol and the limits of its tables, for tests that change them. */
export const makeWith = Effect.fnUntraced(function* (options: Options, rules: Rules.Rules, limits: Coherence.Limits) {
  const local = yield* LocalStore.LocalStore
  const l2 = yield* CacheBackend.CacheBackend
  const bus = yield* Invalidation.Invalidation
  const now = yield* MonotonicClock.now
  const { boundMillis, staleMillis } = yield* CacheError.attempt(() => settingsOf(options))
  const coherence = yield* Coherence.make({ local, l2, bus, now }, { boundMillis, rules, limits })
  const { ownWrites, tokens, trust } = coherence

  /** What L1 may serve, without decoding it. */
  const held = (key: string): LocalStore.LocalEntry | undefined => {
    const entry = local.get(key)
    if (entry === undefined) return undefined
    const time = now()
    if (time >= entry.goneAfter) {
      local.delete(key)
      return undefined
    }
    if (time < trust.until) return entry
    return time < trust.lapsesAt + staleMillis ? { ...entry, freshUntil: -Infinity } : undefined
  }

  const readLocal = <A>(key: string, codec: Codec.Codec<A>): Entry.Entry<A> | undefined => {
    const entry = held(key)
    // what another codec would make of it is for L2 to say
    if (entry === undefined || !Snapshot.wasMadeWith(entry.snapshot, codec)) return undefined
    const { freshUntil, goneAfter, snapshot, version } = entry
    return { value: Snapshot.read(snapshot, codec, key), freshUntil, goneAfter, version, tier: "l1" }
  }

  /**
   * Ends a read that L2 has answered: puts what it brought into L1, unless something happened to the key meanwhile. What is not
   * kept leaves L1 without the key: the caller is about to see it, and must not be served anything older afterwards.
   */
  const fill = <A>(token: FillTokens.Token, codec: Codec.Codec<A>, entry: Entry.Entry<A> | undefined) => {
    const isValid = tokens.close(token) || !rules.fillTokens
    if (entry !== undefined && !isValid) coherence.refused()
    const snapshot = entry && isValid ? copyOf(codec, entry.value, token.key) : undefined
    if (entry === undefined || snapshot === undefined) return void local.delete(token.key)
    const { freshUntil, goneAfter, version } = entry
    local.set(token.key, { snapshot, freshUntil, goneAfter, version })
  }

  /** Reads keys from L2, which answers in their order. */
  const readThrough = <A>(
    keys: ReadonlyArray<string>,
    codec: Codec.Codec<A>,
    send: () => Effect.Effect<ReadonlyArray<Entry.Entry<A> | undefined>, CacheError.CacheError>
  ) => {
    let open: ReadonlyArray<FillTokens.Token> = []
    return Effect.suspend(() => {
      open = keys.map(tokens.open)
      return send()
    }).pipe(
      // around the opening, or an interruption between the two would leave tokens open for good
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) open.forEach((token, index) => fill(token, codec, exit.value[index]))
          else open.forEach(tokens.close)
        })
      ),
      Effect.map((entries) => entries.map(fromL2))
    )
  }

  /**
   * An own write to some keys. L1 has nothing for them while it is in flight; `apply` runs when L2 has acknowledged it, with
   * the keys to which nothing else happened meanwhile. If nobody knows whether it was executed, and it is one that leaves
   * nothing worth keeping, its keys are deleted.
   */
  const write = <A>(
    keys: ReadonlyArray<string>,
    onDoubt: "delete" | "keep",
    send: (writeId: number) => Effect.Effect<A, CacheError.CacheError>,
    apply?: (answer: A, untouched: ReadonlySet<string>, startedAt: number) => void
  ) =>
    Effect.suspend(() => {
      const startedAt = now()
      let begun: { readonly writeId: number; readonly open: ReadonlyArray<FillTokens.Token> } | undefined
      const begin = Effect.suspend(() => {
        const writeId = ownWrites.begin()
        begun = { writeId, open: rules.writeTokens ? keys.map(tokens.openWrite) : [] }
        keys.forEach((key) => local.delete(key))
        return send(writeId)
      })
      return Effect.onExit(begin, (exit) =>
        Effect.sync(() => {
          if (begun === undefined) return
          const { open, writeId } = begun
          ownWrites.end(writeId, Exit.isSuccess(exit))
          const untouched = new Set(rules.writeTokens ? open.filter(tokens.close).map(({ key }) => key) : keys)
          keys.forEach(coherence.forget)
          if (Exit.isSuccess(exit)) apply?.(exit.value, untouched, startedAt)
          else if (onDoubt === "delete" && mayHaveHappened(exit)) coherence.doubt(keys)
        })
      )
    })

  /** Writes entries to L2, and then those that were written to L1, as copies taken before anybody could change them. */
  const writeThrough = <A, B>(
    entries: ReadonlyArray<readonly [key: string, value: A]>,
    codec: Codec.Codec<A>,
    { only, ttl }: CacheBackend.SetOptions,
    send: (writeId: number) => Effect.Effect<B, CacheError.CacheError>,
    isWritten: (answer: B) => boolean
  ) =>
    CacheError.suspend(() => {
      const lifetime = Ttl.toMillisUnsafe("set", ttl)
      const snapshots = new Map(entries.map(([key, value]) => [key, Snapshot.make(codec, value, key)]))
      const onDoubt = only === undefined ? "delete" : "keep"
      return write([...snapshots.keys()], onDoubt, send, (answer, untouched, startedAt) => {
        if (!isWritten(answer)) return
        const deadline = startedAt + lifetime
        for (const [key, snapshot] of snapshots) {
          if (!untouched.has(key)) continue
          local.set(key, { snapshot, freshUntil: deadline, goneAfter: deadline, version: UNKNOWN_VERSION })
        }
      })
    })

  const backend = CacheBackend.CacheBackend.of({
    name: "tiered",
    unsupported: l2.unsupported,
    lateMillis: l2.lateMillis,
    peek: (key, codec) => {
      const entry = local.get(key)
      if (entry === undefined) return undefined
      const time = now()
      if (time >= trust.until || time >= entry.freshUntil) return undefined
      return Snapshot.wasMadeWith(entry.snapshot, codec) ? Snapshot.read(entry.snapshot, codec, key) : undefined
    },
    get: (key, codec, options) =>
      Effect.suspend(() => {
        const hit = options?.fresh === true ? undefined : readLocal(key, codec)
        if (hit !== undefined) return Effect.succeed(hit)
        const send = () => Effect.map(l2.get(key, codec), (entry) => [entry])
        return Effect.map(readThrough([key], codec, send), ([entry]) => entry)
      }),
    getMany: (keys, codec, options) =>
      Effect.suspend(() => {
        const hits = keys.map((key) => (options?.fresh === true ? undefined : readLocal(key, codec)))
        const missing = [...new Set(keys.filter((_, index) => hits[index] === undefined))]
        if (missing.length === 0) return Effect.succeed(hits)
        return Effect.map(
          readThrough(missing, codec, () => l2.getMany(missing, codec)),
          (entries) => {
            const found = new Map(missing.map((key, index) => [key, entries[index]]))
            return keys.map((key, index) => hits[index] ?? found.get(key))
          }
        )
      }),
    set: (key, codec, value, options) =>
      writeThrough(
        [[key, value]],
        codec,
        options,
        (writeId) => l2.set(key, codec, value, { ...options, writeId }),
        (isWritten) => isWritten
      ),
    setMany: (entries, codec, options) =>
      writeThrough(
        entries,
        codec,
        options,
        (writeId) => l2.setMany(entries, codec, { ...options, writeId }),
        // with `only` the answer does not say which
        () => options.only === undefined
      ),
    delete: (key) => write([key], "delete", () => l2.delete(key)),
    deleteMany: (keys) => write(keys, "delete", () => l2.deleteMany(keys)),
    has: (key) => Effect.suspend(() => (held(key) === undefined ? l2.has(key) : Effect.succeed(true))),
    ttl: (key) =>
      Effect.suspend(() => {
        const entry = held(key)
        return entry === undefined ? l2.ttl(key) : Effect.succeed(Duration.millis(entry.goneAfter - now()))
      }),
    expire: (key, ttl) => write([key], "keep", () => l2.expire(key, ttl)),
    scan: l2.scan,
    deletePattern: (pattern) =>
      Effect.ensuring(
        l2.deletePattern(pattern),
        Effect.sync(() => coherence.forgetMatching(pattern.matches))
      ),
    increment: (key, options) => write([key], "keep", () => l2.increment(key, options)),
    run: (script, keys, args) => write(keys, "keep", () => l2.run(script, keys, args)),
    changes: l2.changes,
    health: Effect.map(l2.health, (health) => ({
      ...health,
      details: { ...health.details, l1: trust.state(), l1Entries: local.stats().entries }
    })),
    stats: () => ({ ...l2.stats(), local: local.stats(), coherence: coherence.stats() })
  })
  return Context.make(CacheBackend.CacheBackend, backend).pipe(Context.add(TrustStates, coherence.states))
})

/** An own write's version is known to L2 alone; no announced value counts as newer, so any of them removes the entry. */
const UNKNOWN_VERSION = Infinity

/** A value for L1. Nothing for one that its codec reads, but would not write: then each reader has to ask L2. */
const copyOf = <A>(codec: Codec.Codec<A>, value: A, key: string): Snapshot.Snapshot<A> | undefined => {
  try {
    return Snapshot.own(codec, value, key)
  } catch {
    return undefined
  }
}

/** Not if the caller's input was refused, or Redis answered that it did not do it. */
const mayHaveHappened = (exit: Exit.Failure<unknown, CacheError.CacheError>): boolean => {
  const error = Exit.findErrorOption(exit)
  return Option.isNone(error) || error.value.reason === "Timeout" || error.value.reason === "Unavailable"
}

const fromL2 = <A>(entry: Entry.Entry<A> | undefined): Entry.Entry<A> | undefined => entry && { ...entry, tier: "l2" }

const settingsOf = ({ staleness, whileDistrusted }: Options) => {
  const boundMillis = Ttl.toMillisUnsafe("staleness", staleness ?? DEFAULT_STALENESS)
  if (boundMillis < MIN_STALENESS_MILLIS) {
    throw CacheError.make("make", "InvalidOption", `staleness is at least ${MIN_STALENESS_MILLIS} ms`)
  }
  const staleMillis =
    whileDistrusted === undefined || whileDistrusted === "l2"
      ? 0
      : Ttl.toMillisUnsafe("whileDistrusted", whileDistrusted.serveStale)
  return { boundMillis, staleMillis }
}

export const make = (options?: Options) => makeWith(options ?? {}, Rules.all, Coherence.LIMITS)

/** The tiered backend over an L1, an L2 and the bus on which L2's writes are announced. Fails with `InvalidOption` only. */
export const layer = (
  options?: Options
): Layer.Layer<
  CacheBackend.CacheBackend | TrustStates,
  CacheError.CacheError,
  CacheBackend.CacheBackend | Invalidation.Invalidation | LocalStore.LocalStore
> => Layer.effectContext(make(options))
