/**
 * Whether the cache works, found out by using it.
 */
import { type Cache, type CacheBackend, Codec, type Metrics } from "@tiercache/core"
import { Effect, Result } from "effect"

/** What a health check tells, in the names that dashboards know. */
export interface Health {
  readonly healthy: boolean
  /** Why it is not healthy, for people; all reasons in one line. */
  readonly problem: string | undefined
  /** What works and is dangerous all the same, for people. */
  readonly warnings: ReadonlyArray<string>
  /** Whether each was done right just now, on a key that nobody else has. */
  readonly operations: { readonly set: boolean; readonly get: boolean; readonly delete: boolean }
  /** Only where there is a Redis. What it may not tell is `undefined`. */
  readonly redis:
    | {
        readonly connected: boolean
        readonly version: string | undefined
        readonly used_memory_human: string | undefined
        readonly connected_clients: number | undefined
      }
    | undefined
  readonly metrics: Metrics.Summary
  readonly config: Config
  /** `maxmemory-policy` of Redis. */
  readonly eviction_policy: string | undefined
  /** How far Redis' clock is ahead of this machine's. */
  readonly clock_offset_ms: number | undefined
  /** The state of the bus that corrects the L1s. */
  readonly bus: string | undefined
  /** All that the backend tells, see docs/health.md. */
  readonly details: CacheBackend.Health["details"]
}

export interface Config {
  /** Where the configuration comes from. */
  readonly source: Source
  readonly environment: string
  readonly key_prefix: string
  readonly debug_mode: boolean
  readonly aggressive_cleanup: boolean
}

export type Source = "environment" | "options"

export interface Parts {
  readonly backend: CacheBackend.CacheBackend["Service"]
  readonly cache: Cache.Cache["Service"]
  readonly summary: () => Metrics.Summary
  readonly config: Config
  /** Whether what is written is found. A switch may say that it is not; then an operation is right if it does not fail. */
  readonly isEffective: boolean
}

/** In the way of nobody, should the deletion fail. */
const TTL = "10 seconds"

export const make = ({ backend, cache, config, isEffective, summary }: Parts): Effect.Effect<Health> =>
  Effect.gen(function* () {
    const { details, healthy, problem, warnings } = yield* cache.health
    const operations = yield* tryOut(backend, config.key_prefix, isEffective)
    const problems = [
      ...(healthy ? [] : [problem ?? "the backend is not healthy"]),
      // a backend that knows why it does not work has said it
      ...(healthy ? failuresOf(operations) : [])
    ]
    return {
      healthy: problems.length === 0,
      problem: problems.length === 0 ? undefined : problems.join("; "),
      warnings,
      operations: {
        set: Result.isSuccess(operations.set),
        get: Result.isSuccess(operations.get),
        delete: Result.isSuccess(operations.delete)
      },
      redis:
        details["connected"] === undefined
          ? undefined
          : {
              connected: details["connected"] === true,
              version: textOf(details["version"]),
              used_memory_human: textOf(details["used_memory_human"]),
              connected_clients: numberOf(details["connected_clients"])
            },
      metrics: summary(),
      config,
      eviction_policy: textOf(details["eviction_policy"]),
      clock_offset_ms: numberOf(details["clock_offset_ms"]),
      bus: textOf(details["bus"]),
      details
    }
  })

type Outcome = Result.Result<void, string>

type Operations = Readonly<Record<"set" | "get" | "delete", Outcome>>

/** Past L1 and the counters, each although the one before has failed. */
const tryOut = Effect.fnUntraced(function* (
  backend: CacheBackend.CacheBackend["Service"],
  prefix: string,
  isEffective: boolean
): Effect.fn.Return<Operations> {
  const value = crypto.randomUUID()
  const key = `${prefix}:health:${value}`
  const outcomeOf = <A>(operation: Effect.Effect<A, { readonly message: string }>, isRight: (answer: A) => boolean) =>
    Effect.match(operation, {
      onFailure: ({ message }): Outcome => Result.fail(message),
      onSuccess: (answer): Outcome =>
        isRight(answer) || !isEffective ? Result.succeed(undefined) : Result.fail("it had no effect")
    })
  const set = yield* outcomeOf(backend.set(key, Codec.msgpack, value, { ttl: TTL }), (isWritten) => isWritten)
  const get = yield* outcomeOf(backend.get(key, Codec.msgpack, { fresh: true }), (entry) => entry?.value === value)
  const deleted = yield* outcomeOf(backend.delete(key), (existed) => existed)
  return { set, get, delete: deleted }
})

const failuresOf = (operations: Operations): ReadonlyArray<string> =>
  Object.entries(operations).flatMap(([name, outcome]) =>
    Result.isFailure(outcome) ? [`${name}: ${outcome.failure}`] : []
  )

const textOf = (fact: unknown): string | undefined => (typeof fact === "string" ? fact : undefined)

const numberOf = (fact: unknown): number | undefined => (typeof fact === "number" ? fact : undefined)
