/**
 * How long what OAuth gives out is kept.
 *
 * **Details**
 *
 * As long as the rule for its kind says, or that of its broker for it, and never until it expires: a minute before, it is gone, so
 * that whoever reads it has the time to use it.
 */
import { Ttl } from "@tiercache/core"
import { DateTime, Duration, Schema } from "effect"
import type * as Ids from "./Ids.ts"

export const Kind = Schema.Literals(["access_token", "refresh_token"])
export type Kind = typeof Kind.Type

/** What the rules say of brokers who have no other. */
export const DEFAULTS = {
  access_token: "3600 seconds",
  refresh_token: "2592000 seconds"
} as const satisfies Readonly<Record<Kind, Ttl.Input>>

/** The rules for brokers who have no other, where they are not {@link DEFAULTS}. */
export type Defaults = Readonly<Record<Kind, Ttl.Input>>

/** Rules of brokers, by their ids: `{ alpaca: { access_token: "900 seconds" } }`. */
export type Overrides = Readonly<Record<Ids.BrokerId, { readonly [K in Kind]?: Ttl.Input | undefined }>>

/** How long before its expiry a token is gone: longer than a call to a broker takes. */
export const SAFETY_MARGIN = Duration.seconds(60)

/** Throws a `CacheError` with reason `InvalidOption` for what is no TTL. */
export const check = (overrides: Overrides): void => {
  for (const rules of Object.values(overrides)) {
    for (const ttl of Object.values(rules)) if (ttl !== undefined) Ttl.toMillisUnsafe("OAuthTtl.check", ttl)
  }
}

/**
 * The rule for a broker and a kind.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { OAuthTtl } from "@tiercache/domains"
 * import { Duration } from "effect"
 *
 * const overrides = { alpaca: { access_token: "15 minutes" } } as const
 * Duration.toSeconds(OAuthTtl.rule("alpaca", "access_token", overrides)) // => 900
 * Duration.toSeconds(OAuthTtl.rule("alpaca", "refresh_token", overrides)) // => 2592000
 * ```
 */
export const rule = (
  broker: Ids.BrokerId,
  kind: Kind,
  overrides: Overrides = {},
  defaults: Defaults = DEFAULTS
): Duration.Duration => {
  return Duration.millis(Ttl.toMillisUnsafe("OAuthTtl.rule", overrides[broker]?.[kind] ?? defaults[kind]))
}

/** What a TTL depends on. */
export interface Token {
  readonly broker: Ids.BrokerId
  readonly kind: Kind
  readonly expiresAt?: DateTime.Utc
}

/** From when on a token is not worth keeping, whatever its TTL; `undefined` if its broker did not say when it expires. */
export const goneAt = ({ expiresAt }: Token): DateTime.Utc | undefined =>
  expiresAt && DateTime.subtractDuration(expiresAt, SAFETY_MARGIN)

/** The TTL of a token at a moment; `undefined` if it is not worth keeping any more. */
export const of = (
  token: Token,
  now: DateTime.Utc,
  overrides?: Overrides,
  defaults?: Defaults
): Duration.Duration | undefined => {
  const longest = rule(token.broker, token.kind, overrides, defaults)
  const end = goneAt(token)
  if (end === undefined) return longest
  const left = DateTime.distance(now, end)
  return Duration.toMillis(left) > 0 ? Duration.min(longest, left) : undefined
}
