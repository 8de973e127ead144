/**
 * From what ioredis rejects with to `CacheError`.
 *
 * The errors of ioredis carry the arguments of the command, and some messages of Redis repeat them: keys, values,
 * passwords. So nothing of them is passed on but codes and words that are known to be safe.
 */
import { CacheError } from "@tiercache/core"
import { Predicate } from "effect"

/** What the codes of Redis mean, for people. */
const MEANINGS: Readonly<Record<string, string>> = {
  NOAUTH: "a password is required",
  WRONGPASS: "wrong user name or password",
  NOPERM: "this user may not run the command, or not on this key or channel",
  LOADING: "the server is loading its data",
  READONLY: "this server is a replica",
  OOM: "the memory limit is reached",
  MISCONF: "the server cannot save its data and refuses writes",
  NOREPLICAS: "too few replicas are connected",
  MASTERDOWN: "the primary of this replica is down",
  CLUSTERDOWN: "the cluster is down",
  MOVED: "the server is a node of a cluster",
  CROSSSLOT: "the keys are in different slots of a cluster; a part in braces, as in {user}:1, keeps them together",
  BUSY: "a script blocks the server",
  NOSCRIPT: "the script is unknown"
}

/** What is not about the keys of a command: any other would get the same answer. */
export const OF_SERVER: ReadonlySet<string> = new Set([
  "NOAUTH",
  "WRONGPASS",
  "LOADING",
  "READONLY",
  "MISCONF",
  "NOREPLICAS",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "MOVED",
  "ASK",
  "BUSY",
  "NOSCRIPT"
])

/** What goes away by waiting, or by a new connection; the same command will be refused again for all else. */
const PASSING = new Set([
  "NOAUTH",
  "WRONGPASS",
  "LOADING",
  "READONLY",
  "NOREPLICAS",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "TRYAGAIN",
  "BUSY"
])

/** ioredis' own words for "there is no connection to send this on". */
const NOT_CONNECTED =
  /^(Connection is closed|Stream isn't writeable|Reached the max retries|Command aborted due to connection close)/

/** Tells whether a command failed because there was no connection, or lost it. */
const isConnectionLoss = (error: unknown): boolean => NOT_CONNECTED.test(messageOf(error))

/** ioredis' own words for "no answer in time". */
const TIMED_OUT = "Command timed out"

/** What ioredis rejects with when a command takes too long, for clients that have no such limit. */
export const timeout = (): Error => new Error(TIMED_OUT)

/** Whether a command failed because nothing came back: it took too long, or the connection was lost. */
export const isNoAnswer = (error: unknown): boolean => messageOf(error) === TIMED_OUT || isConnectionLoss(error)

/** Whether a script has to be sent in full. */
export const isNoScript = (error: unknown): boolean => messageOf(error).startsWith("NOSCRIPT")

/** The error of a command, on behalf of an operation; `connectionProblem` is what is known about the connection. */
export const toCacheError = (
  operation: string,
  endpoint: string,
  error: unknown,
  connectionProblem: string | undefined
): CacheError.CacheError => {
  if (CacheError.isCacheError(error)) return error
  if (messageOf(error) === TIMED_OUT) return timedOut(operation, endpoint)
  if (isWrongType(error)) {
    return CacheError.make(operation, "WrongType", "the key holds another type of value")
  }
  if (isConnectionLoss(error)) return notConnected(operation, endpoint, connectionProblem)
  const isRefused = isReply(error) && !PASSING.has(replyCode(error))
  return CacheError.make(operation, isRefused ? "Refused" : "Unavailable", `Redis at ${endpoint}: ${describe(error)}`)
}

/** Whether the server refuses to write because it is a replica. */
export const isReadOnly = (error: unknown): boolean => isReply(error) && replyCode(error) === "READONLY"

/** Whether Redis refuses the command because of what the key holds. */
export const isWrongType = (error: unknown): boolean => isReply(error) && replyCode(error) === "WRONGTYPE"

/** The error of an operation whose time is over. */
export const timedOut = (operation: string, endpoint: string): CacheError.CacheError =>
  CacheError.make(operation, "Timeout", `Redis at ${endpoint} did not answer in time`)

/** The error of a command that was not even sent. */
export const notConnected = (operation: string, endpoint: string, problem: string | undefined): CacheError.CacheError =>
  CacheError.make(
    operation,
    "Unavailable",
    problem === undefined
      ? `not connected to Redis at ${endpoint}`
      : `not connected to Redis at ${endpoint}: ${problem}`
  )

/** The error of a command that was not sent because others got no answer. */
export const notAsked = (operation: string, endpoint: string): CacheError.CacheError =>
  CacheError.make(operation, "Unavailable", `Redis at ${endpoint} has not answered lately: the circuit breaker is open`)

/** One line about an error of ioredis, without anything confidential. */
export const describe = (error: unknown): string => {
  if (CacheError.isCacheError(error)) return error.message
  if (isReply(error)) {
    const code = replyCode(error)
    const meaning = MEANINGS[code]
    return meaning === undefined ? `error ${code} ${firstWords(error.message)}`.trimEnd() : `${meaning} (${code})`
  }
  if (messageOf(error) === TIMED_OUT) return "no answer in time"
  if (messageOf(error).startsWith("Socket timeout")) return "no answer in time"
  if (isConnectionLoss(error)) return "the connection was lost"
  // ioredis adds what the last one said
  if (messageOf(error).startsWith("All sentinels are unreachable")) return "all sentinels are unreachable"
  if (Predicate.hasProperty(error, "code") && Predicate.isString(error.code)) return error.code
  return error instanceof Error ? `unexpected ${error.name}` : "unexpected failure"
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : "")

/** Whether Redis has answered, with an error. */
export const isReply = (error: unknown): error is Error => error instanceof Error && error.name === "ReplyError"

/** Whether a command on some of the keys alone may have another answer. */
export const mayConcernKeys = (error: unknown): boolean => isReply(error) && !OF_SERVER.has(replyCode(error))

/** `WRONGTYPE`; of an error inside a script, which older servers wrap, the inner one. */
const replyCode = (error: Error): string =>
  /user_script: ?\d+: -?([A-Z]{3,})\b/.exec(error.message)?.[1] ?? /^[A-Z]+/.exec(error.message)?.[0] ?? "ERR"

/** `unknown command` of `ERR unknown command 'FOO', with args beginning with: ...`: what precedes anything quoted. */
const firstWords = (message: string): string => /^[A-Z]+ ((?:[A-Za-z]+ ?){1,4})/.exec(message)?.[1]?.trimEnd() ?? ""
