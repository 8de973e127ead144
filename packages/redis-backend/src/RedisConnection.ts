/**
 * The way to Redis: to one server, to the primary that sentinels name, or to all primaries of a cluster; by clients made by us, or
 * lent by the user.
 *
 * **Details**
 *
 * The connection fails fast and recovers alone: while there is none, commands fail with `Unavailable` at once instead of
 * waiting in a queue, and it reconnects for as long as it is open. Nothing it does ends in an unhandled rejection.
 */
import type { ConnectionOptions } from "node:tls"
import { CacheError, type MonotonicClock, type Ttl } from "@tiercache/core"
import { Effect } from "effect"
import type { Cluster as ClusterClient, Redis } from "ioredis"
import * as CircuitBreaker from "./internal/CircuitBreaker.ts"
import * as Cluster from "./internal/Cluster.ts"
import type { Status } from "./internal/Gate.ts"
import * as plans from "./internal/plans.ts"
import type * as redisOptions from "./internal/redisOptions.ts"
import type * as Server from "./internal/Server.ts"
import * as Single from "./internal/Single.ts"

export interface CommonOptions {
  /** How long a command may take, 500 ms unless given. */
  readonly commandTimeout?: Ttl.Input | undefined
  /** How long an attempt to connect may take, and opening the backend at most; 2 s unless given. */
  readonly connectTimeout?: Ttl.Input | undefined
  /**
   * Lets commands fail at once, with `Unavailable`, while the server does not answer the others; `false` lets each wait for its own
   * time-out.
   */
  readonly circuitBreaker?: false | CircuitBreakerOptions | undefined
}

/**
 * **Details**
 *
 * Time-outs and lost connections are failures; what Redis answers, errors too, is none. When it is open, one command at a time is
 * let through as a probe, and closes it if it is answered. A new connection begins with a closed one.
 */
export interface CircuitBreakerOptions {
  /** How many commands have to fail for it to open, 5 unless given: a few fail at any stall. */
  readonly minimumFailures?: number | undefined
  /** Which part of the commands has to fail, above 0 and at most 1; 0.5 unless given. */
  readonly failureRate?: number | undefined
  /** The time over which it counts, 2 seconds unless given: as long as a busy process may take to notice an outage. */
  readonly window?: Ttl.Input | undefined
  /** How long it stays open before a probe, 500 ms unless given: by as much an outage may last longer. */
  readonly openFor?: Ttl.Input | undefined
}

export interface UrlOptions extends CommonOptions {
  /** `redis://user:password@host:6379/0`, or `rediss://` for TLS. */
  readonly url: string
  /** Where the bus connects, if not where the commands go. */
  readonly busUrl?: string | undefined
  /** What `CLIENT LIST` shows. */
  readonly connectionName?: string | undefined
  /** Certificates and the like, for `rediss://`. */
  readonly tls?: ConnectionOptions | undefined
}

/** What is the same for all servers of a group. */
export interface GroupOptions extends CommonOptions {
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Certificates and the like; if given, connections to the servers use TLS. */
  readonly tls?: ConnectionOptions | undefined
  /** What `CLIENT LIST` shows. */
  readonly connectionName?: string | undefined
}

/** A URL, or host and port. */
export type Address = redisOptions.AddressInput

export interface ClusterOptions extends GroupOptions {
  /** Some of the nodes, by which the others are found. User and password in the first URL count for all nodes, as does `rediss:`. */
  readonly cluster: ReadonlyArray<Address>
}

export interface SentinelOptions extends GroupOptions {
  /** The sentinels. User and password in the first URL are those of the sentinels. */
  readonly sentinels: ReadonlyArray<Address>
  /** What the sentinels call the group. */
  readonly name: string
  readonly db?: number | undefined
}

/**
 * **Details**
 *
 * A client that the user made stays the user's: it is never closed, and no listener remains on it. The bus gets a
 * duplicate of it, which is ours. Of a `Cluster`, no command is sent over it at all: its nodes and options are taken for
 * connections of ours.
 */
export interface ClientOptions extends CommonOptions {
  readonly client: Redis | ClusterClient
  /** Where the bus connects, if not where the commands go; not for a `Cluster`. */
  readonly busUrl?: string | undefined
}

export type Options = UrlOptions | ClusterOptions | SentinelOptions | ClientOptions

