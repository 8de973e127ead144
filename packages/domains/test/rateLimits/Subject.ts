/**
 * What the tests of the contract of rate limits share.
 */
import type { CacheBackend, CacheError } from "@tiercache/core"
import { Context, Duration, Effect, type Scope } from "effect"
import * as RateLimit from "../../src/RateLimit.ts"
import * as RateLimiter from "../../src/RateLimiter.ts"

/** Moves the time by which the backend counts. */
export class Elapse extends Context.Service<Elapse, (duration: Duration.Input) => Effect.Effect<void>>()("Elapse") {}

/** What a backend has to come with. */
export type Requirements = CacheBackend.CacheBackend | Elapse

type Body<E> = Effect.Effect<void, E, Requirements | Scope.Scope>

export interface Register {
  readonly test: <E>(title: string, body: () => Body<E>) => void
  /** For each algorithm. */
  readonly testEach: <E>(title: string, body: (policy: RateLimit.Policy) => Body<E>) => void
}

/** Nothing here is about deadlines, and the machine may be slow. */
export const PATIENT = { deadline: "30 seconds" } as const

/** Redis lets keys expire by its own clock: so long that it does not while a test goes on. */
export const LIMIT = { limit: 3, window: "10 minutes", ...PATIENT } as const

/** Of each algorithm, three in ten minutes. */
export const policies = (prefix: string): ReadonlyArray<RateLimit.Policy> => [
  RateLimit.gcra(`${prefix} gcra`, { limit: 3, period: "10 minutes", ...PATIENT }),
  RateLimit.fixedWindow(`${prefix} fixed window`, LIMIT),
  RateLimit.fixedWindow(`${prefix} clock window`, { ...LIMIT, align: "clock" }),
  RateLimit.slidingCounter(`${prefix} sliding counter`, LIMIT),
  RateLimit.exactLog(`${prefix} exact log`, LIMIT)
]

export const unique = (name: string) => `${name} ${crypto.randomUUID()}`

/** What another process has. */
export const makeLimiter = (prefix = "limits") => RateLimiter.make({ prefix })

export const reasonOf = <A, R>(effect: Effect.Effect<A, CacheError.CacheError, R>) =>
  Effect.match(effect, { onFailure: ({ reason }) => reason, onSuccess: () => undefined })

export const ONE_MICRO = Duration.micros(1n)
