/**
 * Worker processes with caches over several servers, some of which fail.
 *
 * Redis replicates after it has acknowledged: a primary that dies takes with it what no replica has yet. That is not what is tested,
 * so what was acknowledged shortly before is left out, as are reads of it; everything else has to be right.
 *
 * Sentinels also replace a primary that is well, if the machine gave it no time for a second. Who is connected to it goes on to write to it
 * until the others are told, and all of that is lost too. So their own word counts for when there was a failover.
 */
import { Effect } from "effect"
import * as History from "./History.ts"
import type * as Orders from "./Orders.ts"
import * as Process from "./Process.ts"
import * as RedisAdmin from "./RedisAdmin.ts"
import * as SharedClock from "./SharedClock.ts"
import * as Stage from "./Stage.ts"

export interface Options {
  readonly redis: (typeof Orders.Open.Type)["redis"]
  readonly names: ReadonlyArray<string>
  readonly seed: number
  /** Keys beside those that each member has. */
  readonly keys?: ReadonlyArray<string> | undefined
  /** See `Stage.Options`. */
  readonly commandTimeoutMillis?: number | undefined
}

/** While it lasts, in milliseconds of the shared clock, acknowledged writes are lost. */
interface Loss {
  readonly from: number
  to: number
}

interface Topology {
  readonly members: ReadonlyArray<Stage.Worker>
  readonly all: <E>(f: (member: Stage.Worker) => Effect.Effect<unknown, E>) => Effect.Effect<void, E>
  /** A primary is lost now, with what it has not passed on. */
  readonly primaryLost: Effect.Effect<void>
  /** While this lasts, a primary acknowledges what will be lost. */
  readonly losing: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** See `Stage`. */
  readonly judge: Effect.Effect<Stage.Verdict, Process.ProcessError>
}

/** Enough that each of three primaries has some. */
const KEYS_PER_MEMBER = 16

/** Between two steps of one failover there is less, in milliseconds: sentinels give up one that makes no progress for two seconds. */
const STEP_MILLIS = 3000

/** How far a replica lags behind, at most, on a slow machine. */
const LAG_MILLIS = 1000

/** Starts a worker per name; done when all caches are open and trusted. */
export const make = Effect.fnUntraced(function* ({ commandTimeoutMillis, keys = [], names, redis, seed }: Options) {
  const keysOf = (name: string) => Array.from({ length: KEYS_PER_MEMBER }, (_, index) => `${name}:${index}`)
  const allKeys = [...names.flatMap(keysOf), ...keys]
  const members = yield* Effect.forEach(
    names,
    Effect.fnUntraced(function* (name, index) {
      const process = yield* Process.make({ name })
      return yield* Stage.open(process, {
        redis,
        commandTimeoutMillis,
        seed: seed * 100 + index,
        reads: allKeys,
        keys: keysOf(name)
      })
    }),
    { concurrency: "unbounded" }
  )
  const losses: Array<Loss> = []
  const isLost = (write: History.Write) =>
    [...losses, ...failovers].some(({ from, to }) => write.end > from - LAG_MILLIS && write.start < to + LAG_MILLIS)
  const failovers: Array<Loss> = []
  const onStep = () => {
    const now = SharedClock.now()
    const last = failovers.at(-1)
    if (last !== undefined && now - last.to < STEP_MILLIS) last.to = now
    else failovers.push({ from: now, to: now })
  }
  if ("sentinels" in redis) yield* RedisAdmin.onFailover(redis.sentinels, onStep)
  const losing: Topology["losing"] = (effect) =>
    Effect.suspend(() => {
      const loss = { from: SharedClock.now(), to: Infinity }
      losses.push(loss)
      return Effect.tap(effect, () =>
        Effect.sync(() => {
          loss.to = SharedClock.now()
        })
      )
    })
  const surviving = (history: History.History) => History.without(history, isLost)

  const topology: Topology = {
    members,
    all: (f) => Effect.forEach(members, f, { concurrency: "unbounded", discard: true }),
    primaryLost: losing(Effect.void),
    losing,
    judge: Effect.suspend(() => Stage.judge(members, allKeys, surviving)())
  }
  return topology
})

/** Makes an outage; what it did to those who used the caches, once they trust their L1s again. */
export const outage = Effect.fnUntraced(function* <E1, E2>(
  { members, primaryLost }: Topology,
  begin: Effect.Effect<void, E1>,
  promoted: Effect.Effect<void, E2>
) {
  yield* primaryLost
  const since = SharedClock.now()
  yield* begin
  yield* promoted
  const promotedAfter = SharedClock.now() - since
  yield* Stage.until(members, Stage.isTrusting)
  const trustedAfter = SharedClock.now() - since
  return { since, promotedAfter, trustedAfter }
})

type Outage = Effect.Success<ReturnType<typeof outage>>

/** Times in milliseconds since the outage began. */
export const figuresOf = ({ operations }: History.History, { promotedAfter, since, trustedAfter }: Outage) => {
  const during = operations.filter(({ end, start }) => end >= since && start <= since + trustedAfter)
  const failed = during.filter(({ result }) => result === "failed")
  const share = (op: "read" | "write") => {
    const all = during.filter((operation) => operation.op === op).length
    return `${failed.filter((operation) => operation.op === op).length} of ${all}`
  }
  return {
    promotedAfter: Math.round(promotedAfter),
    trustedAfter: Math.round(trustedAfter),
    lastFailure: Math.round(failed.reduce((last, { end }) => Math.max(last, end - since), 0)),
    failedReads: share("read"),
    failedWrites: share("write"),
    slowest: Math.round(during.reduce((most, { end, start }) => Math.max(most, end - start), 0))
  }
}
