/**
 * What the system knows about its users.
 */
import { Entity } from "@tiercache/core"
import { Schema } from "effect"
import * as Ids from "./Ids.ts"
import * as Order from "./Order.ts"
import * as Owner from "./Owner.ts"

/** Who somebody is. */
export const Profile = Schema.Struct({
  id: Ids.UserId,
  email: Schema.NonEmptyString,
  displayName: Schema.String,
  status: Schema.Literals(["active", "suspended", "closed"]),
  roles: Schema.Array(Schema.String),
  /** Of the country of residence, ISO 3166-1 alpha-2. */
  country: Schema.optionalKey(Schema.NonEmptyString),
  createdAt: Schema.DateTimeUtc,
  updatedAt: Schema.optionalKey(Schema.DateTimeUtc)
})

export type Profile = typeof Profile.Type

/** How somebody wants to see and to trade. */
export const Preferences = Schema.Struct({
  /** BCP 47: `en-GB`. */
  locale: Schema.NonEmptyString,
  /** IANA: `Europe/London`. */
  timeZone: Schema.NonEmptyString,
  currency: Ids.Currency,
  theme: Schema.Literals(["light", "dark", "system"]),
  notifications: Schema.Struct({
    email: Schema.Boolean,
    push: Schema.Boolean,
    sms: Schema.Boolean
  }),
  confirmOrders: Schema.Boolean,
  defaultAccount: Schema.optionalKey(Ids.AccountId),
  defaultOrderType: Schema.optionalKey(Order.Type),
  defaultTimeInForce: Schema.optionalKey(Order.TimeInForce)
})

export type Preferences = typeof Preferences.Type

/**
 * Requests for users who do not exist, or who never saved settings, come again and again: it is remembered for a while. And if the
 * database is away, who somebody was a moment ago is better than nothing.
 */
const rules = { negativeTtl: "30 seconds", grace: "10 minutes" } as const

/** `user:profile:{userId}` */
export const Profiles = Entity.make("user", "profile", {
  ...rules,
  key: { user: Ids.UserId },
  value: Profile,
  ttl: "3600 seconds",
  tags: (user) => Owner.tags({ user })
})

/** `user:settings:{userId}` */
export const Settings = Entity.make("user", "settings", {
  ...rules,
  key: { user: Ids.UserId },
  value: Preferences,
  ttl: "1800 seconds",
  tags: (user) => Owner.tags({ user })
})
