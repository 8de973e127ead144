/**
 * Connections to brokers: how they are, and what opens them.
 */
import { Entity } from "@tiercache/core"
import { Schema } from "effect"
import * as Ids from "./Ids.ts"
import * as Owner from "./Owner.ts"

const key = { broker: Ids.BrokerId, connection: Ids.ConnectionId }

/** What the last check of a connection found. */
export const HealthCheck = Schema.Struct({
  status: Schema.Literals(["healthy", "degraded", "unhealthy"]),
  latencyMillis: Schema.optionalKey(Schema.Finite),
  consecutiveFailures: Schema.optionalKey(Schema.Int),
  /** What went wrong. Not the broker's answer as it came, which may quote credentials. */
  reason: Schema.optionalKey(Schema.String),
  checkedAt: Schema.DateTimeUtc
})

export type HealthCheck = typeof HealthCheck.Type

/** A user's way to a broker, without its credentials. */
export const Connection = Schema.Struct({
  id: Ids.ConnectionId,
  broker: Ids.BrokerId,
  user: Ids.UserId,
  status: Schema.Literals(["connected", "connecting", "disconnected", "expired", "revoked", "error"]),
  environment: Schema.Literals(["live", "paper"]),
  authentication: Schema.Literals(["oauth", "api_key", "none"]),
  accounts: Schema.Array(Ids.AccountId),
  scopes: Schema.optionalKey(Schema.Array(Schema.String)),
  connectedAt: Schema.optionalKey(Schema.DateTimeUtc),
  lastSyncedAt: Schema.optionalKey(Schema.DateTimeUtc)
})

export type Connection = typeof Connection.Type

/** What opens a connection whose broker gives out keys. What OAuth gives out is `Auth.OAuthToken`. */
export const ApiCredentials = Schema.Struct({
  apiKey: Schema.Redacted(Schema.NonEmptyString),
  apiSecret: Schema.optionalKey(Schema.Redacted(Schema.NonEmptyString)),
  passphrase: Schema.optionalKey(Schema.Redacted(Schema.NonEmptyString)),
  environment: Schema.Literals(["live", "paper"]),
  createdAt: Schema.optionalKey(Schema.DateTimeUtc)
})

export type ApiCredentials = typeof ApiCredentials.Type

/** `broker:health:{brokerId}:{connectionId}` */
export const Health = Entity.make("broker", "health", {
  key,
  value: HealthCheck,
  ttl: "60 seconds",
  tags: Owner.tags
})

/** `broker:connection:{brokerId}:{connectionId}`. Its user is for `Owner.tags`. */
export const Connections = Entity.make("broker", "connection", {
  key,
  value: Connection,
  ttl: "300 seconds",
  tags: Owner.tags
})

/** `broker:credentials:{brokerId}:{connectionId}`: encrypted in Redis, and not in L1. */
export const Credentials = Entity.make("broker", "credentials", {
  key,
  value: ApiCredentials,
  ttl: "3600 seconds",
  secret: true,
  tags: Owner.tags
})
