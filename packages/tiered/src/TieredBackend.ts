/**
 * An L1 inside the process in front of an L2 that all processes share.
 *
 * L1 holds what this process read or wrote lately. It is kept correct by what other processes announce on the bus:
 *
 * - A message about a key removes it from L1, and voids the fill tokens of reads and writes in flight for it
 *   (`FillTokens`): what they bring may be older than what was announced.
 * - L1 is read only while the bus is connected (`Trust`). Once it is connected again L1 starts empty, because nobody knows
 *   what was missed.
 * - Own writes go to L2 first; only after its answer, and only if nothing was announced for the key meanwhile, the new value
 *   enters L1. An own write that fails removes the key: nobody knows whether it happened.
 * - An entry leaves L1 no later than L2: it carries L2's deadline.
 *
 * What this gives: once the announcement of a write has arrived, and always after the bus was connected again, no read
 * here returns the value from before the write. How late it may arrive is not bounded by this backend.
 */
import {
  CacheBackend,
  CacheError,
  type Codec,
  type Entry,
  Invalidation,
  type KeyPattern,
  LocalStore,
  MonotonicClock,
  Snapshot,
  Ttl
} from "@tiercache/core"
import { Duration, Effect, Exit, Layer } from "effect"
import * as FillTokens from "./FillTokens.ts"
import * as Trust from "./Trust.ts"

