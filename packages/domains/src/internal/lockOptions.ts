/**
 * The options of locks and semaphores. What cannot be throws a `CacheError` with reason `InvalidOption`.
 */
import { CacheError, Ttl } from "@tiercache/core"
import { Duration, Option } from "effect"

const DEFAULT_TTL = "10 seconds"
const DEFAULT_WAIT = "10 seconds"

/** Less than a few round trips, and a lease would be over before it is used. */
const MIN_TTL_MILLIS = 50

export const ttlMillis = (ttl: Ttl.Input | undefined): number => {
  const millis = Ttl.toMillisUnsafe("lock", ttl ?? DEFAULT_TTL)
  if (millis >= MIN_TTL_MILLIS) return millis
  throw CacheError.make("lock", "InvalidOption", `the ttl of a lock is at least ${MIN_TTL_MILLIS} ms`)
}

export const waitMillis = (wait: Ttl.Input | "forever" | undefined): number => {
  if (wait === "forever") return Infinity
  const isZero = Option.exists(Duration.fromInput(wait ?? DEFAULT_WAIT), Duration.isZero)
  return isZero ? 0 : Ttl.toMillisUnsafe("lock", wait ?? DEFAULT_WAIT)
}

const MAX_REPLICAS = 100

export const replicaCount = (replicas: number | undefined): number =>
  integerIn("waitReplicas", replicas ?? 0, 0, MAX_REPLICAS)

export const integerIn = (option: string, value: number, least: number, most: number): number => {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw CacheError.make("lock", "InvalidOption", `${option} is an integer from ${least} to ${most}; got ${value}`)
}
