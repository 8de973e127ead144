/**
 * Redis as a store of its own, and as the L2 of a tiered one.
 *
 * **Details**
 *
 * One command per operation. What writes is a Lua script that announces the write in the same step. Deadlines inside
 * entries are in the Redis server's time (`RedisClock`), their expiry in Redis is relative, so no wall clock of this machine
 * matters.
 *
 * **Gotchas**
 *
 * - Needs Redis 6 or Valkey, and a user (ACL) that may read and write the keys, SCAN, EVALSHA, EVAL, TIME and INFO, and who
 *   may SUBSCRIBE and PUBLISH on `tiercache:*` (or the channel's name and `*`) and write keys of such a name: heartbeats
 *   prove by one that never exists that the server takes writes.
 * - Standalone servers and Sentinel groups (by a client of yours); not yet Redis Cluster.
 */
import { CacheBackend, CacheError, Invalidation, MonotonicClock } from "@tiercache/core"
import { Context, Effect, Layer, Stream } from "effect"
import * as Health from "./internal/health.ts"
import * as Reads from "./internal/reads.ts"
import * as Primary from "./internal/primary.ts"
import * as Scans from "./internal/scans.ts"
import * as UserScripts from "./internal/userScripts.ts"
import * as Writes from "./internal/writes.ts"
import * as RedisBus from "./RedisBus.ts"
import * as RedisClock from "./RedisClock.ts"
import * as RedisConnection from "./RedisConnection.ts"

export type Options = RedisConnection.Options & {
  /**
   * The channel of the bus, in ASCII; `tiercache:1:db0` for database 0 unless given. All processes that share entries
   * have to share it.
   */
  readonly channel?: string | undefined
  /**
   * Also hears of the writes of other programs to keys that begin with this, and of evictions, by Redis' `CLIENT TRACKING`. It tells
   * of all writes, by whomever, and not what was written: with it, L1 keeps only what was read. The user (ACL) needs CLIENT,
   * and to SUBSCRIBE to `__redis__:invalidate`.
   */
  readonly trackedPrefix?: string | undefined
  /** Keys that a step of a scan looks at, 100 unless given. */
  readonly scanCount?: number | undefined
  /** Keys that one command reads or writes, 500 unless given; operations on more take several. */
  readonly maxKeysPerCommand?: number | undefined
  /** Keys that `deletePattern` deletes at once, 1000 unless given. */
  readonly deleteBatchSize?: number | undefined
  /** What the client or server lacks: these operations fail with `Unsupported`. */
  readonly unsupported?: Iterable<CacheBackend.Feature> | undefined
  /** The server's time in microseconds, for tests that move it; scripts get it too. Asked with TIME unless given. */
  readonly time?: (() => number) | undefined
}

/** The service and its bus, open until the scope closes. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const settings = yield* CacheError.attempt(() => settingsOf(options))
  const now = yield* MonotonicClock.now
  const clock = options.time === undefined ? RedisClock.make(now) : RedisClock.fromTime(now, options.time)
  const primary = Primary.make()
  const connection = yield* RedisConnection.make(options, async (client) => {
    await clock.sync(client)
    await primary.check(client)
  })
  const bus = yield* RedisBus.make(connection, clock, now, {
    channel: settings.channel ?? `tiercache:1:db${connection.db}`,
    trackedPrefix: options.trackedPrefix
  })
  primary.onChange(bus.invalidation.reconnect)
  yield* Effect.forkScoped(RedisClock.keepFresh(clock, connection))

  const { maxKeysPerCommand, unsupported } = settings
  const reads = Reads.make({ connection, clock, now, maxKeysPerCommand })
  const writes = Writes.make({ connection, clock, now, bus, maxKeysPerCommand })
  const scans = Scans.make(connection, writes, settings)

  const backend = CacheBackend.CacheBackend.of({
    name: "redis",
    unsupported,
    // scripts do not write after the deadline of the operation that sent them
    lateMillis: connection.commandMillis,
    peek: () => undefined,
    get: reads.get,
    getMany: reads.getMany,
    has: reads.has,
    ttl: reads.ttl,
    set: writes.set,
    setMany: writes.setMany,
    delete: writes.delete,
    deleteMany: writes.deleteMany,
    expire: unsupported.has("expire") ? () => lacking("expire") : writes.expire,
    increment: unsupported.has("increment") ? () => lacking("increment") : writes.increment,
    scan: scans.scan,
    deletePattern: scans.deletePattern,
    run: unsupported.has("run") ? () => lacking("run") : UserScripts.make(connection, options.time),
    changes: unsupported.has("changes")
      ? Stream.fromEffect(lacking("changes"))
      : Invalidation.feed(bus.subscribeToChanges),
    health: Health.make(connection, clock, now, bus),
    stats: () => ({ unreadable: reads.unreadable(), local: undefined })
  })
  return Context.make(CacheBackend.CacheBackend, backend).pipe(Context.add(Invalidation.Invalidation, bus.invalidation))
})

const lacking = (feature: CacheBackend.Feature): Effect.Effect<never, CacheError.CacheError> =>
  Effect.fail(CacheError.make(feature, "Unsupported", `this Redis backend is declared to lack "${feature}"`))

/** Fails with `InvalidOption` only: a server that is down makes operations fail, until it is up. */
export const layer = (
  options: Options
): Layer.Layer<CacheBackend.CacheBackend | Invalidation.Invalidation, CacheError.CacheError> =>
  Layer.effectContext(make(options))

const DEFAULT_SCAN_COUNT = 100

/**
 * A script that writes 500 entries of 100 bytes blocks Redis for about 4 ms, of 1 kB for 6 ms, pushed or not; one that deletes
 * 500 for 0.4 ms. Measured with `INFO commandstats`, on a busy machine.
 */
const DEFAULT_KEYS_PER_COMMAND = 500

const DEFAULT_DELETE_BATCH_SIZE = 1000

/** A script that writes as many blocks Redis for 20 ms and more, which everybody feels. */
const MAX_KEYS = 5000

const settingsOf = (options: Options) => ({
  scanCount: integerUpTo("scanCount", options.scanCount ?? DEFAULT_SCAN_COUNT, 1_000_000),
  maxKeysPerCommand: integerUpTo("maxKeysPerCommand", options.maxKeysPerCommand ?? DEFAULT_KEYS_PER_COMMAND, MAX_KEYS),
  deleteBatchSize: integerUpTo("deleteBatchSize", options.deleteBatchSize ?? DEFAULT_DELETE_BATCH_SIZE, MAX_KEYS),
  unsupported: new Set(options.unsupported),
  channel: options.channel === undefined ? undefined : asciiName(options.channel)
})

const integerUpTo = (option: string, value: number, most: number): number => {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw CacheError.make("connect", "InvalidOption", `${option} is an integer from 1 to ${most}; got ${value}`)
}

/** Others do not survive a reconnect of ioredis. */
const asciiName = (channel: string): string => {
  if (/^[\x21-\x7e]+$/.test(channel)) return channel
  throw CacheError.make("connect", "InvalidOption", "channel consists of visible ASCII characters, without spaces")
}
