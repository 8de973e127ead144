/**
 * Sessions, tokens and OAuth.
 *
 * **Details**
 *
 * All of it is secret: encrypted in Redis, not in L1, never in logs. What opens a door is `Redacted` besides, so that a value that was
 * read shows nothing when it is printed.
 *
 * **Gotchas**
 *
 * Ids are parts of keys, which are in clear in Redis: see `Ids.SessionId`.
 */
import { Entity } from "@tiercache/core"
import { Schema } from "effect"
import * as Ids from "./Ids.ts"
import * as OAuthTtl from "./OAuthTtl.ts"
import * as Owner from "./Owner.ts"

const Secret = Schema.Redacted(Schema.NonEmptyString)

/** Somebody who has logged in. */
export const Session = Schema.Struct({
  user: Ids.UserId,
  roles: Schema.Array(Schema.String),
  csrfToken: Schema.optionalKey(Secret),
  ipAddress: Schema.optionalKey(Schema.String),
  userAgent: Schema.optionalKey(Schema.String),
  createdAt: Schema.DateTimeUtc,
  lastSeenAt: Schema.optionalKey(Schema.DateTimeUtc)
})

export type Session = typeof Session.Type

/** What a program logs in with. */
export const Token = Schema.Struct({
  user: Ids.UserId,
  value: Schema.optionalKey(Secret),
  scopes: Schema.Array(Schema.String),
  issuedAt: Schema.DateTimeUtc,
  /** Who checks a token compares this: the TTL is not made of it. */
  expiresAt: Schema.optionalKey(Schema.DateTimeUtc)
})

export type Token = typeof Token.Type

/** What is to be known again when a user comes back from a broker's log-in page. */
export const OAuthState = Schema.Struct({
  user: Ids.UserId,
  broker: Ids.BrokerId,
  connection: Schema.optionalKey(Ids.ConnectionId),
  /** PKCE (RFC 7636, section 4.1). */
  codeVerifier: Schema.optionalKey(Secret),
  redirectUri: Schema.NonEmptyString,
  /** Where the user was, and goes on afterwards. */
  returnTo: Schema.optionalKey(Schema.String),
  scopes: Schema.Array(Schema.String),
  createdAt: Schema.DateTimeUtc
})

export type OAuthState = typeof OAuthState.Type

/** What a broker gave out. Its TTL depends on broker and kind, which is why it repeats them. */
export const OAuthToken = Schema.Struct({
  broker: Ids.BrokerId,
  kind: OAuthTtl.Kind,
  value: Secret,
  tokenType: Schema.optionalKey(Schema.NonEmptyString),
  scopes: Schema.optionalKey(Schema.Array(Schema.String)),
  /** `expires_in` (RFC 6749, section 5.1) after it was received; left out if the broker did not say. */
  expiresAt: Schema.optionalKey(Schema.DateTimeUtc)
})

export type OAuthToken = typeof OAuthToken.Type

/** `auth:session:{sessionId}`. Its user is for `Owner.tags`. */
export const Sessions = Entity.make("auth", "session", {
  key: { session: Ids.SessionId },
  value: Session,
  ttl: "7200 seconds",
  secret: true
})

/** `auth:token:{tokenId}`. Its user is for `Owner.tags`. */
export const Tokens = Entity.make("auth", "token", {
  key: { token: Ids.TokenId },
  value: Token,
  ttl: "3600 seconds",
  secret: true
})

/** `auth:oauth_state:{state}` */
export const OAuthStates = Entity.make("auth", "oauth_state", {
  key: { state: Ids.OAuthStateId },
  value: OAuthState,
  ttl: "600 seconds",
  secret: true
})

/**
 * `auth:oauth:{brokerId}:{kind}:{connectionId}`, with the TTLs of `OAuthTtl` and these overrides. A token that expires within the
 * safety margin is not stored: `set` answers false, and deletes what it was to replace.
 */
export const makeOAuthTokens = (
  overrides: OAuthTtl.Overrides = {},
  defaults: OAuthTtl.Defaults = OAuthTtl.DEFAULTS
) => {
  OAuthTtl.check(overrides)
  return Entity.make("auth", "oauth", {
    key: { broker: Ids.BrokerId, kind: OAuthTtl.Kind, connection: Ids.ConnectionId },
    value: OAuthToken,
    ttl: (token, now) => OAuthTtl.of(token, now, overrides, defaults),
    expiresAt: OAuthTtl.goneAt,
    secret: true,
    tags: ({ broker, connection }) => Owner.tags({ broker, connection })
  })
}

/** {@link makeOAuthTokens} without overrides. */
export const OAuthTokens = makeOAuthTokens()
