/**
 * TTLs with the overrides of a configuration.
 */
import { type Entity, Ttl } from "@tiercache/core"
import { Duration } from "effect"
import * as Auth from "../Auth.ts"
import type * as CacheConfig from "../CacheConfig.ts"
import type * as Ids from "../Ids.ts"
import * as OAuthTtl from "../OAuthTtl.ts"
import * as Ttls from "../Ttls.ts"

export interface ManagedTtls {
  readonly ttl: Ttls.Lookup
  /** How long a token of a broker is kept that does not expire before. */
  readonly oauthTtl: (broker: Ids.BrokerId, kind: OAuthTtl.Kind) => Duration.Duration
  /** An entity with the TTL that holds here. */
  readonly entity: <Id, A>(entity: Entity.Entity<Id, A>) => Entity.Entity<Id, A>
  /** OAuth tokens by the rules that hold here; never past their expiry. */
  readonly oauthTokens: typeof Auth.OAuthTokens
}

/** Throws a `CacheError` with reason `InvalidOption` for what is no TTL. */
export const make = (ttls: ReadonlyMap<CacheConfig.TtlName, Ttl.Input>, brokers: OAuthTtl.Overrides): ManagedTtls => {
  const overrides = new Map<string, Duration.Duration>(
    [...ttls].map(([name, ttl]) => [name, Duration.millis(Ttl.toMillisUnsafe("ttls", ttl))])
  )
  const kinds: Readonly<Record<OAuthTtl.Kind, Ttl.Input>> = {
    access_token: overrides.get("auth:oauth:access_token") ?? OAuthTtl.DEFAULTS.access_token,
    refresh_token: overrides.get("auth:oauth:refresh_token") ?? OAuthTtl.DEFAULTS.refresh_token
  }

  return {
    ttl: Ttls.withOverrides(overrides),
    oauthTtl: (broker, kind) => OAuthTtl.rule(broker, kind, brokers, kinds),
    entity: (entity) => {
      const ttl = overrides.get(`${entity.domain}:${entity.type}`)
      // a rule that goes by the value is not replaced by one that does not
      const isFixed = typeof entity.policy.ttl !== "function"
      return ttl === undefined || !isFixed ? entity : { ...entity, policy: { ...entity.policy, ttl } }
    },
    oauthTokens: Auth.makeOAuthTokens(brokers, kinds)
  }
}
