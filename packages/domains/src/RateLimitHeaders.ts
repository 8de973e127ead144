/**
 * Decisions as HTTP tells them: header fields and a body for the denied. Pure functions, for any framework.
 *
 * **Details**
 *
 * `toHeaders` follows draft-ietf-httpapi-ratelimit-headers, version 10 of September 2025: `RateLimit-Policy` and `RateLimit` are
 * lists of strings with parameters (RFC 9651). The other functions give the forms of older drafts, and the `X-RateLimit-` fields from
 * before them, for clients that read nothing else. Field names are in lower case, as HTTP/2 wants them.
 *
 * Policies that did not count (`Decision.source` is `fallback`) or are only on trial (`shadowed`) are left out.
 *
 * **Gotchas**
 *
 * - Leave the fields out of redirects, and of responses that a cache stores.
 * - `r` units may be used at once, and `t` is when there will be more, not when there will be as many again. For policies other than
 *   `gcra` a client that spreads `r` over `t` may come too fast.
 */
import { Duration } from "effect"
import type * as RateLimit from "./RateLimit.ts"

export type Headers = Readonly<Record<string, string>>

export interface Options {
  /** What is counted, `requests` unless given. The names are those of the draft. */
  readonly unit?: "requests" | "content-bytes" | "concurrent-requests" | undefined
  /** Tells clients whose quota this is: bytes derived from the subject, such as a part of its HMAC, never the subject itself. */
  readonly partitionKey?: Uint8Array | undefined
}

/**
 * `RateLimit-Policy` and `RateLimit` of all decisions about a request, and `Retry-After` if one denies it.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { RateLimit, RateLimitHeaders, RateLimiter } from "@tiercache/domains"
 * import { MemoryBackend } from "@tiercache/memory-backend"
 * import { Effect, Layer } from "effect"
 *
 * const perMinute = RateLimit.fixedWindow("per-minute", { limit: 100, window: "1 minute" })
 * const program = Effect.map(RateLimiter.consume(perMinute, "user-123"), (decision) => RateLimitHeaders.toHeaders([decision]))
 * const limiter = RateLimiter.layer().pipe(Layer.provide(MemoryBackend.layer()))
 *
 * const headers = await Effect.runPromise(Effect.provide(program, limiter))
 * headers["ratelimit-policy"] // => '"per-minute";q=100;w=60'
 * headers["ratelimit"] // => '"per-minute";r=99;t=60'
 * ```
 */
export const toHeaders = (decisions: ReadonlyArray<RateLimit.Decision>, options: Options = {}): Headers => {
  const told = decisions.filter(isTold)
  const unit = options.unit === undefined ? "" : `;qu="${options.unit}"`
  const partition =
    options.partitionKey === undefined ? "" : `;pk=:${Buffer.from(options.partitionKey).toString("base64")}:`
  const policies = told.map(
    (decision) => `${nameOf(decision)};q=${decision.limit}${unit}${window(decision)}${partition}`
  )
  const limits = told.map((decision) => `${nameOf(decision)};r=${decision.remaining}${nextTime(decision)}${partition}`)
  return {
    ...(told.length === 0 ? {} : { "ratelimit-policy": policies.join(", "), ratelimit: limits.join(", ") }),
    ...retryAfter(decisions)
  }
}

/** Version 7 of the draft: `RateLimit: limit=100, remaining=50, reset=30`, of one policy. */
export const toHeadersDraft7 = (decision: RateLimit.Decision): Headers => ({
  "ratelimit-policy": oldPolicy(decision),
  ratelimit: `limit=${decision.limit}, remaining=${decision.remaining}, reset=${reset(decision)}`,
  ...retryAfter([decision])
})

/** Version 6 of the draft: a field each for limit, remaining and reset. */
export const toHeadersDraft6 = (decision: RateLimit.Decision): Headers => ({
  "ratelimit-policy": oldPolicy(decision),
  "ratelimit-limit": String(decision.limit),
  "ratelimit-remaining": String(decision.remaining),
  "ratelimit-reset": String(reset(decision)),
  ...retryAfter([decision])
})

