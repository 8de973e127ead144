/**
 * The connection for commands, made by us from a URL or lent by the user, and the way to a second one for the bus.
 *
 * **Details**
 *
 * The connection fails fast and recovers alone: while there is none, commands fail with `Unavailable` at once instead of
 * waiting in a queue, and it reconnects for as long as it is open. Nothing it does ends in an unhandled rejection.
 */
import type { Writable } from "node:stream"
import type { ConnectionOptions } from "node:tls"
import { CacheError, MonotonicClock, type Ttl } from "@tiercache/core"
import { Deferred, Effect, type Scope } from "effect"
import { Redis } from "ioredis"
import * as redisError from "./internal/redisError.ts"
import * as redisOptions from "./internal/redisOptions.ts"

export interface CommonOptions {
  /** Where the bus connects, if not where the commands go. */
  readonly busUrl?: string | undefined
  /** How long a command may take, 500 ms unless given. */
  readonly commandTimeout?: Ttl.Input | undefined
  /** How long an attempt to connect may take, and opening the backend at most; 2 s unless given. */
  readonly connectTimeout?: Ttl.Input | undefined
}

export interface UrlOptions extends CommonOptions {
  /** `redis://user:password@host:6379/0`, or `rediss://` for TLS. */
  readonly url: string
  /** What `CLIENT LIST` shows. */
  readonly connectionName?: string | undefined
  /** Certificates and the like, for `rediss://`. */
  readonly tls?: ConnectionOptions | undefined
}

/**
 * **Details**
 *
 * A client that the user made stays the user's: it is never closed, and no listener remains on it. The bus gets a
 * duplicate of it, which is ours.
 */
export interface ClientOptions extends CommonOptions {
  readonly client: Redis
}

export type Options = UrlOptions | ClientOptions

export type Status = "connecting" | "connected" | "closed"

export interface RedisConnection {
  /** `host:port`, for messages. */
  readonly endpoint: string
  readonly db: number
  /** How long a command may take, in milliseconds. */
  readonly commandMillis: number
  readonly status: () => Status
  /** Why there is no connection, as far as it is known. */
  readonly problem: () => string | undefined
  /** Runs one command, or several at the same time; settles within `commandMillis`. */
  readonly command: <A>(
    operation: string,
    send: (client: Redis) => Promise<A>
  ) => Effect.Effect<A, CacheError.CacheError>
  /** When an operation that begins now has to settle, in milliseconds of the monotonic clock. */
  readonly deadline: () => number
  /** Ends with `Timeout` at a deadline. For what is tried again: a first command ends by itself. */
  readonly before: <A>(
    deadline: number,
    operation: string,
    effect: Effect.Effect<A, CacheError.CacheError>
  ) => Effect.Effect<A, CacheError.CacheError>
  /** Repeats a preparation that failed, without which a connection lets no command through. */
  readonly prepareAgain: () => void
  /** Another connection of the same kind, for the bus, open until the scope closes. */
  readonly makeBusClient: Effect.Effect<Redis, never, Scope.Scope>
}

const DEFAULT_COMMAND_TIMEOUT = "500 millis"
const DEFAULT_CONNECT_TIMEOUT = "2 seconds"

/**
 * Opens the connection, for as long as the scope is open.
 *
 * **Details**
 *
 * Each new connection is given to `prepare` before commands are let through. Waits for the first attempt to connect, and
 * succeeds even if that fails: the connection goes on trying. Fails with `InvalidOption` only.
 */
