/**
 * Switches that turn a cache off, let it miss, and let it tell what it does: for finding faults, and for tests.
 *
 * **Details**
 *
 * A layer over a backend, under everything that uses it. Where no switch is on it is the backend itself.
 *
 * - `enabled: false`: nothing is read or stored. Every load runs; callers of one key in this process still share it. Writes answer that
 *   nothing was written. Scripts run, so locks and limits work, on whatever backend there is.
 * - `bypassCache`: reads find nothing and loads run likewise, and what they bring is not stored. All other writes and deletes reach the
 *   store, so that other processes, which do read it, are right.
 * - `fakeMissRate`: that share of the reads of values finds nothing; a load then runs, and what it brings is stored. `Random` decides.
 * - `logHits`, `logMisses`: at level debug. `debugMode`: every operation, with its outcome and its time, at level debug.
 * - `logSlowOps`: operations that take `slowOpThreshold` or longer, as warnings. Streams are not timed.
 * - `logKeys`: keys in these messages, and in the messages of errors about one key. Those of secret entities stay out. So do those
 *   of which no read or write has told yet whose they are: a `delete` does not.
 *
 * What is logged goes to Effect's loggers, with the annotations `cache.operation`, `cache.millis`, `cache.outcome`, `cache.domain`,
 * `cache.type`, `cache.key` and `cache.keyCount`, as far as they are known. Domain and type are those of entities.
 */
import { Effect, Layer, Random } from "effect"
import * as Cache from "./Cache.ts"
import * as CacheBackend from "./CacheBackend.ts"
import * as CacheError from "./CacheError.ts"
import * as CacheKey from "./CacheKey.ts"
import * as FakeMisses from "./internal/fakeMisses.ts"
import * as KeyNames from "./internal/keyNames.ts"
import * as OperationLog from "./internal/operationLog.ts"
import * as SwitchedOff from "./internal/switchedOff.ts"
import * as MonotonicClock from "./MonotonicClock.ts"
import * as Ttl from "./Ttl.ts"

/** All are off unless given; see the module. */
export interface Options {
  /** The prefix of the cache, behind which the domain stands in a key; `tradecore` unless given. */
  readonly keyPrefix?: string | undefined
  /** `true` unless given. */
  readonly enabled?: boolean | undefined
  readonly bypassCache?: boolean | undefined
  /** From 0 to 1. */
  readonly fakeMissRate?: number | undefined
  readonly logHits?: boolean | undefined
  readonly logMisses?: boolean | undefined
  readonly logSlowOps?: boolean | undefined
  /** 50 ms unless given. */
  readonly slowOpThreshold?: Ttl.Input | undefined
  readonly debugMode?: boolean | undefined
  readonly logKeys?: boolean | undefined
}

const DEFAULT_SLOW_OP_THRESHOLD = "50 millis"

/** The backend with the switches. Fails with `InvalidOption` only. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const backend = yield* CacheBackend.CacheBackend
  const now = yield* MonotonicClock.now
  const random = yield* Random.Random
  const context = yield* Effect.context()
  const { fakeMissRate, log, names } = yield* CacheError.attempt(() => settingsOf(options))

  const switched =
    options.enabled === false
      ? SwitchedOff.disable(backend)
      : options.bypassCache === true
        ? SwitchedOff.bypass(backend)
        : fakeMissRate > 0
          ? FakeMisses.make(backend, fakeMissRate, () => random.nextDoubleUnsafe())
          : backend
  return log === undefined ? switched : OperationLog.make(switched, log, { now, names, context })
})

export const layer = (
  options?: Options
): Layer.Layer<CacheBackend.CacheBackend, CacheError.CacheError, CacheBackend.CacheBackend> =>
  Layer.effect(CacheBackend.CacheBackend, make(options))

const settingsOf = ({ fakeMissRate = 0, ...options }: Options) => {
  if (!(fakeMissRate >= 0 && fakeMissRate <= 1)) {
    throw CacheError.make("Switches.make", "InvalidOption", "fakeMissRate is a number from 0 to 1")
  }
  const prefix = CacheKey.parse(options.keyPrefix ?? Cache.DEFAULT_PREFIX).encoded
  const withKeys = options.logKeys === true
  const log: OperationLog.Settings = {
    hits: options.logHits === true,
    misses: options.logMisses === true,
    all: options.debugMode === true,
    slowMillis: options.logSlowOps === true ? slowMillis(options.slowOpThreshold) : undefined
  }
  const isLogging = log.hits || log.misses || log.all || log.slowMillis !== undefined || withKeys
  return { fakeMissRate, names: KeyNames.make(prefix, withKeys), log: isLogging ? log : undefined }
}

const slowMillis = (threshold: Ttl.Input = DEFAULT_SLOW_OP_THRESHOLD) => Ttl.toMillisUnsafe("Switches.make", threshold)
