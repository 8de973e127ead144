/**
 * From what a user configures to what ioredis takes.
 */
import type { ConnectionOptions } from "node:tls"
import { CacheError, type Ttl } from "@tiercache/core"
import { Duration, Option, Predicate } from "effect"
import type { RedisOptions } from "ioredis"

/** A server and how to log in there, as a URL names them. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly family: number
  readonly db: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly secure: boolean
}

export interface Timeouts {
  readonly commandMillis: number
  readonly connectMillis: number
}

export const REDIS_PORT = 6379
export const SENTINEL_PORT = 26_379

/** Reads `redis://` and `rediss://` URLs. Throws a `CacheError` that never contains a part of the URL's credentials. */
export const parseUrl = (option: string, text: string, defaultPort: number = REDIS_PORT): Address => {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== "redis:" && url.protocol !== "rediss:") || url.hostname === "") {
    throw invalid(`${option} has the form redis://[[user]:password@]host[:port][/db], or rediss:// for TLS`)
  }
  const unknown = [...url.searchParams.keys()].filter((name) => name !== "family")
  if (unknown.length > 0) throw invalid(`${option} has unknown parameters; only "family" can be set there`)
  if (url.hash !== "") throw invalid(`${option} contains a "#", which is written "%23" in a password`)
  return {
    // IPv6 addresses stand in brackets in URLs, and nowhere else
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? defaultPort : Number(url.port),
    family: integer(option, "family", url.searchParams.get("family") ?? "0"),
    db: integer(option, "the database", url.pathname.slice(1) || "0"),
    username: credential(option, url.username),
    password: credential(option, url.password),
    secure: url.protocol === "rediss:"
  }
}

const integer = (option: string, what: string, text: string): number => {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw invalid(`${what} in ${option} is not a number`)
}

const credential = (option: string, encoded: string): string | undefined => {
  if (encoded === "") return undefined
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw invalid(`the credentials in ${option} are not percent-encoded`)
  }
}

/** The milliseconds of a time-out. Throws a `CacheError` for what is no finite duration above zero, or a bare number. */
export const timeoutMillis = (option: string, input: Ttl.Input): number => {
  const duration = Predicate.isNumber(input) ? Option.none() : Duration.fromInput(input)
  const millis = Option.match(duration, { onNone: () => NaN, onSome: Duration.toMillis })
  // the largest delay that a Node.js timer takes
  if (millis > 0 && millis <= 0x7fffffff) return Math.ceil(millis)
  throw invalid(`${option} is a duration above zero, such as "500 millis"`)
}

/** A server of several, as a URL names it, or by its host. */
export type AddressInput = string | { readonly host: string; readonly port?: number | undefined }

/** Reads the addresses of several servers; `defaultPort` is that of those that name none. */
export const parseAddresses = (
  option: string,
  inputs: ReadonlyArray<AddressInput>,
  defaultPort: number
): ReadonlyArray<Address> => {
  if (!Array.isArray(inputs) || inputs.length === 0) throw invalid(`${option} is a list of addresses, of one at least`)
  return inputs.map((input) => {
    if (Predicate.isString(input)) return parseUrl(option, input, defaultPort)
    const { host, port = defaultPort } = input
    if (Predicate.isString(host) && host !== "" && Number.isInteger(port) && port > 0 && port < 65_536) {
      return { host, port, family: 0, db: 0, username: undefined, password: undefined, secure: false }
    }
    throw invalid(`${option} holds URLs, or { host, port }`)
  })
}

/** What is common to connections of ours. */
export interface Common {
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly tls?: ConnectionOptions | undefined
  readonly connectionName?: string | undefined
}

/** The options of a connection of ours to an address. */
export const connect = (
  { secure, username, password, ...address }: Address,
  timeouts: Timeouts,
  { connectionName, tls }: Common
) => ({
  ...failFast(timeouts),
  ...address,
  username,
  password,
  connectionName,
  tls: secure ? { ...tls } : undefined
})

/** The options of a connection of ours to whatever server the sentinels name. */
export const connectBySentinels = (
  sentinels: ReadonlyArray<Address>,
  group: { readonly name: string; readonly db: number },
  timeouts: Timeouts,
  { connectionName, password, tls, username }: Common
) => ({
  ...failFast(timeouts),
  ...followSentinels(timeouts),
  ...group,
  sentinels: sentinels.map(({ host, port }) => ({ host, port })),
  username,
  password,
  connectionName,
  tls,
  enableTLSForSentinelMode: tls !== undefined,
  sentinelUsername: sentinels[0]?.username,
  sentinelPassword: sentinels[0]?.password,
  sentinelTLS: sentinels[0]?.secure === true ? { ...tls } : undefined
})

/** Goes on to the next sentinel when one is frozen, and does not wait for long for a failover to be over. */
export const followSentinels = ({ commandMillis }: Timeouts) => ({
  sentinelCommandTimeout: commandMillis,
  sentinelRetryStrategy: reconnectDelayMillis,
  // the new primary is there all at once, and each attempt asks for it
  retryStrategy: (attempt: number) => Math.min(reconnectDelayMillis(attempt), MAX_SENTINEL_DELAY_MILLIS)
})

/**
 * Options under which every command settles in time, whatever happens to the server.
 *
 * Each closes a hole that was measured: `commandTimeout` is the only one that settles a command in flight;
 * `socketTimeout` replaces a connection to a frozen server, which reports nothing by itself; without
 * `autoResendUnfulfilledCommands: false` a write whose reply was lost is done twice.
 */
export const failFast = ({ commandMillis, connectMillis }: Timeouts) =>
  ({
    lazyConnect: false,
    connectTimeout: connectMillis,
    ...timeouts(commandMillis),
    // a connection that we give up holds neither its socket nor the process: the default is 2 s
    disconnectTimeout: 0,
    keepAlive: 5000,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    retryStrategy: reconnectDelayMillis,
    // after a failover behind one address, a new connection finds the new primary
    reconnectOnError: (error: Error) => error.message.includes("READONLY")
  }) satisfies RedisOptions

export const timeouts = (commandMillis: number) => ({
  commandTimeout: commandMillis,
  socketTimeout: silentMillis(commandMillis)
})

/** A server that has not answered anything for so long is frozen. */
export const silentMillis = (commandMillis: number): number => commandMillis * 3

/** As much longer a failover may last for us. */
const MAX_SENTINEL_DELAY_MILLIS = 250

/** 100 ms, doubled up to 1 s, with up to 50 ms of jitter so that processes do not come back all at once. */
const reconnectDelayMillis = (attempt: number): number =>
  Math.min(50 * 2 ** Math.min(attempt, 5), 1000) + Math.random() * 50

const invalid = (message: string) => CacheError.make("connect", "InvalidOption", message)
