/**
 * Runs operations on the keys of ids, and counts them under their names.
 */
import { Effect } from "effect"
import * as CacheError from "../CacheError.ts"
import type { Parts } from "../EntityCache.ts"
import type * as Metrics from "../Metrics.ts"

type Result<B> = Effect.Effect<B, CacheError.CacheError>

/** An id that is no key fails the operation. */
export interface Keyed<Id> {
  readonly counted: <B>(name: Metrics.Operation, effect: Result<B>) => Result<B>
  readonly withKey: <B>(name: Metrics.Operation, id: Id, operation: (key: string) => Result<B>) => Result<B>
  readonly withKeys: <B>(
    name: Metrics.Operation,
    ids: ReadonlyArray<Id>,
    operation: (keys: ReadonlyArray<string>) => Result<B>
  ) => Result<B>
  /** As `withKeys`, for what changes them: loads that began before are not for callers who come after. */
  readonly write: Keyed<Id>["withKeys"]
  readonly writeOne: Keyed<Id>["withKey"]
}

export const make = <Id, A>({ domain, keyOf, readThrough }: Parts<Id, A>): Keyed<Id> => {
  const { counters, measure } = domain

  const counted: Keyed<Id>["counted"] = (name, effect) =>
    measure(
      name,
      Effect.tapError(effect, () => Effect.sync(() => counters.errors++))
    )

  const withKeys: Keyed<Id>["withKeys"] = (name, ids, operation) =>
    counted(
      name,
      CacheError.suspend(() => operation(ids.map(keyOf)))
    )

  const write: Keyed<Id>["write"] = (name, ids, operation) =>
    withKeys(name, ids, (keys) =>
      Effect.ensuring(
        operation(keys),
        Effect.sync(() => readThrough.onWritten(keys))
      )
    )

  return {
    counted,
    withKeys,
    write,
    withKey: (name, id, operation) =>
      counted(
        name,
        CacheError.suspend(() => operation(keyOf(id)))
      ),
    writeOne: (name, id, operation) => write(name, [id], ([key = ""]) => operation(key))
  }
}
