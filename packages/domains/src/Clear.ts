/**
 * Taking out of the cache all that belongs to a connection, an account or a user, to a domain, or all there is.
 *
 * **Details**
 *
 * - Each returns exactly how many entries it deleted, and reaches the L1s of all processes. What is being loaded meanwhile is not stored.
 * - What belongs to somebody is found by tags (`Owner`), never by a part of a key: `conn-456` does not touch `conn-4567`, and no id is a
 *   pattern. Entries whose key lacks an owner have its tag only if they were stored with it.
 * - The id of a connection or an account is taken to name one connection or account of the whole system.
 *
 * docs/domains.md tells what each covers.
 */
import { type Cache, CacheError, Tag } from "@tiercache/core"
import { Effect } from "effect"
import * as Api from "./Api.ts"
import * as Cached from "./Cached.ts"
import * as Domains from "./Domains.ts"
import type * as Ids from "./Ids.ts"
import * as Maintenance from "./Maintenance.ts"
import * as VirtualBroker from "./VirtualBroker.ts"

/** A connection of a user with a broker. */
export interface BrokerConnection {
  readonly broker: Ids.BrokerId
  readonly user: Ids.UserId
  readonly connection: Ids.ConnectionId
}

/** An account that a user reaches by a connection. */
export interface ConnectedAccount extends BrokerConnection {
  readonly account: Ids.AccountId
}

type Count = Effect.Effect<number, CacheError.CacheError>

/** What their keys begin with. */
const DOMAINS: ReadonlySet<string> = new Set(Object.values(Domains.entities).map(({ domain }) => domain))

export interface Clear {
  /** What belongs to the connection, and the user's lists that name its accounts. */
  readonly brokerConnection: (connection: BrokerConnection) => Count
  /** What belongs to the account, and the user's lists that name it. */
  readonly account: (account: ConnectedAccount) => Count
  /** What belongs to the user. */
  readonly user: (user: Ids.UserId) => Count
  /** All entries of a domain, by whomever. Goes through the keyspace. */
  readonly domain: (domain: Domains.Domain) => Count
  /** All entries under the prefix, sessions included. Locks, semaphores, rate limits and fenced values stay. Goes through the keyspace. */
  readonly all: Count
}

export interface Options {
  /** With a connection or an account, also the user's API responses. */
  readonly aggressive: boolean
}

export const make = (cache: Cache.Cache["Service"], { aggressive }: Options): Clear => {
  const responsesOf = (user: Ids.UserId) => (aggressive ? [Api.tagOf(user)] : [])
  return {
    brokerConnection: ({ connection, user }) =>
      Cached.remove(cache, () => [
        Tag.connection(connection),
        ...responsesOf(user),
        VirtualBroker.AdapterAccounts.key({ user, connection }),
        VirtualBroker.AccountLists.key(user)
      ]),
    account: ({ account, connection, user }) =>
      Cached.remove(cache, () => [
        Tag.account(account),
        ...responsesOf(user),
        VirtualBroker.AdapterAccounts.key({ user, connection }),
        VirtualBroker.AccountLists.key(user)
      ]),
    user: (user) => Cached.remove(cache, () => [Tag.user(user)]),
    domain: (domain) =>
      // who writes JavaScript may give a pattern, or the name of locks
      DOMAINS.has(domain)
        ? cache.deletePattern(`${domain}:*`)
        : Effect.fail(
            CacheError.make("clear.domain", "InvalidOption", `a domain is one of ${[...DOMAINS].join(", ")}`)
          ),
    all: Effect.suspend(() => cache.deletePattern("*", { except: Maintenance.SPARED.map((kind) => `${kind}:*`) }))
  }
}
