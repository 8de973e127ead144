/**
 * Reading L1, and L2 through it.
 */
import {
  type CacheBackend,
  CacheError,
  type Codec,
  type Entry,
  type LocalStore,
  type MonotonicClock,
  Snapshot
} from "@tiercache/core"
import { Effect, Exit, type Random } from "effect"
import type * as Coherence from "../Coherence.ts"
import type * as FillTokens from "../FillTokens.ts"
import type { Rules } from "./rules.ts"

export interface Dependencies {
  readonly local: LocalStore.LocalStore["Service"]
  readonly l2: CacheBackend.CacheBackend["Service"]
  readonly coherence: Coherence.Coherence
  readonly rules: Rules
  readonly now: MonotonicClock.Now
  readonly random: typeof Random.Random.Service
  /** How long after the lapse of trust L1 is served all the same. */
  readonly staleMillis: number
}

export interface Reads extends Pick<
  CacheBackend.CacheBackend["Service"],
  "peek" | "peekEntry" | "get" | "getMany" | "has"
> {
  /** What a read need not ask L2 for: what is fresh. */
  readonly findFresh: <A>(key: string, codec: Codec.Codec<A>) => Entry.Entry<A> | undefined
  /** Asks L2 about keys, and keeps in L1 the entries that `entryOf` finds in its answers. */
  readonly through: <A, B>(
    keys: ReadonlyArray<string>,
    codec: Codec.Codec<A>,
    jitter: number | undefined,
    send: () => Effect.Effect<ReadonlyArray<B>, CacheError.CacheError>,
    entryOf: (answer: B) => Entry.Entry<A> | undefined
  ) => Effect.Effect<ReadonlyArray<B>, CacheError.CacheError>
}

export const make = ({ coherence, l2, local, now, random, rules, staleMillis }: Dependencies): Reads => {
  const { tokens, trust } = coherence

  const isServable = (key: string, { goneAfter }: LocalStore.LocalEntry, time: number): boolean => {
    if (time >= goneAfter) local.delete(key)
    else return time < trust.until || time < trust.lapsesAt + staleMillis
    return false
  }

  const look = <A>(key: string, codec: Codec.Codec<A>, isFreshOnly: boolean): Entry.Entry<A> | undefined => {
    const entry = local.get(key)
    if (entry === undefined) return undefined
    const time = now()
    if (!isServable(key, entry, time) || (isFreshOnly && time >= entry.freshUntil)) return undefined
    const { freshUntil, goneAfter, snapshot, version } = entry
    const isAbsent = snapshot === Snapshot.absent
    // what another codec would make of it is for L2 to say
    if (!isAbsent && !Snapshot.wasMadeWith(snapshot, codec)) return undefined
    const value = isAbsent ? undefined : Snapshot.read(snapshot, codec, key)
    return time < trust.until
      ? { value, freshUntil, goneAfter, version, tier: "l1" }
      : { value, freshUntil, goneAfter, version, tier: "l1", isDistrusted: true }
  }

  const findFresh: Reads["findFresh"] = (key, codec) => look(key, codec, true)

  /** When a copy of what is fresh until then stops being so. */
  const jittered = (freshUntil: number, jitter: number): number => {
    const left = freshUntil - now()
    return left > 0 ? freshUntil - left * jitter * random.nextDoubleUnsafe() : freshUntil
  }

  /**
   * Ends a read that L2 has answered: puts what it brought into L1, unless something happened to the key meanwhile. What is not
   * kept leaves L1 without the key: the caller is about to see it, and must not be served anything older afterwards.
   */
  const keep = <A>(
    token: FillTokens.Token,
    codec: Codec.Codec<A>,
    jitter: number,
    entry: Entry.Entry<A> | undefined
  ) => {
    const isValid = tokens.close(token) || !rules.fillTokens
    if (entry !== undefined && !isValid) coherence.refused()
    const snapshot = entry && isValid ? copyOf(codec, entry.value, token.key) : undefined
    if (entry === undefined || snapshot === undefined) return void local.delete(token.key)
    const { freshUntil, goneAfter, version } = entry
    local.set(token.key, { snapshot, freshUntil: jittered(freshUntil, jitter), goneAfter, version })
  }

  const through: Reads["through"] = (keys, codec, jitter = 0, send, entryOf) => {
    let open: ReadonlyArray<FillTokens.Token> = []
    return CacheError.suspend(() => {
      checkJitter(jitter)
      open = keys.map(tokens.open)
      return send()
    }).pipe(
      // around the opening, or an interruption between the two would leave tokens open for good
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (Exit.isFailure(exit)) return open.forEach(tokens.close)
          open.forEach((token, index) => {
            const answer = exit.value[index]
            keep(token, codec, jitter, answer && entryOf(answer))
          })
        })
      )
    )
  }

  return {
    findFresh,
    through,
    peek: (key, codec, bookmark) => {
      const entry = local.get(key, bookmark)
      if (entry === undefined) return undefined
      const time = now()
      if (time >= trust.until || time >= entry.freshUntil) return undefined
      const { snapshot } = entry
      if (!Snapshot.wasMadeWith(snapshot, codec)) return undefined
      return snapshot.value ?? Snapshot.read(snapshot, codec, key)
    },
    peekEntry: (key, codec) => look(key, codec, false),
    get: (key, codec, options) =>
      Effect.suspend(() => {
        const hit = options?.fresh === true ? undefined : findFresh(key, codec)
        if (hit !== undefined) return Effect.succeed(hit)
        const send = () => Effect.map(l2.get(key, codec), (entry) => [entry])
        return Effect.map(through([key], codec, options?.jitter, send, itself), ([entry]) => fromL2(entry))
      }),
    getMany: (keys, codec, options) =>
      inOrder(
        keys,
        (key) => (options?.fresh === true ? undefined : findFresh(key, codec)),
        (missing) =>
          Effect.map(
            through(missing, codec, options?.jitter, () => l2.getMany(missing, codec), itself),
            (entries) => entries.map(fromL2)
          )
      ),
    has: (key) =>
      Effect.suspend(() => {
        const entry = local.get(key)
        const time = now()
        const isThere =
          entry !== undefined &&
          isServable(key, entry, time) &&
          time < entry.freshUntil &&
          entry.snapshot !== Snapshot.absent
        return isThere ? Effect.succeed(true) : l2.has(key)
      })
  }
}