/**
 * A `divisible` one fails at once (`redirection.keysApart`) if its keys are on two servers; others are tried again. A `joined` one is sent
 * by a `Joint` of the server, unless it is asking.
 */
export type How = "whole" | "divisible" | "joined"

/** Runs commands where the keys are. */
export interface RedisConnection {
  /** For messages: `host:port`, or what stands for several. */
  readonly endpoint: string
  readonly db: number
  /** How long a command may take, in milliseconds. */
  readonly commandMillis: number
  readonly status: () => Status
  /** Why there is no connection, as far as it is known. */
  readonly problem: () => string | undefined
  /** Of the server that is worst off; `off` if there is none. */
  readonly breakerState: () => CircuitBreaker.State | "off"
  /**
   * Runs one command, or several at the same time, on the server that has the key; settles within `commandMillis`. In a cluster
   * all keys of it have to be in one slot, and it may be sent more than once, to different servers.
   */
  readonly command: <A>(
    operation: string,
    key: string | undefined,
    send: Server.Send<A>,
    how?: How
  ) => Effect.Effect<A, CacheError.CacheError>
  /** When an operation that begins now has to settle, in milliseconds of the monotonic clock. */
  readonly deadline: () => number
  /** Ends with `Timeout` at a deadline. For what is tried again: a first command ends by itself. */
  readonly before: <A>(
    deadline: number,
    operation: string,
    effect: Effect.Effect<A, CacheError.CacheError>
  ) => Effect.Effect<A, CacheError.CacheError>
  /** Whether a key has a slot, and a command only keys of one. */
  readonly isCluster: boolean
  /** Whether it is an ioredis-mock, whose Lua is another. */
  readonly isMock: boolean
  /** Keys whose parts are different cannot be in one command. */
  readonly partOf: (key: string) => number | string
  /** The servers that take writes; none while it is not known which. */
  readonly servers: () => ReadonlyArray<Server.Server>
  /** The servers, after having asked who owns what, for what goes through all of them. */
  readonly layout: (operation: string) => Effect.Effect<ReadonlyArray<Part>, CacheError.CacheError>
  /** Called when `servers` has changed. */
  readonly onChange: (listener: () => void) => void
  /** How often a connection for commands was lost, or `servers` has changed: what was acknowledged before may be lost. Of a cluster only. */
  readonly losses: () => number
  /** Publishes a heartbeat on a server, if that takes writes. */
  readonly beat: (server: Server.Server, channel: string, id: number) => Effect.Effect<void, CacheError.CacheError>
  /**
   * Whether what a round of heartbeats has brought back, one from each server, shows that there are no other servers which take
   * writes. What has changed is looked into.
   */
  readonly isWhole: (echoes: ReadonlyArray<string>) => boolean
}

/** One of several servers, and what it has of the keys. */
export interface Part {
  readonly server: Server.Server
  /** The node and its slots, as text; nothing for one server. */
  readonly owned: string
  /** Whether keys move to or from it. */
  readonly isMoving: boolean
}

export interface Settings {
  readonly now: MonotonicClock.Now
  /** See `RedisBackend.Options`. */
  readonly time: (() => number) | undefined
  readonly channel: string | undefined
}

/**
 * Opens the connection, for as long as the scope is open.
 *
 * **Details**
 *
 * Waits for the first attempt to connect, and succeeds even if that fails: the connection goes on trying. Fails with
 * `InvalidOption` only.
 */
export const make = Effect.fnUntraced(function* (options: Options, { channel, now, time }: Settings) {
  const plan = yield* CacheError.attempt(() => plans.planOf(options))
  const breaker = yield* CacheError.attempt(() => CircuitBreaker.settingsOf(options.circuitBreaker))
  const { commandMillis, connectMillis, db, endpoint } = plan
  const settings = { now, time, channel: channel ?? `tiercache:1:db${db}`, breaker }
  const routing = plan._tag === "Single" ? yield* Single.make(plan, settings) : yield* Cluster.make(plan, settings)
  yield* Effect.timeoutOption(routing.attempted, connectMillis)
  const connection: RedisConnection = {
    ...routing,
    endpoint,
    db,
    commandMillis,
    isMock: plan._tag === "Single" && plan.isMock,
    deadline: () => now() + commandMillis,
    before: (deadline, operation, effect) =>
      Effect.suspend(() => plans.within(deadline - now(), operation, endpoint, effect))
  }
  return connection
})
