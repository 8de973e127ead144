/**
 * Runs what docs/migrating-from-python.md says, one line after the other, and looks into the store meanwhile.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { CacheManager } from "tiercache"
import { type Call, calls, type Needs } from "./calls.ts"
import { type Kind, kinds } from "./kinds.ts"

/** What lies in the store, under whole keys. */
export interface Store {
  readonly keys: Effect.Effect<ReadonlyArray<string>, unknown>
  /** In seconds. */
  readonly ttlOf: (key: string) => Effect.Effect<number, unknown>
  /** Time may stand still, or TTLs may have the grace in them. */
  readonly ttlIs: "exact" | "running" | "running with grace"
}

interface Tradecore<R> {
  readonly store: (kind: Kind) => Effect.Effect<boolean, unknown, R>
  readonly read: (kind: Kind) => Effect.Effect<unknown, unknown, R>
  readonly invalidate: (kind: Kind) => Effect.Effect<boolean, unknown, R>
  readonly answer: (call: Call) => Effect.Effect<unknown, unknown, R>
}

type Line<A> = Promise<A> | Effect.Effect<A, unknown>

const perform = <A>(line: Line<A>): Effect.Effect<A, unknown> =>
  Effect.isEffect(line) ? line : Effect.promise(() => line)

/** By call, whether there was anything to wait for. */
export type Seen = Map<Call, boolean>

export const ofPromises = (tradecore: CacheManager.PromiseCacheManager, seen: Seen = new Map()): Tradecore<never> => ({
  store: (kind) => perform(kind.store(tradecore)),
  read: (kind) => perform(kind.read(tradecore)),
  invalidate: (kind) => perform(kind.invalidate(tradecore)),
  answer: (call) =>
    Effect.promise(async () => {
      const answer = call.promise(tradecore)
      seen.set(call, answer instanceof Promise)
      return answer
    })
})

export const ofEffects = (
  tradecore: CacheManager.CacheManager["Service"],
  seen: Seen = new Map()
): Tradecore<Needs> => ({
  store: (kind) => perform(kind.store(tradecore)),
  read: (kind) => perform(kind.read(tradecore)),
  invalidate: (kind) => perform(kind.invalidate(tradecore)),
  answer: (call) => {
    const answer = call.effect(tradecore)
    seen.set(call, isEffect(answer))
    return isEffect(answer) ? answer : Effect.succeed(answer)
  }
})

const isEffect = (answer: unknown): answer is Effect.Effect<unknown, unknown, Needs> => Effect.isEffect(answer)

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

const checkTtl = (ttl: number, kind: Kind, ttlIs: Store["ttlIs"]) => {
  if (ttlIs === "exact") return assert.strictEqual(ttl, kind.ttl, kind.there)
  const grace = ttlIs === "running" ? undefined : kind.grace
  assert.isAbove(ttl, grace === undefined ? 0 : kind.ttl, kind.there)
  assert.isAtMost(ttl, kind.ttl + (grace ?? 0), kind.there)
}

export const run = Effect.fnUntraced(function* <R>(tradecore: Tradecore<R>, { keys, ttlIs, ttlOf }: Store) {
  for (const kind of kinds) {
    assert.isTrue(yield* tradecore.store(kind), kind.there)
    checkTtl(yield* ttlOf(kind.key), kind, ttlIs)
    assert.deepStrictEqual(yield* tradecore.read(kind), kind.value, kind.there)
  }
  for (const call of calls) {
    const answer = yield* tradecore.answer(call)
    if (isPlain(call.is)) assert.deepInclude(Object(answer), call.is, call.there)
    else assert.deepStrictEqual(answer, call.is, call.there)
    const { key } = call
    if (key !== undefined) {
      const all = yield* keys
      assert.isTrue(
        all.some((other) => other.startsWith(key)),
        `${call.there}: ${all.join()}`
      )
    }
  }
  for (const kind of kinds) {
    yield* tradecore.store(kind)
    assert.isTrue(yield* tradecore.invalidate(kind), kind.there)
    assert.isUndefined(yield* tradecore.read(kind), kind.there)
  }
})
