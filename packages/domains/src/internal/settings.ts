/**
 * The variables of a cache's configuration: what each may be, what it is unless given, and what it does.
 */
import { Cache, CacheKey, Secrets } from "@tiercache/core"
import { Redacted, Result } from "effect"
import type { CacheConfig } from "../CacheConfig.ts"
import type * as Variables from "./variables.ts"

export const BACKENDS = ["memory", "redis", "tiered"] as const

export const ENVIRONMENTS = ["production", "staging", "development", "test"] as const

const DEFAULT_URL = "redis://127.0.0.1:6379"

/** 100 years, as for every TTL. */
const MAX_TTL_SECONDS = 100 * 365.25 * 24 * 3600
export const TTL = { unit: "seconds", most: MAX_TTL_SECONDS } as const

/** A year: what is done less often need not be. */
const HOURS = { unit: "hours", most: 8760 } as const

const MILLIS = { unit: "milliseconds", most: 3_600_000 } as const

/** What `RedisBackend` takes: a script that deletes or writes more keys keeps the server busy for too long. */
const MAX_KEYS = 5000
const MAX_SCAN_COUNT = 1_000_000

/** All variables but those of the TTLs, in the order of the documentation. */
export const read = (from: Variables.Variables): Omit<CacheConfig, "ttls"> => {
  const enabled = from.flag(
    "CACHE_ENABLED",
    true,
    "If not, nothing is read or stored, every load runs, and no connection to Redis is made."
  )
  const environment = from.choice(
    "CACHE_ENVIRONMENT",
    ENVIRONMENTS,
    "(that of NODE_ENV)",
    "Where the program runs. In production, data outside of the process needs secret keys."
  )
  const nodeEnvironment = from.text(
    {
      name: "NODE_ENV",
      allowed: "any text",
      fallback: "development",
      description:
        "The environment where CACHE_ENVIRONMENT does not name it; a text that is none counts as development."
    },
    (text) => ENVIRONMENTS.find((environment) => environment === text.toLowerCase())
  )
  const keyPrefix = from.text(
    {
      name: "CACHE_KEY_PREFIX",
      allowed: "a key, such as tradecore or tradecore:eu",
      fallback: Cache.DEFAULT_PREFIX,
      description:
        "Begins every key. Where it goes on from that of another cache, as tradecore:eu from tradecore, clearing that one clears this one too, locks included."
    },
    (text) => CacheKey.parse(text) && text
  )
  const defaultTtl = from.duration("CACHE_DEFAULT_TTL", TTL, 300, "The TTL of what has no other, in seconds.")
  const givenBackend = from.choice(
    "CACHE_BACKEND",
    BACKENDS,
    "(tiered where REDIS_URL is set, else memory)",
    "Where the data is: in the process, in Redis, or in Redis with an L1 in the process."
  )
  const givenUrl = from.text(
    {
      name: "REDIS_URL",
      allowed: "redis://[[user]:password@]host[:port][/db], or rediss:// for TLS",
      fallback: DEFAULT_URL,
      description: "Where Redis is. Never logged.",
      isSecret: true
    },
    redisUrl
  )
  const secretKeys = from.text(
    {
      name: "CACHE_SECRET_KEYS",
      allowed: "id:key, separated by commas, the current one first; a key is 32 bytes in Base64",
      fallback: "(none)",
      description:
        "What secret data is encrypted with: credentials, tokens, sessions. Needed in production unless the backend is memory. Never logged. A key: `openssl rand -base64 32`.",
      isSecret: true
    },
    Secrets.parse
  )
  const backend = givenBackend ?? (givenUrl === undefined ? "memory" : "tiered")
  const current = environment ?? nodeEnvironment ?? "development"
  return {
    enabled,
    environment: current,
    keyPrefix: keyPrefix ?? Cache.DEFAULT_PREFIX,
    defaultTtl,
    backend,
    redisUrl: givenUrl ?? Redacted.make(DEFAULT_URL),
    secretKeys,
    scanCount: from.integer("REDIS_SCAN_COUNT", MAX_SCAN_COUNT, 100, "Keys that one step of a scan looks at."),
    pipelineMaxSize: from.integer(
      "REDIS_PIPELINE_MAX_SIZE",
      MAX_KEYS,
      100,
      "Keys that one command to Redis reads or writes, at most; operations on more send several at once."
    ),
    cleanup: {
      onStartup: from.flag("CACHE_CLEANUP_ON_STARTUP", true, "Whether maintenance runs when the manager starts."),
      batchSize: from.integer("CACHE_CLEANUP_BATCH_SIZE", MAX_KEYS, 1000, "Keys that a pattern deletes at once."),
      interval: from.duration("CACHE_CLEANUP_INTERVAL_HOURS", HOURS, 6, "How often maintenance runs."),
      maxAge: from.duration(
        "CACHE_CLEANUP_MAX_AGE_HOURS",
        HOURS,
        24,
        "How long nobody has used a key without TTL that maintenance deletes."
      )
    },
    vb: {
      clearOnDisconnect: from.flag(
        "CACHE_VB_CLEAR_ON_DISCONNECT",
        true,
        "Whether a connection to a virtual broker is cleared when it ends."
      ),
      clearOnReset: from.flag(
        "CACHE_VB_CLEAR_ON_RESET",
        true,
        "Whether a virtual account that begins anew is cleared."
      ),
      clearOnDelete: from.flag(
        "CACHE_VB_CLEAR_ON_DELETE",
        true,
        "Whether a virtual account that is deleted is cleared."
      )
    },
    broker: {
      clearOnDisconnect: from.flag(
        "CACHE_BROKER_CLEAR_ON_DISCONNECT",
        true,
        "Whether a connection to a broker is cleared when it ends."
      ),
      clearOnAuthFail: from.flag(
        "CACHE_BROKER_CLEAR_ON_AUTH_FAIL",
        true,
        "Whether a connection is cleared when a broker refuses what it logs in with."
      ),
      aggressiveCleanup: from.flag(
        "CACHE_BROKER_AGGRESSIVE_CLEANUP",
        true,
        "Whether clearing a connection or an account also deletes the API responses of its user."
      )
    },
    metricsEnabled: from.flag("CACHE_METRICS_ENABLED", true, "Whether the cache counts what it does."),
    logSlowOps: from.flag(
      "CACHE_LOG_SLOW_OPS",
      true,
      "Logs operations that take longer than the threshold, as warnings."
    ),
    slowOpThreshold: from.duration(
      "CACHE_SLOW_OP_THRESHOLD_MS",
      MILLIS,
      50,
      "From how many milliseconds on an operation is slow."
    ),
    logHits: from.flag("CACHE_LOG_HITS", false, "Logs hits, at level debug."),
    logMisses: from.flag("CACHE_LOG_MISSES", true, "Logs misses, at level debug."),
    logKeys: from.flag("CACHE_LOG_KEYS", false, "Adds keys to what is logged, except those of secret data."),
    debugMode: from.flag(
      "CACHE_DEBUG_MODE",
      false,
      "Logs every operation with its outcome and its time, at level debug."
    ),
    bypassCache: from.flag(
      "CACHE_BYPASS_CACHE",
      false,
      "Reads find nothing and loads always run; writes and deletes still reach the store."
    ),
    fakeMissRate: from.share(
      "CACHE_FAKE_MISS_RATE",
      0,
      "The share of reads that find nothing although there is something."
    )
  }
}

/** Refuses what the connection would, which does not know the name of the variable. */
const redisUrl = (text: string) => {
  const url = URL.parse(text)
  if (url === null || !(url.protocol === "redis:" || url.protocol === "rediss:") || url.hostname === "")
    throw new Error()
  if (!/^(\/\d{0,9})?$/.test(url.pathname)) throw new Error("the database is not a number")
  if ([...url.searchParams].some(([name, value]) => name !== "family" || !/^\d{1,9}$/.test(value))) {
    throw new Error('only a number for "family" may stand behind a question mark')
  }
  if (url.hash !== "") throw new Error('"#" is written "%23" in a password')
  if (![url.username, url.password].every(isPercentEncoded)) throw new Error("the credentials are not percent-encoded")
  return Redacted.make(text, { label: "REDIS_URL" })
}

const isPercentEncoded = (text: string): boolean => Result.isSuccess(Result.try(() => decodeURIComponent(text)))
