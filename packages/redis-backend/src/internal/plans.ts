/**
 * How clients are made, or lent.
 */
import { CacheError } from "@tiercache/core"
import { Effect, Predicate } from "effect"
import { type Cluster, Redis, type RedisOptions } from "ioredis"
import type * as RedisConnection from "../RedisConnection.ts"
import * as redisError from "./redisError.ts"
import * as redisOptions from "./redisOptions.ts"
import * as Sentinels from "./sentinels.ts"
import type { Limits } from "./Watchdog.ts"

const DEFAULT_COMMAND_TIMEOUT = "500 millis"
const DEFAULT_CONNECT_TIMEOUT = "2 seconds"

/** On RESP3, ioredis drops what tracking sends; for all else there is no difference. */
const BUS_PROTOCOL = { protocol: 2 } as const

/** What differs between connections of ours to one server and clients that are lent. */
export interface Plan {
  readonly endpoint: string
  readonly open: () => Redis
  readonly close: (client: Redis) => void
  readonly openBus: () => Redis
  /** Leaves a server for the one that has replaced it, which has that port. */
  readonly leave: (client: Redis, newPort: number) => void
  /** Tells when there is another server to go to, until what it returns is called. */
  readonly watch?: ((onSwitch: (port: number) => void) => () => void) | undefined
  readonly limits: Limits
}

/** Of all connections. */
interface Common extends redisOptions.Timeouts {
  readonly endpoint: string
  readonly db: number
}

export interface SinglePlan extends Plan, Common {
  readonly _tag: "Single"
  readonly isMock: boolean
}

export interface ClusterPlan extends Common {
  readonly _tag: "Cluster"
  /** The nodes that are known before any was asked. */
  readonly seeds: () => ReadonlyArray<HostAndPort>
  readonly planOf: (node: HostAndPort) => Plan
  /** A connection for one question, which is not made again; none while there is nobody who knows how. */
  readonly probe: (node: HostAndPort) => Redis
}

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

export const planOf = (options: RedisConnection.Options): SinglePlan | ClusterPlan => {
  const timeouts = {
    commandMillis: redisOptions.timeoutMillis("commandTimeout", options.commandTimeout ?? DEFAULT_COMMAND_TIMEOUT),
    connectMillis: redisOptions.timeoutMillis("connectTimeout", options.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT)
  }
  if ("cluster" in options) return planOfCluster(options, timeouts)
  if ("sentinels" in options) return planOfSentinels(options, timeouts)
  if ("url" in options) return planOfUrl(options, timeouts)
  const { busUrl, client } = options
  // who writes JavaScript may forget it
  if (!client) throw invalid("one of url, cluster, sentinels and client is needed")
  // told by what it has, since it may be of another copy of ioredis
  return "nodes" in client ? planOfClusterClient(client, timeouts) : planOfClient(client, busUrl, timeouts)
}

const planOfUrl = (
  { busUrl, connectionName, tls, url }: RedisConnection.UrlOptions,
  timeouts: redisOptions.Timeouts
): SinglePlan => {
  const address = redisOptions.parseUrl("url", url)
  const busAddress = busUrl === undefined ? address : redisOptions.parseUrl("busUrl", busUrl)
  if (tls !== undefined && !address.secure) throw invalid("tls needs a url that begins with rediss://")
  const commands = redisOptions.connect(address, timeouts, { tls, connectionName })
  const bus = redisOptions.connect(busAddress, timeouts, { tls, connectionName })
  return {
    _tag: "Single",
    isMock: false,
    db: commands.db,
    ...timeouts,
    ...ours(endpointOf(address), timeouts, commands, bus)
  }
}

const planOfSentinels = (options: RedisConnection.SentinelOptions, timeouts: redisOptions.Timeouts): SinglePlan => {
  const { db = 0, name, sentinels } = options
  if (!Predicate.isString(name) || name === "") throw invalid("name is what the sentinels call the group")
  if (!Number.isInteger(db) || db < 0) throw invalid("db is the number of a database")
  const addresses = redisOptions.parseAddresses("sentinels", sentinels, redisOptions.SENTINEL_PORT)
  const client = redisOptions.connectBySentinels(addresses, { name, db }, timeouts, options)
  const login = { ...options, username: undefined, password: undefined }
  const watched = addresses.map((address) => redisOptions.connect(address, timeouts, login))
  return {
    _tag: "Single",
    isMock: false,
    db,
    ...timeouts,
    ...ours(`sentinel group ${name}`, timeouts, client, client),
    watch: (onSwitch) => Sentinels.watch(watched, name, onSwitch)
  }
}

/** Replies have the forms that ioredis gives them unless told otherwise. */
type ConnectOptions = Omit<RedisOptions, "replyMapping">

/** Connections that are made and closed by us. */
const ours = (
  endpoint: string,
  { commandMillis }: redisOptions.Timeouts,
  commands: ConnectOptions,
  bus: ConnectOptions
): Plan => ({
  endpoint,
  open: () => silenced(new Redis(commands)),
  close: (client) => client.disconnect(),
  leave: Sentinels.leave,
  openBus: () => silenced(new Redis({ ...bus, ...BUS_PROTOCOL })),
  limits: { commandMillis, silentMillis: redisOptions.silentMillis(commandMillis) }
})