export const make = Effect.fnUntraced(function* (options: Options, prepare: (client: Redis) => Promise<void>) {
  const plan = yield* CacheError.attempt(() => planOf(options))
  const now = yield* MonotonicClock.now
  const attempted = Deferred.makeUnsafe<void>()
  const gate = yield* Effect.acquireRelease(
    Effect.sync(() => new Gate(plan.open(), prepare, () => Deferred.doneUnsafe(attempted, Effect.void))),
    (gate) => Effect.sync(() => (gate.leave(), plan.close(gate.client)))
  )
  const connection: RedisConnection = {
    endpoint: plan.endpoint,
    db: plan.db,
    commandMillis: plan.commandMillis,
    status: () => gate.status(),
    problem: () => gate.problem,
    command: (operation, send) => plan.deadline(operation, gate.run(operation, plan.endpoint, send)),
    deadline: () => now() + plan.commandMillis,
    before: (deadline, operation, effect) =>
      Effect.suspend(() => within(deadline - now(), operation, plan.endpoint, effect)),
    prepareAgain: () => gate.prepareAgain(),
    makeBusClient: Effect.acquireRelease(Effect.sync(plan.openBus), (client) => Effect.sync(() => client.disconnect()))
  }
  yield* Deferred.await(attempted).pipe(Effect.timeoutOption(plan.connectMillis))
  return connection
})

/** On RESP3, ioredis drops what tracking sends; for all else there is no difference. */
const BUS_PROTOCOL = { protocol: 2 } as const

/** What differs between a connection of ours and a client that is lent. */
interface Plan {
  readonly endpoint: string
  readonly db: number
  readonly commandMillis: number
  readonly connectMillis: number
  readonly open: () => Redis
  readonly close: (client: Redis) => void
  readonly openBus: () => Redis
  readonly deadline: <A>(
    operation: string,
    effect: Effect.Effect<A, CacheError.CacheError>
  ) => Effect.Effect<A, CacheError.CacheError>
}

const planOf = (options: Options): Plan => {
  const timeouts = {
    commandMillis: redisOptions.timeoutMillis("commandTimeout", options.commandTimeout ?? DEFAULT_COMMAND_TIMEOUT),
    connectMillis: redisOptions.timeoutMillis("connectTimeout", options.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT)
  }
  return "client" in options ? planOfClient(options, timeouts) : planOfUrl(options, timeouts)
}

const planOfUrl = (options: UrlOptions, timeouts: redisOptions.Timeouts): Plan => {
  const { busUrl, connectionName, tls, url } = options
  const address = redisOptions.parseUrl("url", url)
  const busAddress = busUrl === undefined ? address : redisOptions.parseUrl("busUrl", busUrl)
  if (tls !== undefined && !address.secure) throw invalid("tls needs a url that begins with rediss://")
  const commands = redisOptions.connect(address, timeouts, tls, connectionName)
  const bus = redisOptions.connect(busAddress, timeouts, tls, connectionName)
  return {
    endpoint: `${commands.host}:${commands.port}`,
    db: commands.db ?? 0,
    ...timeouts,
    open: () => silenced(new Redis(commands)),
    close: (client) => client.disconnect(),
    openBus: () => silenced(new Redis({ ...bus, ...BUS_PROTOCOL })),
    deadline: (_, effect) => effect
  }
}

const planOfClient = ({ busUrl, client }: ClientOptions, timeouts: redisOptions.Timeouts): Plan => {
  const { db, host, keyPrefix, name, path, port } = client.options
  if (keyPrefix)
    throw invalid(
      "the given client has a keyPrefix, which SCAN and messages do not know: give the cache a prefix instead"
    )
  if (client.isCluster) throw invalid("the given client is a cluster, which is not supported yet")
  const endpoint = path ?? (name ? `sentinel group ${name}` : `${host}:${port}`)
  const failFast = redisOptions.failFast(timeouts)
  const bus =
    busUrl === undefined
      ? undefined
      : redisOptions.connect(redisOptions.parseUrl("busUrl", busUrl), timeouts, undefined, undefined)
  return {
    endpoint,
    db: db ?? 0,
    ...timeouts,
    open: () => client,
    close: () => {},
    openBus: () =>
      silenced(
        bus === undefined ? client.duplicate({ ...failFast, ...BUS_PROTOCOL }) : new Redis({ ...bus, ...BUS_PROTOCOL })
      ),
    // a client of the user may have no time-out of its own
    deadline: (operation, effect) => within(timeouts.commandMillis, operation, endpoint, effect)
  }
}

