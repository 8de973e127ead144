/**
 * How long each kind of data is kept.
 *
 * **Details**
 *
 * What the entities say. A cache may have been given others, by its configuration or with a call. OAuth tokens have no one TTL,
 * because it depends on broker, kind and expiry: see `OAuthTtl`.
 */
import { CacheError, type Entity, type LoadPolicy, Ttl } from "@tiercache/core"
import { Duration } from "effect"
import * as Domains from "./Domains.ts"
import * as OAuthTtl from "./OAuthTtl.ts"

/** What has one TTL. */
export type Name = Exclude<Domains.Name, "auth:oauth">

/** The types in a domain that have one TTL. */
export type Type<D extends Domains.Domain> = Extract<Name, `${D}:${string}`> extends `${D}:${infer T}` ? T : never

/** The TTL of a kind of data, by its name or by domain and type. Throws a `CacheError` with reason `InvalidOption` for what has none. */
export interface Lookup {
  (name: Name): Duration.Duration
  <D extends Domains.Domain>(domain: D, type: Type<D>): Duration.Duration
}

/** What is to be known of a kind of data. */
export interface Row {
  /** Of OAuth tokens with their kind: `auth:oauth:access_token`. */
  readonly name: string
  /** With names in place of ids: `vb:adapter:u:{user}:c:{connection}`. */
  readonly key: string
  /** The TTL in seconds; of OAuth tokens the longest, at brokers who have no rule of their own. */
  readonly seconds: number
  /** Whether values are encrypted. */
  readonly secret: boolean
  /** Those that every entry has: `user:{user}`. */
  readonly tags: ReadonlyArray<string>
}

/** Stands for a TTL that the entity does not have. */
type Rule = LoadPolicy.Options<never>["ttl"]

const rowOf = <Id, A>(
  { codec, key, policy, tags }: Entity.Entity<Id, A>,
  id: Id,
  ttl: Rule = policy.ttl
): Omit<Row, "name"> => {
  if (ttl === undefined || typeof ttl === "function") {
    throw CacheError.make("Ttls.table", "InvalidOption", "a kind of data whose TTL goes by the value needs a rule here")
  }
  return {
    key: decodeURIComponent(key(id).encoded),
    seconds: Ttl.toMillisUnsafe("Ttls.table", ttl) / 1000,
    secret: codec.secret === true,
    tags: (tags?.(id) ?? []).map((tag) => decodeURIComponent(tag))
  }
}

const { entities } = Domains

const [user, account, broker, connection] = ["{user}", "{account}", "{broker}", "{connection}"]

/** An entity that is missing here does not compile. */
const rows: Readonly<Record<Name | `auth:oauth:${OAuthTtl.Kind}`, Omit<Row, "name">>> = {
  "user:profile": rowOf(entities["user:profile"], user),
  "user:settings": rowOf(entities["user:settings"], user),
  "auth:session": rowOf(entities["auth:session"], "{session}"),
  "auth:token": rowOf(entities["auth:token"], "{token}"),
  "auth:oauth_state": rowOf(entities["auth:oauth_state"], "{state}"),
  "auth:oauth:access_token": rowOf(
    entities["auth:oauth"],
    { broker, kind: "access_token", connection },
    OAuthTtl.DEFAULTS.access_token
  ),
  "auth:oauth:refresh_token": rowOf(
    entities["auth:oauth"],
    { broker, kind: "refresh_token", connection },
    OAuthTtl.DEFAULTS.refresh_token
  ),
  "broker:health": rowOf(entities["broker:health"], { broker, connection }),
  "broker:connection": rowOf(entities["broker:connection"], { broker, connection }),
  "broker:credentials": rowOf(entities["broker:credentials"], { broker, connection }),
  "vb:adapter": rowOf(entities["vb:adapter"], { user, connection }),
  "vb:account_list": rowOf(entities["vb:account_list"], user),
  "vb:balance": rowOf(entities["vb:balance"], account),
  "vb:position": rowOf(entities["vb:position"], account),
  "account:balance": rowOf(entities["account:balance"], account),
  "order:status": rowOf(entities["order:status"], "{order}"),
  "position:list": rowOf(entities["position:list"], account),
  "trading:portfolio": rowOf(entities["trading:portfolio"], account),
  "market:quote": rowOf(entities["market:quote"], "{symbol}"),
  "market:bar": rowOf(entities["market:bar"], { symbol: "{symbol}", interval: "{interval}" }),
  "api:response": rowOf(entities["api:response"], { operation: "{operation}", hash: "hash-{md5}" })
}

/** All kinds of data, made from their entities. */
export const table: ReadonlyArray<Row> = Object.entries(rows).map(([name, row]) => ({ name, ...row }))

const byEntities: ReadonlyMap<string, Duration.Duration> = new Map(
  table.map(({ name, seconds }) => [name, Duration.seconds(seconds)])
)

/** Looks up TTLs of which some are other than what the entities say. */
export const withOverrides = (overrides: ReadonlyMap<string, Duration.Duration>): Lookup => {
  const all = new Map([...byEntities, ...overrides])
  return (...parts: ReadonlyArray<string>) => {
    const ttl = all.get(parts.join(":"))
    if (ttl !== undefined) return ttl
    // who writes JavaScript may give any name
    throw CacheError.make("ttl", "InvalidOption", `what has one TTL is one of ${[...byEntities.keys()].join(", ")}`)
  }
}

/**
 * The TTL of a kind of data, by its name or by domain and type.
 *
 * **Example**
 *
 * ```ts import.meta.vitest
 * import { Ttls } from "@tiercache/domains"
 * import { Duration } from "effect"
 *
 * Duration.toSeconds(Ttls.of("market:quote")) // => 5
 * Duration.toSeconds(Ttls.of("user", "profile")) // => 3600
 * ```
 */
export const of: Lookup = withOverrides(new Map())
