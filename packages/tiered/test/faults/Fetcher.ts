/**
 * Reads values through a cache and changes them, and writes down what came of it.
 */
import { type Cache, CacheError, type EntityCache, type LoadPolicy } from "@tiercache/core"
import { Data, Duration, Effect, Exit, Option } from "effect"
import type * as Fetches from "./Fetches.ts"
import type { Fetch, Held, Policy, Traffic } from "./Orders.ts"
import * as SharedClock from "./SharedClock.ts"
import { makeRandom } from "./Workload.ts"

/** What asks the origin, from within the worker. */
export interface Origin {
  readonly read: (key: string) => Effect.Effect<number | undefined>
  readonly write: (key: string) => Effect.Effect<number | undefined>
}

class OriginError extends Data.TaggedError("OriginError")<{ readonly message: string }> {}

/** So many callers of one process ask at a time. */
const MAX_CALLERS = 4

/** Callers that wait for an answer. More would only be a longer queue. */
const MAX_WAITING = 200

/** Attempts to look at a key. */
const INSPECTIONS = 20

const HOWS: ReadonlyArray<Fetches.How> = ["delete", "set", "pattern"]

export class Fetcher {
  readonly fetches: Array<Fetches.Fetch> = []
  readonly changes: Array<Fetches.Change> = []
  private readonly process: string
  private readonly cache: Cache.Cache["Service"]
  private readonly origin: Origin
  private waiting = 0

  constructor(process: string, cache: Cache.Cache["Service"], origin: Origin) {
    this.process = process
    this.cache = cache
    this.origin = origin
  }

  /** What one caller gets. */
  fetch(key: string, policy: Policy): Effect.Effect<Fetches.Fetch> {
    return Effect.suspend(() => {
      const start = SharedClock.now()
      this.waiting++
      return Effect.map(Effect.exit(this.cache.lookup(key, this.loader(key), optionsOf(policy))), (exit) => {
        this.waiting--
        const fetch = { process: this.process, key, start, end: SharedClock.now(), ...outcomeOf(exit) }
        this.fetches.push(fetch)
        return fetch
      })
    })
  }

  fetchMany({ callers, key, policy }: Omit<typeof Fetch.Type, "_tag">): Effect.Effect<ReadonlyArray<Fetches.Fetch>> {
    return Effect.all(
      Array.from({ length: callers }, () => this.fetch(key, policy)),
      { concurrency: "unbounded" }
    )
  }

  change(key: string, by: Fetches.How): Effect.Effect<void> {
    return Effect.flatMap(this.origin.write(key), (version = 0) => {
      const start = SharedClock.now()
      return Effect.map(Effect.exit(this.tell(key, by, version)), (exit) => {
        const isAcknowledged = Exit.isSuccess(exit)
        this.changes.push({ process: this.process, key, by, version, start, end: SharedClock.now(), isAcknowledged })
      })
    })
  }

  inspect(key: string): Effect.Effect<typeof Held.Type, CacheError.CacheError> {
    const attempt = Effect.suspend(() => {
      const l1 = versionOf(this.cache.peek(key))
      return Effect.map(this.cache.get(key, { fresh: true }), (value) => ({ l1, l2: versionOf(value) }))
    })
    // on a busy machine, a healthy Redis may be too slow
    return Effect.retry(attempt, { times: INSPECTIONS })
  }

  /** Never ends. */
  run({
    changeEveryMillis,
    changes,
    policies,
    readEveryMillis,
    reads,
    seed
  }: typeof Traffic.Type): Effect.Effect<never> {
    const random = makeRandom(seed)
    const pick = <A>(items: ReadonlyArray<A>): A | undefined => items[Math.floor(random() * items.length)]
    const read = Effect.suspend(() => {
      const callers = 1 + Math.floor(random() * MAX_CALLERS)
      const fetched = this.fetchMany({ key: pick(reads) ?? "", policy: pick(policies) ?? {}, callers })
      return this.waiting >= MAX_WAITING ? Effect.void : Effect.forkDetach(fetched, { startImmediately: true })
    })
    const change = Effect.suspend(() => {
      // the first most often: what is changed again soon shows less of what went wrong
      const key = changes[Math.floor(random() * random() * changes.length)]
      return key === undefined ? Effect.void : Effect.uninterruptible(this.change(key, pick(HOWS) ?? "delete"))
    })
    return Effect.raceFirst(
      Effect.forever(Effect.andThen(read, Effect.sleep(readEveryMillis))),
      Effect.forever(Effect.andThen(change, Effect.sleep(changeEveryMillis)))
    )
  }

  /** Waits until all callers have been answered. */
  readonly quiet: Effect.Effect<void> = Effect.repeat(Effect.sleep("5 millis"), { until: () => this.waiting === 0 })

  private loader(key: string): Effect.Effect<number, OriginError> {
    return Effect.flatMap(this.origin.read(key), (version) =>
      version === undefined ? Effect.fail(new OriginError({ message: "the origin failed" })) : Effect.succeed(version)
    )
  }

  private tell(key: string, by: Fetches.How, version: number): Effect.Effect<unknown, CacheError.CacheError> {
    switch (by) {
      case "delete":
        return this.cache.delete(key)
      case "set":
        return this.cache.set(key, version, { ttl: "1 hour" })
      case "pattern":
        return this.cache.deletePattern(`${key}*`)
    }
  }
}

const versionOf = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined)

const millis = (value: number | undefined) => (value === undefined ? undefined : Duration.millis(value))

const optionsOf = ({
  backoff,
  grace,
  hardTimeout,
  refreshAhead,
  staleWhileRevalidate,
  ttl = 3_600_000
}: Policy): LoadPolicy.Options<unknown> => ({
  ttl: Duration.millis(ttl),
  grace: millis(grace),
  backoff: millis(backoff),
  refreshAhead: millis(refreshAhead),
  hardTimeout: millis(hardTimeout),
  staleWhileRevalidate
})

type Outcome = Pick<Fetches.Fetch, "version" | "error" | "tier" | "isStale" | "isSuperseded">

const outcomeOf = (exit: Exit.Exit<EntityCache.Lookup<unknown>, OriginError | CacheError.CacheError>): Outcome => {
  if (Exit.isSuccess(exit)) {
    const { stale, superseded, tier, value } = exit.value
    return { version: versionOf(value), error: undefined, tier, isStale: stale, isSuperseded: superseded }
  }
  const error = Exit.findErrorOption(exit)
  const name = Option.match(error, {
    onNone: () => String(exit.cause),
    onSome: (error) => (CacheError.isCacheError(error) ? error.reason : error.message)
  })
  return { version: undefined, error: name, tier: undefined, isStale: false, isSuperseded: false }
}