export const make = Effect.fnUntraced(function* () {
  const local = yield* LocalStore.LocalStore
  const l2 = yield* CacheBackend.CacheBackend
  const bus = yield* Invalidation.Invalidation
  const now = yield* MonotonicClock.now
  const trust = Trust.make()
  const tokens = FillTokens.make()

  const forget = (key: string) => {
    local.delete(key)
    tokens.voidKey(key)
  }
  const forgetAll = () => {
    local.clear()
    tokens.voidAll()
  }
  const forgetMatching = (pattern: KeyPattern.KeyPattern) => {
    for (const key of [...local.keys()]) if (pattern.matches(key)) local.delete(key)
    tokens.voidMatching(pattern.matches)
  }

  yield* bus.subscribe({
    onMessage: ({ keys, kind, origin }) => {
      // L1 already has what this process wrote, or had it removed by a later message
      if (kind === "set" && origin === bus.origin) return
      if (kind === "flush") forgetAll()
      else keys.forEach(forget)
    },
    onConnected: () => {
      forgetAll()
      trust.connected()
    },
    onDisconnected: trust.disconnected
  })

  /** What L1 may serve: trusted, and not gone. */
  const valid = (key: string): LocalStore.LocalEntry | undefined => {
    const entry = local.get(key)
    if (entry === undefined) return undefined
    const time = now()
    if (time >= trust.until) return undefined
    if (time < entry.goneAfter) return entry
    local.delete(key)
    return undefined
  }

  const readLocal = <A>(key: string, codec: Codec.Codec<A>): Entry.Entry<A> | undefined => {
    const entry = valid(key)
    // with another codec the bytes decide, and those are in L2
    if (entry === undefined || !Snapshot.wasMadeWith(entry.snapshot, codec)) return undefined
    const value = Snapshot.read(entry.snapshot, codec, key)
    return { value, freshUntil: entry.freshUntil, goneAfter: entry.goneAfter, tier: "l1" }
  }

  /** Ends a read: puts what it brought into L1 unless something happened to the key meanwhile. */
  const fill = <A>(token: FillTokens.Token, codec: Codec.Codec<A>, entry: Entry.Entry<A> | undefined) => {
    if (!tokens.close(token) || entry === undefined) return
    const { freshUntil, goneAfter, value } = entry
    local.set(token.key, { snapshot: Snapshot.own(codec, value, token.key), freshUntil, goneAfter })
  }

  /**
   * An own write to some keys: L1 gives them up before it starts. `apply` runs after L2's answer, with the keys to which
   * nothing else happened meanwhile.
   */
  const write = <A>(
    keys: ReadonlyArray<string>,
    effect: Effect.Effect<A, CacheError.CacheError>,
    apply?: (answer: A, untouched: ReadonlySet<string>, startedAt: number) => void
  ) =>
    Effect.suspend(() => {
      const startedAt = now()
      const open = keys.map(tokens.openWrite)
      keys.forEach((key) => local.delete(key))
      return Effect.onExit(effect, (exit) =>
        Effect.sync(() => {
          const untouched = new Set(open.filter(tokens.close).map(({ key }) => key))
          if (Exit.isSuccess(exit)) apply?.(exit.value, untouched, startedAt)
        })
      )
    })

  /** Writes entries to L2, then those that were written to L1, as copies taken before anything else could change them. */
  const writeThrough = <A, B>(
    entries: ReadonlyArray<readonly [key: string, value: A]>,
    codec: Codec.Codec<A>,
    ttl: Ttl.Input,
    effect: Effect.Effect<B, CacheError.CacheError>,
    isWritten: (answer: B) => boolean
  ) =>
    CacheError.suspend(() => {
      const lifetime = Ttl.toMillisUnsafe("set", ttl)
      const snapshots = new Map(entries.map(([key, value]) => [key, Snapshot.make(codec, value, key)]))
      return write([...snapshots.keys()], effect, (answer, untouched, startedAt) => {
        if (!isWritten(answer)) return
        const deadline = startedAt + lifetime
        for (const [key, snapshot] of snapshots) {
          if (untouched.has(key)) local.set(key, { snapshot, freshUntil: deadline, goneAfter: deadline })
        }
      })
    })

  return CacheBackend.CacheBackend.of({
    name: "tiered",
    unsupported: l2.unsupported,
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
        const token = tokens.open(key)
        return l2.get(key, codec).pipe(
          Effect.onExit((exit) => Effect.sync(() => fill(token, codec, Exit.isSuccess(exit) ? exit.value : undefined))),
          Effect.map(fromL2)
        )
      }),
    getMany: (keys, codec, options) =>
      Effect.suspend(() => {
        const hits = keys.map((key) => (options?.fresh === true ? undefined : readLocal(key, codec)))
        const missing = [...new Set(keys.filter((_, index) => hits[index] === undefined))]
        if (missing.length === 0) return Effect.succeed(hits)
        const open = missing.map(tokens.open)
        return l2.getMany(missing, codec).pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              open.forEach((token, index) => fill(token, codec, Exit.isSuccess(exit) ? exit.value[index] : undefined))
            })
          ),
          Effect.map((entries) => {
            const found = new Map(missing.map((key, index) => [key, fromL2(entries[index])]))
            return keys.map((key, index) => hits[index] ?? found.get(key))
          })
        )
      }),
    set: (key, codec, value, options) =>
      writeThrough([[key, value]], codec, options.ttl, l2.set(key, codec, value, options), (isWritten) => isWritten),
    setMany: (entries, codec, options) =>
      writeThrough(
        entries,
        codec,
        options.ttl,
        l2.setMany(entries, codec, options),
        // with `only` the answer does not say which
        () => options.only === undefined
      ),
    delete: (key) => write([key], l2.delete(key)),
    deleteMany: (keys) => write(keys, l2.deleteMany(keys)),
    has: (key) => Effect.suspend(() => (valid(key) === undefined ? l2.has(key) : Effect.succeed(true))),
    ttl: (key) =>
      Effect.suspend(() => {
        const entry = valid(key)
        return entry === undefined ? l2.ttl(key) : Effect.succeed(Duration.millis(entry.goneAfter - now()))
      }),
    expire: (key, ttl) => write([key], l2.expire(key, ttl)),
    scan: l2.scan,
    deletePattern: (pattern) => Effect.ensuring(l2.deletePattern(pattern), Effect.sync(() => forgetMatching(pattern))),
    increment: (key, options) => write([key], l2.increment(key, options)),
    run: (script, keys, args) => write(keys, l2.run(script, keys, args)),
    changes: l2.changes,
    health: Effect.map(l2.health, (health) => ({
      ...health,
      details: { ...health.details, bus: trust.state(), l1Entries: local.stats().entries }
    })),
    stats: () => ({ ...l2.stats(), local: local.stats() })
  })
})

const fromL2 = <A>(entry: Entry.Entry<A> | undefined): Entry.Entry<A> | undefined => entry && { ...entry, tier: "l2" }

/**
 * The tiered backend over an L1, an L2 and the bus on which L2's writes are announced.
 */
export const layer: Layer.Layer<
  CacheBackend.CacheBackend,
  CacheError.CacheError,
  CacheBackend.CacheBackend | Invalidation.Invalidation | LocalStore.LocalStore
> = Layer.effect(CacheBackend.CacheBackend, make())
