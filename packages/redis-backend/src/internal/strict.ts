/**
 * Refuses to start on a Redis that cannot keep the promises, or of which it is not known.
 */
import { CacheError, type MonotonicClock } from "@tiercache/core"
import { Effect, Result } from "effect"
import type * as RedisConnection from "../RedisConnection.ts"
import * as Asking from "./asking.ts"
import * as Dangers from "./dangers.ts"
import * as redisError from "./redisError.ts"

/** See `RedisBackend.Options`. */
export type Strict = boolean | "locks"

/** Fails, with all that is wrong in one line, unless each server answers, takes writes, and says that it evicts nothing that matters. */
export const check = (
  connection: RedisConnection.RedisConnection,
  now: MonotonicClock.Now,
  strict: Strict
): Effect.Effect<void, CacheError.CacheError> =>
  Effect.suspend(() => {
    if (strict === false) return Effect.void
    const servers = connection.servers()
    if (servers.length === 0) {
      return Effect.fail(redisError.notConnected("connect", connection.endpoint, connection.problem()))
    }
    return Effect.flatMap(Asking.askAll(servers, "connect", now), (answers) => {
      const objections = answers.flatMap((answer) => objectionTo(answer, strict) ?? [])
      const [first] = objections
      if (first === undefined) return Effect.void
      const messages = new Set(objections.map(({ message }) => message))
      return Effect.fail(CacheError.make("connect", first.reason, `strict: ${[...messages].join("; ")}`))
    })
  })

const objectionTo = (answer: Asking.Answer, strict: Strict): CacheError.CacheError | undefined => {
  const { endpoint, info, pingMillis } = answer
  if (Result.isFailure(pingMillis)) return pingMillis.failure
  const problem = Asking.problemOf(answer)
  if (problem !== undefined) return unsupported(problem)
  if (Result.isFailure(info)) {
    const { message, reason } = info.failure
    return CacheError.make("connect", reason, `${message}; without INFO it cannot be known which keys are evicted`)
  }
  const policy = `Redis at ${endpoint} has maxmemory-policy ${info.success.evictionPolicy}`
  switch (Dangers.evictsOf(info.success)) {
    case "any":
      return unsupported(`${policy}: ${Dangers.ANY_KEY_EVICTED}; choose a volatile policy, or noeviction`)
    case "expiring":
      return strict === "locks" ? unsupported(`${policy}: locks may be evicted; choose noeviction`) : undefined
    case "none":
      return undefined
    case undefined:
      return unsupported(
        `Redis at ${endpoint} does not tell its maxmemory-policy: which keys are evicted cannot be known`
      )
  }
}

const unsupported = (message: string) => CacheError.make("connect", "Unsupported", message)