const planOfCluster = (options: RedisConnection.ClusterOptions, timeouts: redisOptions.Timeouts): ClusterPlan => {
  const addresses = redisOptions.parseAddresses("cluster", options.cluster, redisOptions.REDIS_PORT)
  const [first] = addresses
  if (first === undefined || addresses.some(({ db }) => db !== 0)) throw invalid("a cluster has one database, 0")
  const { password = first.password, tls, username = first.username } = options
  const login = { ...first, username, password, secure: tls !== undefined || first.secure }
  const optionsOf = (node: HostAndPort) => redisOptions.connect({ ...login, ...node }, timeouts, options)
  return {
    _tag: "Cluster",
    endpoint: clusterEndpoint(addresses),
    db: 0,
    ...timeouts,
    seeds: () => addresses.map(hostAndPort),
    planOf: (node) => ours(endpointOf(node), timeouts, optionsOf(node), optionsOf(node)),
    probe: (node) => silenced(new Redis({ ...optionsOf(node), ...PROBE }))
  }
}

/** Sends nothing over the client, but learns from it which nodes there are, and how to connect to them. */
const planOfClusterClient = (client: Cluster, timeouts: redisOptions.Timeouts): ClusterPlan => {
  if (client.options.redisOptions?.keyPrefix) throw invalid(NO_KEY_PREFIX)
  if (client.status === "wait") client.connect().catch(() => {})
  const failFast = redisOptions.failFast(timeouts)
  const { natMap } = client.options
  const mapped = (node: HostAndPort): HostAndPort => {
    const name = endpointOf(node)
    return (Predicate.isFunction(natMap) ? natMap(name) : natMap?.[name]) ?? node
  }
  const seeds = () =>
    client.nodes().flatMap(({ options: { host, port } }) => (host === undefined ? [] : [{ host, port: port ?? NaN }]))
  let template: RedisOptions | undefined
  const optionsOf = (node: HostAndPort): ConnectOptions & { readonly replyMapping: "legacy" } => ({
    ...(template = client.nodes()[0]?.options ?? template),
    replyMapping: "legacy",
    ...failFast,
    ...mapped(node),
    readOnly: false
  })
  return {
    _tag: "Cluster",
    endpoint: "the given cluster",
    db: 0,
    ...timeouts,
    seeds,
    planOf: (node) => ours(endpointOf(node), timeouts, optionsOf(node), optionsOf(node)),
    probe: (node) => silenced(new Redis({ ...optionsOf(node), ...PROBE }))
  }
}

const planOfClient = (client: Redis, busUrl: string | undefined, timeouts: redisOptions.Timeouts): SinglePlan => {
  const { db, host, keyPrefix, name, path, port, sentinels } = client.options
  if (keyPrefix) throw invalid(NO_KEY_PREFIX)
  const endpoint = path ?? (name ? `sentinel group ${name}` : `${host}:${port}`)
  const override = {
    ...redisOptions.failFast(timeouts),
    ...(sentinels ? redisOptions.followSentinels(timeouts) : {}),
    ...BUS_PROTOCOL
  }
  const bus =
    busUrl === undefined ? undefined : redisOptions.connect(redisOptions.parseUrl("busUrl", busUrl), timeouts, {})
  return {
    _tag: "Single",
    isMock: client.status === undefined,
    endpoint,
    db: db ?? 0,
    ...timeouts,
    open: () => client,
    close: () => {},
    // that is for its owner to do; L1 is not trusted until it is done, since the bus goes to the new one
    leave: () => {},
    watch: sentinels && name ? (onSwitch) => Sentinels.watch(sentinelsOf(client, timeouts), name, onSwitch) : undefined,
    openBus: () => silenced(bus === undefined ? client.duplicate(override) : new Redis({ ...bus, ...BUS_PROTOCOL })),
    limits: { commandMillis: timeouts.commandMillis, silentMillis: Infinity }
  }
}

const sentinelsOf = (
  { options: { sentinelPassword, sentinelTLS, sentinels = [], sentinelUsername } }: Redis,
  timeouts: redisOptions.Timeouts
) =>
  sentinels.map(({ host, port }) => ({
    ...redisOptions.failFast(timeouts),
    host: host ?? "127.0.0.1",
    port: port ?? redisOptions.SENTINEL_PORT,
    username: sentinelUsername,
    password: sentinelPassword,
    tls: sentinelTLS
  }))

const NO_KEY_PREFIX =
  "the given client has a keyPrefix, which SCAN and messages do not know: give the cache a prefix instead"

/** A question waits until there is a connection, and nothing is tried again. */
const PROBE = { enableOfflineQueue: true, retryStrategy: () => null } as const

const hostAndPort = ({ host, port }: HostAndPort): HostAndPort => ({ host, port })

const endpointOf = ({ host, port }: HostAndPort): string => `${host}:${port}`

const clusterEndpoint = (seeds: ReadonlyArray<HostAndPort>): string => `cluster of ${seeds.map(endpointOf).join(", ")}`

export const within = <A>(
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
