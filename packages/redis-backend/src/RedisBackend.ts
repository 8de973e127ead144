/**
 * Redis as a store of its own, and as the L2 of a tiered one.
 *
 * **Details**
 *
 * One round trip per operation. What writes is a Lua script that announces the write in the same step. Deadlines inside
 * entries are in the Redis server's time (`RedisClock`), their expiry in Redis is relative, so no wall clock of this machine
 * matters.
 *
 * **Gotchas**
 *
 * - Needs Redis 6 or Valkey, and a user (ACL) that may read and write the keys, SCAN, EVALSHA, EVAL, TIME and INFO, and who
 *   may SUBSCRIBE and PUBLISH on `tiercache:*` (or the channel's name and `*`) and write keys of such a name: heartbeats
 *   prove by one that never exists that the server takes writes. In a cluster also CLUSTER NODES and CLUSTER MYID. With tags, also
 *   keys that begin with `{tiercache}:tag:`, and the right to ZSCAN; in a cluster keys that begin with `{tiercache:`, SADD and SMEMBERS.
 *   To sweep, also OBJECT.
 * - One server, a Sentinel group, or a cluster; docs/topologies.md tells what each promises.
 */
import { CacheBackend, CacheError, Invalidation, type Lease, MonotonicClock } from "@tiercache/core"
import { Context, Effect, Layer, Stream } from "effect"
import type * as Dangers from "./internal/dangers.ts"
import * as Entries from "./internal/entries.ts"
import * as Health from "./internal/health.ts"
import * as Keyspace from "./internal/keyspace.ts"
import * as Leases from "./internal/leases.ts"
import * as Reads from "./internal/reads.ts"
import * as Replicas from "./internal/replicas.ts"
import * as Scans from "./internal/scans.ts"
import * as Strict from "./internal/strict.ts"
import * as Sweeps from "./internal/sweeps.ts"
import * as Tags from "./internal/tags.ts"
import * as TagSlots from "./internal/tagSlots.ts"
import * as UserScripts from "./internal/userScripts.ts"
import * as Writes from "./internal/writes.ts"
import * as Writing from "./internal/writing.ts"
import * as RedisBus from "./RedisBus.ts"
import * as RedisConnection from "./RedisConnection.ts"

export type Options = RedisConnection.Options & {
  /**
   * The channel of the bus, in ASCII; `tiercache:1:db0` for database 0 unless given. In a cluster each primary has one whose name
   * begins with that. All processes that share entries have to share it.
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
  /** Keys that one command reads or writes, 100 unless given; operations on more take several. */
  readonly maxKeysPerCommand?: number | undefined
  /** Keys that `deletePattern` deletes at once, 1000 unless given. */
  readonly deleteBatchSize?: number | undefined
  /** What the client or server lacks: these operations fail with `Unsupported`. */
  readonly unsupported?: Iterable<CacheBackend.Feature> | undefined
  /**
   * Starts only on a Redis that can keep the promises: each primary answers, is none's replica, and evicts no tag indexes
   * (`maxmemory-policy` is not `allkeys-*`, whether memory has a limit now or not). `"locks"` also demands that it evicts nothing at
   * all (`noeviction`), because locks have TTLs. Otherwise the layer fails and says why, also if the user (ACL) may not run INFO, for
   * then it cannot be known. Looked at once; later on, `health` warns.
   */
  readonly strict?: Strict.Strict | undefined
  /** The server's time in microseconds, for tests that move it; scripts get it too. Asked with TIME unless given. */
  readonly time?: (() => number) | undefined
}

