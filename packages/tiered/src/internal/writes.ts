/**
 * Writing to L2, and then to L1 what L2 has acknowledged.
 */
import { type CacheBackend, CacheError, type Codec, Snapshot, Ttl } from "@tiercache/core"
import { Effect, Exit, Option } from "effect"
import type * as FillTokens from "../FillTokens.ts"
import type * as Reads from "./reads.ts"

export interface Writes extends Pick<
  CacheBackend.CacheBackend["Service"],
  | "set"
  | "setMany"
  | "delete"
  | "deleteMany"
  | "deletePattern"
  | "deleteTags"
  | "sweep"
  | "expire"
  | "increment"
  | "run"
> {
  /**
   * An own write to some keys. While it is in flight L1 takes nothing in for them; `apply` runs when L2 has acknowledged it, and
   * decides what L1 keeps of it. If nobody knows whether it was executed, and it is one that leaves nothing worth keeping, its
   * keys are deleted.
   */
  readonly own: <A>(
    keys: ReadonlyArray<string>,
    onDoubt: "delete" | "keep",
    send: (writeId: number) => Effect.Effect<A, CacheError.CacheError>,
    apply?: (answer: A, keep: Keep) => void
  ) => Effect.Effect<A, CacheError.CacheError>
}

/** Puts what was written into L1, unless something else happened to the key meanwhile. Lifetimes count from the start of the write. */
type Keep = (
  key: string,
  snapshot: Snapshot.Snapshot<unknown>,
  lifetime: { readonly ttlMillis: number; readonly graceMillis: number }
) => void

/** An entry as L2 gets it, and the copy for L1: both of one encoding, so that they are the same whatever becomes of the value meanwhile. */
interface Sent {
  readonly key: string
  readonly payload: Uint8Array
  /** None of what is not to be in L1. */
  readonly snapshot: Snapshot.Snapshot<unknown> | undefined
  readonly ttlMillis: number
  readonly graceMillis: number
}

/** An own write's version is known to L2 alone; no announced value counts as newer, so any of them removes the entry. */
const UNKNOWN_VERSION = Infinity

export const make = ({ coherence, l2, local, now, rules }: Reads.Dependencies): Writes => {
  const { ownWrites, tokens } = coherence

  const own: Writes["own"] = (keys, onDoubt, send, apply) =>
    Effect.suspend(() => {
      const startedAt = now()
      let writeId: number | undefined
      let open: ReadonlyArray<FillTokens.Token> = []
      const begin = Effect.suspend(() => {
        writeId = ownWrites.begin()
        if (rules.writeTokens) open = keys.map(tokens.openWrite)
        return send(writeId)
      })
      return Effect.onExitPrimitive(begin, (exit) => {
        if (writeId === undefined) return
        ownWrites.end(writeId, Exit.isSuccess(exit))
        const untouched = new Set(rules.writeTokens ? open.filter(tokens.close).map(({ key }) => key) : keys)
        keys.forEach(coherence.forget)
        if (Exit.isSuccess(exit)) {
          apply?.(exit.value, (key, snapshot, { graceMillis, ttlMillis }) => {
            if (!untouched.has(key)) return
            const freshUntil = startedAt + ttlMillis
            local.set(key, { snapshot, freshUntil, goneAfter: freshUntil + graceMillis, version: UNKNOWN_VERSION })
          })
        } else if (onDoubt === "delete" && mayHaveHappened(exit)) coherence.doubt(keys)
      })
    })

  /** Throws a `CacheError`. */
  const sent = <A>(
    [key, value, options]: CacheBackend.ManyEntry<A>,
    codec: Codec.Codec<A>,
    { grace, ttl }: CacheBackend.SetOptions
  ): Sent => {
    const payload = codec.encode(value, key)
    const snapshot = codec.local === false ? undefined : Snapshot.own(codec, codec.decode(payload, key), key)
    const ttlMillis = Ttl.toMillisUnsafe("set", options?.ttl ?? ttl)
    const graceMillis = grace === undefined ? 0 : Ttl.toMillisUnsafe("set", grace)
    return { key, payload, snapshot, ttlMillis, graceMillis }
  }

  /** What a conditional set leaves may be somebody else's. */
  const onDoubtOf = ({ only }: CacheBackend.SetOptions) => (only === undefined ? "delete" : "keep")

  return {
    own,
    set: (key, codec, value, options) =>
      CacheError.suspend(() => {
        const copy = sent([key, value], codec, options)
        const { payload, snapshot } = copy
        return own(
          [key],
          onDoubtOf(options),
          (writeId) => l2.set(key, codec, value, { ...options, payload, writeId }),
          (isWritten, keep) => {
            if (isWritten && snapshot !== undefined) keep(key, snapshot, copy)
          }
        )
      }),
    setMany: (all, codec, options) =>
      CacheError.suspend(() => {
        const copies = new Map<string, Sent>()
        const entries = all.map((entry) => {
          const [key, value, own] = entry
          const copy = sent(entry, codec, options)
          copies.set(key, copy)
          return [key, value, { ...own, payload: copy.payload }] as const
        })
        return own(
          [...copies.keys()],
          onDoubtOf(options),
          (writeId) => l2.setMany(entries, codec, { ...options, writeId }),
          (_, keep) => {
            // with `only` the answer does not say which
            if (options.only !== undefined) return
            for (const copy of copies.values()) if (copy.snapshot !== undefined) keep(copy.key, copy.snapshot, copy)
          }
        )
      }),
    delete: (key) => own([key], "delete", () => l2.delete(key)),
    deleteMany: (keys) => own(keys, "delete", () => l2.deleteMany(keys)),
    deletePattern: (pattern, options) =>
      Effect.ensuring(
        l2.deletePattern(pattern, options),
        Effect.sync(() => coherence.forgetMatching(pattern.matches))
      ),
    deleteTags: (tags, onDeleted) =>
      l2
        .deleteTags(tags, (keys) => {
          // the announcement may come after the answer
          keys.forEach(coherence.forget)
          onDeleted?.(keys)
        })
        .pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              if (Exit.isFailure(exit) && mayHaveHappened(exit)) coherence.doubtTags(tags)
            })
          )
        ),
    sweep: (options) =>
      l2.sweep({
        ...options,
        onDeleted: (keys) => {
          keys.forEach(coherence.forget)
          options.onDeleted?.(keys)
        }
      }),
    expire: (key, ttl) => own([key], "keep", () => l2.expire(key, ttl)),
    increment: (key, options) => own([key], "keep", () => l2.increment(key, options)),
    run: (script, keys, args) => own(keys, "keep", () => l2.run(script, keys, args))
  }
}

/** Not if the caller's input was refused, or Redis answered that it did not do it. */
const mayHaveHappened = (exit: Exit.Failure<unknown, CacheError.CacheError>): boolean => {
  const error = Exit.findErrorOption(exit)
  return Option.isNone(error) || error.value.reason === "Timeout" || error.value.reason === "Unavailable"
}