/**
 * The `X-RateLimit-` fields, on whose reset servers never agreed: seconds from now (as Fastify sends it), unless the
 * time in milliseconds since 1970 is given: then seconds since 1970 (as Express sends it).
 */
export const toHeadersX = (decision: RateLimit.Decision, nowMillis?: number): Headers => ({
  "x-ratelimit-limit": String(decision.limit),
  "x-ratelimit-remaining": String(decision.remaining),
  "x-ratelimit-reset": String(
    nowMillis === undefined ? reset(decision) : Math.ceil((nowMillis + Duration.toMillis(decision.resetAfter)) / 1000)
  ),
  ...retryAfter([decision])
})

/** A response that denies a request, in the form of RFC 9457. */
export interface Problem {
  readonly status: 429 | 503
  readonly headers: Headers
  readonly body: {
    readonly type: string
    readonly title: string
    readonly status: number
    readonly "violated-policies": ReadonlyArray<string>
  }
}

const TYPES = "https://iana.org/assignments/http-problem-types#"

/**
 * The response for decisions that deny: 429 if a limit is used up, 503 if nobody could count and the policy denies then;
 * `undefined` if all allow. With `isAbnormal`, it says that the client's behaviour looks like a mistake or an attack.
 */
export const toProblem = (
  decisions: ReadonlyArray<RateLimit.Decision>,
  options: Options & { readonly isAbnormal?: boolean | undefined } = {}
): Problem | undefined => {
  const violated = decisions.filter(({ allowed }) => !allowed)
  if (violated.length === 0) return undefined
  const isOutage = violated.every(({ source }) => source === "fallback")
  const status = isOutage ? 503 : 429
  const [type, title] = isOutage
    ? ["temporary-reduced-capacity", "Requests cannot be counted at present"]
    : options.isAbnormal === true
      ? ["abnormal-usage-detected", "The requests of this client do not look as intended"]
      : ["quota-exceeded", "More requests than the quota allows"]
  return {
    status,
    headers: { "content-type": "application/problem+json", ...toHeaders(decisions, options) },
    body: { type: TYPES + type, title, status, "violated-policies": violated.map(({ policy }) => policy) }
  }
}

const isTold = ({ shadowed, source }: RateLimit.Decision): boolean => source !== "fallback" && !shadowed

/** A string of RFC 9651, section 4.1.6; names of policies are printable ASCII. */
const nameOf = ({ policy }: RateLimit.Decision): string => `"${policy.replaceAll(/["\\]/g, "\\$&")}"`

/** Whole seconds; what is below one cannot be told. */
const window = ({ window }: RateLimit.Decision): string => {
  const seconds = Math.round(Duration.toSeconds(window))
  return seconds > 0 ? `;w=${seconds}` : ""
}

const nextTime = ({ nextAfter }: RateLimit.Decision): string => {
  const seconds = ceilSeconds(nextAfter)
  return seconds > 0 ? `;t=${seconds}` : ""
}

const oldPolicy = (decision: RateLimit.Decision): string => `${decision.limit}${window(decision)}`

const reset = ({ resetAfter }: RateLimit.Decision): number => ceilSeconds(resetAfter)

/** Of the policies that deny, the last moment; not before `t`, which the draft asks for. */
const retryAfter = (decisions: ReadonlyArray<RateLimit.Decision>): Headers => {
  const violated = decisions.filter(({ allowed }) => !allowed)
  if (violated.length === 0) return {}
  const seconds = violated.map(({ nextAfter, retryAfter }) => Math.max(ceilSeconds(retryAfter), ceilSeconds(nextAfter)))
  return { "retry-after": String(Math.max(...seconds)) }
}

const ceilSeconds = (duration: Duration.Duration): number => Math.ceil(Duration.toSeconds(duration))