/** Answers in the order of the keys: what `find` has, and for the others what L2 says, which is asked once for each. */
export const inOrder = <B>(
  keys: ReadonlyArray<string>,
  find: (key: string) => B | undefined,
  ask: (missing: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<B>, CacheError.CacheError>
): Effect.Effect<ReadonlyArray<B>, CacheError.CacheError> =>
  Effect.suspend(() => {
    const hits = keys.map(find)
    const missing = [...new Set(keys.filter((_, index) => hits[index] === undefined))]
    const answer = (asked: ReadonlyMap<string, B>) => hits.map((hit, index) => hit ?? asked.get(keys[index]!)!)
    if (missing.length === 0) return Effect.succeed(answer(new Map()))
    return Effect.map(ask(missing), (answers) => answer(new Map(missing.map((key, index) => [key, answers[index]!]))))
  })

export const fromL2 = <A>(entry: Entry.Entry<A> | undefined): Entry.Entry<A> | undefined =>
  entry && { ...entry, tier: "l2" }

const itself = <A>(entry: Entry.Entry<A> | undefined) => entry

/**
 * A value for L1. Nothing for one that is not to be there, or that its codec reads, but would not write: then each reader has to
 * ask L2.
 */
const copyOf = <A>(codec: Codec.Codec<A>, value: A | undefined, key: string): Snapshot.Snapshot<A> | undefined => {
  if (codec.local === false) return undefined
  if (value === undefined) return Snapshot.absent
  try {
    return Snapshot.own(codec, value, key)
  } catch {
    return undefined
  }
}

/** Throws a `CacheError`: a copy that is fresh for longer than what it was copied from would outlive it. */
const checkJitter = (jitter: number) => {
  if (jitter >= 0 && jitter <= 1) return
  throw CacheError.make("get", "InvalidOption", `jitter is a number from 0 to 1; got ${jitter}`)
}
