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

const DEFAULT_PORT = 6379

/** Reads `redis://` and `rediss://` URLs. Throws a `CacheError` that never contains a part of the URL's credentials. */
export const parseUrl = (option: string, text: string): Address => {
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
    port: url.port === "" ? DEFAULT_PORT : Number(url.port),
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

/** The options of a connection of ours to an address. */
export const connect = (
  { secure, username, password, ...address }: Address,
  timeouts: Timeouts,
  tls: ConnectionOptions | undefined,
  connectionName: string | undefined
) => ({
  ...failFast(timeouts),
  ...address,
  ...(username === undefined ? {} : { username }),
  ...(password === undefined ? {} : { password }),
  ...(secure ? { tls: { ...tls } } : {}),
  ...(connectionName === undefined ? {} : { connectionName })
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
    commandTimeout: commandMillis,
    socketTimeout: commandMillis * 3,
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

/** 100 ms, doubled up to 1 s, with up to 50 ms of jitter so that processes do not come back all at once. */
const reconnectDelayMillis = (attempt: number): number =>
  Math.min(50 * 2 ** Math.min(attempt, 5), 1000) + Math.random() * 50

const invalid = (message: string) => CacheError.make("connect", "InvalidOption", message)