const within = <A>(
  millis: number,
  operation: string,
  endpoint: string,
  effect: Effect.Effect<A, CacheError.CacheError>
): Effect.Effect<A, CacheError.CacheError> => {
  const timedOut = Effect.suspend(() => Effect.fail(redisError.timedOut(operation, endpoint)))
  return millis > 0 ? Effect.timeoutOrElse(effect, { duration: millis, orElse: () => timedOut }) : timedOut
}

const invalid = (problem: string) => CacheError.make("connect", "InvalidOption", problem)

/** ioredis prints errors that nobody listens to, and what is wrong shows in the state of the bus anyway. */
const silenced = (client: Redis): Redis => client.on("error", () => {})

/** ioredis-mock has no `status`. */
const isReady = (client: Redis): boolean =>
  client.status === "ready" || (client.status === undefined && Reflect.get(client, "connected") === true)

/** The commands of one turn of the event loop leave in one write: the system call costs more than all else about a command. */
const joinWrites = (stream: Writable | undefined): void => {
  if (stream === undefined || stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

/** Follows a client, and lets commands through while it has a connection that was prepared. */
class Gate {
  readonly client: Redis
  problem: string | undefined
  private readonly prepare: (client: Redis) => Promise<void>
  private readonly attempted: () => void
  private isOpen = false
  private isPreparing = false
  /** Counts connections, so that the preparation of one does not open the gate for the next. */
  private epoch = 0

  constructor(client: Redis, prepare: (client: Redis) => Promise<void>, attempted: () => void) {
    this.client = client
    this.prepare = prepare
    this.attempted = attempted
    client.on("ready", this.onReady)
    client.on("close", this.onClose)
    client.on("error", this.onError)
    if (client.status === "wait") client.connect().catch(() => {})
    if (isReady(client)) this.onReady()
  }

  leave(): void {
    this.onClose()
    this.client.off("ready", this.onReady)
    this.client.off("close", this.onClose)
    this.client.off("error", this.onError)
  }

  status(): Status {
    if (this.isOpen) return "connected"
    return this.client.status === "end" ? "closed" : "connecting"
  }

  run<A>(
    operation: string,
    endpoint: string,
    send: (client: Redis) => Promise<A>
  ): Effect.Effect<A, CacheError.CacheError> {
    return Effect.callback((resume) => {
      if (!this.isOpen) return resume(Effect.fail(redisError.notConnected(operation, endpoint, this.problem)))
      joinWrites(this.client.stream)
      send(this.client).then(
        (reply) => resume(Effect.succeed(reply)),
        (error: unknown) => resume(Effect.fail(redisError.toCacheError(operation, endpoint, error, this.problem)))
      )
    })
  }

  /** For a connection whose preparation failed, and that is still there. */
  prepareAgain(): void {
    if (!this.isOpen && !this.isPreparing && isReady(this.client)) this.onReady()
  }

  private readonly onReady = (): void => {
    const epoch = ++this.epoch
    this.isPreparing = true
    this.prepare(this.client).then(
      () => epoch === this.epoch && this.open(),
      (error: unknown) => epoch === this.epoch && this.onUnprepared(error)
    )
  }

  private open(): void {
    this.isPreparing = false
    this.isOpen = true
    this.problem = undefined
    this.attempted()
  }

  private readonly onClose = (): void => {
    this.epoch++
    this.isPreparing = false
    this.isOpen = false
    this.attempted()
  }

  private onUnprepared(error: unknown): void {
    this.isPreparing = false
    this.onError(error)
  }

  private readonly onError = (error: unknown): void => {
    this.problem = redisError.describe(error)
    this.attempted()
  }
}