/** The service and its bus, open until the scope closes. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const settings = yield* CacheError.attempt(() => settingsOf(options))
  const now = yield* MonotonicClock.now
  const { channel, maxKeysPerCommand, unsupported } = settings
  const connection = yield* RedisConnection.make(options, { now, time: options.time, channel })
  yield* Strict.check(connection, now, settings.strict)
  const bus = yield* RedisBus.make(connection, now, options.trackedPrefix)

  const limits = { size: maxKeysPerCommand, partOf: connection.partOf }
  const entries = Entries.make(now)
  const writing = Writing.make({ connection, now, bus, time: options.time })
  const reads = Reads.make({ connection, now, entries, limits })
  const encodeTags = Tags.encoder(!unsupported.has("tags"))
  const tagSlots = TagSlots.make({ connection, bus, now })
  const writes = Writes.make({ connection, writing, limits, encodeTags, tagSlots })
  const leases = Leases.make({ connection, bus, writing, entries, limits, encodeTags, tagSlots })
  const tags = Tags.make({ connection, writing, limits, tagSlots })
  const keyspace = Keyspace.make(connection, settings.scanCount)
  const runScript = UserScripts.make(connection, { time: options.time, writing })
  const awaitReplicas = yield* Replicas.make(connection)
  const uses: Dangers.Uses = { scriptState: false, replicas: 0 }
  const scans = Scans.make(keyspace, writes, settings.deleteBatchSize)

  const backend = CacheBackend.CacheBackend.of({
    name: "redis",
    unsupported,
    // scripts do not write after the deadline of the operation that sent them
    lateMillis: connection.commandMillis,
    peek: () => undefined,
    peekEntry: () => undefined,
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
    sweep: Sweeps.make(keyspace, { connection, writing, limits }),
    deleteTags: unsupported.has("tags") ? () => lacking("tags") : tags.deleteTags,
    keysByTag: unsupported.has("tags") ? () => Stream.fromEffect(lacking("tags")) : tags.keysByTag,
    run: unsupported.has("run")
      ? () => lacking("run")
      : (script, keys, args) => {
          uses.scriptState = true
          return runScript(script, keys, args)
        },
    awaitReplicas: (key, replicas) => {
      uses.replicas = Math.max(uses.replicas, replicas)
      return awaitReplicas(key, replicas)
    },
    changes: unsupported.has("changes")
      ? Stream.fromEffect(lacking("changes"))
      : Invalidation.feed(bus.subscribeToChanges),
    leases: unsupported.has("leases") ? noLeases(leases) : leases,
    listen: bus.invalidation.subscribe,
    health: Health.make(connection, now, bus, uses),
    stats: () => ({ unreadable: entries.unreadable(), local: undefined })
  })
  return Context.make(CacheBackend.CacheBackend, backend).pipe(Context.add(Invalidation.Invalidation, bus.invalidation))
})

const lacking = (feature: CacheBackend.Feature): Effect.Effect<never, CacheError.CacheError> =>
  Effect.fail(CacheError.make(feature, "Unsupported", `this Redis backend is declared to lack "${feature}"`))

const noLeases = ({ token }: Lease.Leases): Lease.Leases => ({
  token,
  take: () => lacking("leases"),
  fill: () => lacking("leases"),
  renew: () => lacking("leases"),
  release: () => lacking("leases")
})

/** Unless `strict`, fails with `InvalidOption` only: a server that is down makes operations fail, until it is up. */
export const layer = (
  options: Options
): Layer.Layer<CacheBackend.CacheBackend | Invalidation.Invalidation, CacheError.CacheError> =>
  Layer.effectContext(make(options))

const DEFAULT_SCAN_COUNT = 100

/**
 * As fast as 500, for 100 to 5000 entries of 100 bytes written, read and deleted, since the commands leave in one write; and each
 * keeps the server from others for a fifth of the time: 500 entries written take it about 4 ms, 500 deleted 0.7 ms (`INFO commandstats`).
 */
const DEFAULT_KEYS_PER_COMMAND = 100

const DEFAULT_DELETE_BATCH_SIZE = 1000

/** A script that writes as many blocks Redis for 20 ms and more, which everybody feels. */
const MAX_KEYS = 5000

const settingsOf = (options: Options) => ({
  scanCount: integerUpTo("scanCount", options.scanCount ?? DEFAULT_SCAN_COUNT, 1_000_000),
  maxKeysPerCommand: integerUpTo("maxKeysPerCommand", options.maxKeysPerCommand ?? DEFAULT_KEYS_PER_COMMAND, MAX_KEYS),
  deleteBatchSize: integerUpTo("deleteBatchSize", options.deleteBatchSize ?? DEFAULT_DELETE_BATCH_SIZE, MAX_KEYS),
  unsupported: new Set(options.unsupported),
  strict: strictOf(options.strict),
  channel: options.channel === undefined ? undefined : asciiName(options.channel)
})

const integerUpTo = (option: string, value: number, most: number): number => {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw CacheError.make("connect", "InvalidOption", `${option} is an integer from 1 to ${most}; got ${value}`)
}

/** From JavaScript, a misspelt "locks" must not demand less than was meant. */
const strictOf = (strict: Options["strict"] = false): Strict.Strict => {
  if (strict === true || strict === false || strict === "locks") return strict
  throw CacheError.make("connect", "InvalidOption", 'strict is true, false or "locks"')
}

/** Others do not survive a reconnect of ioredis. */
const asciiName = (channel: string): string => {
  if (/^[\x21-\x7e]+$/.test(channel)) return channel
  throw CacheError.make("connect", "InvalidOption", "channel consists of visible ASCII characters, without spaces")
}
